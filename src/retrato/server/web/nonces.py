"""Lets the scripts that Gradio writes into its page run, and no others: each answer marks them with its own word."""

import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What Gradio needs beyond this server's own files, found by trying without (6.31): its `gr.HTML` compiles the template
# that it is given by this server with `Function`, which is `unsafe-eval`, and sets `style` on elements. Scripts within
# the page run by the nonce; what somebody smuggles into it (`onerror=`, `<script>`) has none and does not.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class Nonces:
    """ASGI middleware that gives the pages at `paths` a content security policy and their scripts its nonce."""

    def __init__(self, app: ASGIApp, *, paths: Iterable[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and rewrites the answer where it is a page."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in Headers(scope=scope).raw if name != b"accept-encoding"]
        nonce = secrets.token_urlsafe(16)
        start: Message = {}
        parts: list[bytes] = []

        async def rewriting(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if message["type"] != "http.response.body":  # what a test client wants to know besides
                await send(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts).replace(b"<script", f'<script nonce="{nonce}"'.encode())
            headers = MutableHeaders(scope=start)
            headers["content-security-policy"] = POLICY.format(nonce=nonce)
            headers["content-length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": plain}, receive, rewriting)
