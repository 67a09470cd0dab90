"""Requests whose bytes go once they are read: many wait for their turn, and each may have brought large pictures."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class LightRoute(APIRoute):
    """A route that holds of a body in JSON only what it says; a handler may drop parts of `await request.json()`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Gives what answers a request."""
        answer = super().get_route_handler()

        async def answering(request: Request) -> Response:
            return await answer(_LightRequest(request.scope, request.receive))

        return answering


class _LightRequest(Request):
    async def body(self) -> bytes:
        """Gives a stand-in for a body that was read: FastAPI holds what this gives until the answer is sent."""
        if not hasattr(self, "_json") and (content := await super().body()):
            self._json = json.loads(content)
            self._body = b"{}"
        return self._body
