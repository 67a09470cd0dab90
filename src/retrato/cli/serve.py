"""`retrato serve`: the studio for browsers and programs. Knows the screen; the rest is `retrato.server`'s business."""

import contextlib
import os
import socket
from pathlib import Path

from retrato.cli.options import Device, Dtype, Family, Json, Model, ScorerSource, Vae, from_settings
from retrato.cli.screen import Screen
from retrato.errors import SettingsError
from retrato.model.catalogue import describe_model
from retrato.settings import ServerSettings
from retrato.studio import Studio

MOST_CONNECTIONS = 512  # half of the files that a process may have open on most systems


@from_settings(ServerSettings)
def serve(
    settings: ServerSettings,
    model: Model = "mini",
    device: Device = "auto",
    dtype: Dtype = "auto",
    family: Family = "auto",
    vae: Vae = None,
    scorer: ScorerSource = None,
    json: Json = False,
) -> None:
    """Opens the studio and says where; ends with Ctrl-C, and goes on with its jobs the next time."""
    import uvicorn

    from retrato.server import create_app
    from retrato.server.doors import accounts_for

    screen = Screen(json)
    accounts, token = accounts_for(settings, os.environ.get("RETRATO_AUTH"))
    if settings.photos and not Path(settings.photos).expanduser().is_dir():
        raise SettingsError(
            f"photos is {settings.photos!r}, which is no folder: name one with a folder for each person"
        )
    studio = Studio.open(model, device=device, dtype=dtype, family=family, vae=vae, scorer=scorer)
    describe_model(studio.model)  # it is read later: what can be no model is said now
    with _bind(settings) as listener:
        host, port = settings.host, listener.getsockname()[1]
        app = create_app(studio, settings, accounts=accounts)
        app.state.worker.hold()  # before anything is said: where another server works in this home folder this one ends
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
            limit_concurrency=MOST_CONNECTIONS,
        )
        shown = f"[{host}]" if ":" in host else socket.gethostname() if host in ("0.0.0.0", "::") else host
        address = f"http://{shown}:{port}/{f'?token={token}' if token else ''}"
        screen.say(f"retrato is at {address} (Ctrl-C ends it)")
        screen.finish({"url": address, "port": port, "home": app.state.service.home})
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends in order first, then raises it again
            uvicorn.Server(config).run(sockets=[listener])


def _bind(settings: ServerSettings) -> socket.socket:
    """Gives the socket to listen at; raises SettingsError where somebody else has it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # By its protocol asyncio knows that answers may not wait for acknowledgements (Nagle): 40 ms each, else.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # on Windows it would let two programs listen at one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"{settings.host}:{settings.port} cannot be listened at ({error.strerror}): take another --port"
        ) from None
    listener.listen(128)  # whoever comes before the model is read waits, and is not turned away
    return listener
