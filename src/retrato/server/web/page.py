"""Puts the page together, once for each language, under the server's doors."""

import asyncio
import os
import sys
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from retrato.markup import tag
from retrato.server.service import Service
from retrato.server.web.dropped import OnlyDropped
from retrato.server.web.nonces import Nonces
from retrato.server.web.site import LANGUAGES, Site, choose_language, most_of_file, path_of

FORMS = tuple(f"{path_of(language)}/gradio_api/upload" for language in LANGUAGES)
# Gradio's own files have a hash of their content in their names.
LASTING = tuple(f"{path_of(language)}/assets/" for language in LANGUAGES)
# What was dropped and never read (a field that was left, a name that was missing) Gradio removes once it is so old,
# looking so often; in seconds.
LOOKS_EVERY, OLD = 600, 3600
PAUSE = 0.02  # seconds between looks for somebody who clicks


def mount(app: FastAPI, service: Service) -> None:
    """Puts the page into `app`: `/` leads to the one in the browser's language."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is first imported, as below
    # Where Gradio puts what is dropped; read by each part of a page and each application as it is made, so that every
    # server keeps its own. The folder of the system that it would take otherwise nobody empties.
    for folder in (service.dropped.parent, service.dropped):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(service.dropped)
    app.include_router(_routes())

    async def build() -> None:
        for language in LANGUAGES:
            _mount(app, Site(service, language))

    paths = [f"{path_of(language)}/" for language in LANGUAGES]
    app.add_middleware(Nonces, paths=paths)
    app.add_middleware(OnlyDropped, paths=paths, folder=service.dropped)
    asyncio.run(build())  # where no loop runs, Gradio makes one for each lock and never closes it


def _mount(app: FastAPI, site: Site) -> None:
    import gradio as gr

    from retrato.server.web.about import about_tab, header_of, settings_tab
    from retrato.server.web.draw import draw_tab
    from retrato.server.web.gallery import gallery_tab
    from retrato.server.web.people import people_tab
    from retrato.server.web.photos import photos_tab
    from retrato.server.web.queue import queue_tab
    from retrato.server.web.train import train_tab

    cleaning = (LOOKS_EVERY, OLD)
    with gr.Blocks(analytics_enabled=False, title="retrato", fill_width=True, delete_cache=cleaning) as page:
        header = gr.HTML(header_of(site), elem_id="masthead")
        page.load(lambda: header_of(site), None, [header], api_visibility="private", show_progress="hidden")
        # Each tab enters `tabs` for its own part only: whatever else stood in it (a timer, a state) would be counted by
        # Gradio's browser side as a tab, and the labels behind it would be written one place too far.
        tabs = gr.Tabs(elem_id="tabs", selected="draw")
        sets = gr.Dropdown(
            [], label=site("train.photos"), info=site("train.photos.info"), elem_id="train-photos", render=False
        )
        acted = gr.State("")  # what was last done to a job under Queue
        controls = draw_tab(site, page, acted, tabs)
        photos_tab(site, page, sets, tabs)
        train_tab(site, page, sets, controls["names"], acted, tabs)
        people_tab(site, controls, tabs)
        gallery_tab(site, page, controls, tabs)
        queue_tab(site, acted, tabs)
        settings_tab(site, page, header, tabs)
        about_tab(site, tabs)
    page.queue(default_concurrency_limit=None)  # the queue of jobs is our own; nothing here computes
    # Else Gradio makes a table of the last 10,000 events, and its percentiles, after each event, for nobody.
    page._queue.ANALYTICS_MAX_EVENTS, page._queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize
    page._queue.sleep_when_free = PAUSE  # Gradio's own millisecond keeps a processor awake while nobody does anything
    gr.mount_gradio_app(
        app,
        page,
        path=path_of(site.language),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        show_error=False,
        max_file_size=most_of_file(site.service),
        theme=_theme(gr),
        css=_asset("studio.css"),
        head=str(tag("script", src="/studio.js", defer="defer")),
    )


def _theme(gr: Any) -> Any:
    """Gives the theme that our own styles begin from, with the fonts of the system."""
    faces = ("ui-sans-serif", "system-ui", "sans-serif")
    return gr.themes.Base(font=faces, font_mono=("ui-monospace", "monospace"))


def _asset(name: str) -> str:
    return files("retrato.server.web").joinpath(name).read_text("utf-8")


def _routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    script, mark = _asset("studio.js"), _asset("mark.svg")

    @router.get("/")
    def choose(request: Request) -> Response:
        language = choose_language(request.headers.get("accept-language", ""))
        return RedirectResponse(f"{path_of(language)}/", 303, {"vary": "accept-language"})

    @router.get("/studio.js")
    def behaviour() -> Response:
        return Response(script, media_type="text/javascript")

    @router.get("/favicon.ico")
    def icon() -> Response:
        return Response(mark, media_type="image/svg+xml")

    @router.get("/manifest.json")
    def manifest() -> dict[str, str]:
        return {"name": "retrato", "short_name": "retrato", "start_url": "/", "display": "standalone"}

    return router
