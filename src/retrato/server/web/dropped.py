"""Lets the page name the files that were dropped on it, and no others: no file of this machine, no address."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrato.server.bodies import FORM, kind_of
from retrato.server.problems import TOO_LARGE, problem

NAMING = ("/file=", "/file/")  # what stands before a file in an address of Gradio's


class OnlyDropped:
    """ASGI middleware that refuses requests below `paths` which name a file that does not lie in `folder`.

    Gradio takes a picture as `{"path": ...}` and reads whatever that says. Whether it was sent that file, it looks only
    in pages that it serves itself, and not in mounted ones as ours is (6.31); and an address it fetches.
    """

    def __init__(self, app: ASGIApp, *, paths: Iterable[str], folder: Path) -> None:
        self._app = app
        self._paths = tuple(paths)
        self._folder = folder.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with the reason why not."""
        if scope["type"] != "http" or not scope["path"].startswith(self._paths):
            await self._app(scope, receive, send)
            return
        named = [after for mark in NAMING if (after := scope["path"].partition(mark)[2])]
        # What is no JSON the doors let in only where files are dropped.
        if scope["method"] == "POST" and kind_of(Headers(scope=scope)) != FORM:
            try:
                body, receive = await _read(receive)
            except HTTPException as error:  # too large: out here nobody else makes an answer of it
                detail = TOO_LARGE if error.detail == "Content Too Large" else error.detail
                await problem(error.status_code, detail)(scope, receive, send)
                return
            named += paths_in(body)
        if all(map(self._is_dropped, named)):
            await self._app(scope, receive, send)
            return
        refusal = problem(403, "the page takes what was dropped on it: a request names no other file and no address")
        await refusal(scope, receive, send)

    def _is_dropped(self, path: str) -> bool:
        try:
            return self._folder in Path(path).resolve().parents
        except (OSError, RuntimeError, ValueError):  # a zero byte, a link to itself
            return False


def paths_in(body: bytes) -> Iterator[str]:
    """Gives each `path` of the objects in a body of JSON, however deep; none of a body that is not JSON."""
    try:
        values = [json.loads(body)]
    except (ValueError, RecursionError):  # it is read in the same way behind this door, and refused there
        return
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield str(value["path"])
            values += value.values()
        elif isinstance(value, list):
            values += value


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """Gives the whole body of a request, and a `receive` that gives it once more."""
    parts, is_more = [], True
    while is_more:
        message = await receive()
        parts.append(message.get("body", b""))
        is_more = message.get("more_body", False)  # not where whoever sent it is gone
    body = b"".join(parts)
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        return next(messages, None) or await receive()

    return body, again
