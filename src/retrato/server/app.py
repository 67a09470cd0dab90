"""Puts the server together: doors outside, the APIs and the page inside, one worker beside them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from retrato.server import problems
from retrato.server.api import gallery, jobs, people, sdapi, sdapi_extras, sdapi_lists, sdapi_training
from retrato.server.doors import Accounts, Doors, accounts_for, own_names
from retrato.server.former import hand_over
from retrato.server.service import Service
from retrato.server.web import page, pictures
from retrato.server.web.reference import reference
from retrato.server.web.site import most_of_file, most_together
from retrato.server.worker import Worker
from retrato.settings import ServerSettings
from retrato.studio import Studio

logger = logging.getLogger("retrato")


def create_app(studio: Studio, settings: ServerSettings, *, accounts: Accounts | None = None) -> FastAPI:
    """Gives the application; its worker runs from startup to shutdown.

    `app.state.service` is what the page works with, `app.state.worker` does its jobs. Raises SettingsError for settings
    that let the wrong people in, and on startup QueueError where another server works in the same home folder.
    """
    if accounts is None:
        accounts, _ = accounts_for(settings)
    service = Service(studio, settings, accounts=max(1, len(accounts.users)))
    app = FastAPI(
        title="retrato",
        summary="Learns a person from about twenty photos and draws them in anything a prompt can say.",
        version=_version(),
        docs_url=None,  # FastAPI's own page loads its scripts from elsewhere
        redoc_url=None,
        strict_content_type=False,  # `Doors` sees to it, and takes a script's body without a type as JSON
        lifespan=_lifespan,
    )
    app.state.service = service
    app.state.accounts = accounts
    app.state.worker = Worker(service)
    problems.install(app)
    for api in (jobs, gallery, people, sdapi, sdapi_lists, sdapi_extras, sdapi_training):
        app.include_router(api.routes(service))
    app.include_router(pictures.routes(service))
    app.include_router(reference(app))
    page.mount(app, service)
    app.add_middleware(
        Doors,
        accounts=accounts,
        hosts=own_names(settings),
        any_address=settings.listen,
        forms_at=page.FORMS,
        lasting=page.LASTING,
        most=most_of_file(service),
        most_of_forms=most_together(service),
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    worker, service = app.state.worker, app.state.service
    worker.hold()
    try:
        hand_over(service.home, queue=service.queue, gallery=service.gallery, accounts=app.state.accounts.users)
    except Exception:  # it is tried again at the next start
        logger.warning("what was sent through the link of an earlier version could not be taken over", exc_info=True)
    worker.start()
    try:
        yield
    finally:
        worker.stop()
        service.close()


def _version() -> str:
    from retrato import __version__

    return __version__
