"""What stands at `/` while there is no page: what this is, and where to go on."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from retrato.server.service import Service

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>retrato</title></head><body>
<main><h1>retrato</h1>
<p>This server learns people from photos and draws them. It has no page yet; programs talk to it:</p>
<ul><li><a href="/docs">what it can be asked</a></li><li><a href="/openapi.json">the same for programs</a></li></ul>
</main></body></html>
"""


def landing(service: Service) -> APIRouter:
    """Gives the page at `/`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    def show() -> str:
        return PAGE

    return router
