"""Small copies of pictures, which a browser keeps, and shows only while the picture is there."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from fastapi import Request, Response

from retrato.server.pictures import FEW_AT_ONCE


def small_copy(request: Request, picture: Path, make: Callable[[], bytes]) -> Response:
    """Answers with the WebP that `make` gives of the file `picture`, or that the browser's own is still right.

    The browser asks each time: what was deleted or forgotten, here or by another server at this address, is not shown
    again. `make` reads the whole picture, which may be large, within `FEW_AT_ONCE`. Raises OSError where the file is
    gone.
    """
    found = picture.stat()
    said = f"{picture.resolve()} {found.st_mtime_ns} {found.st_size}"
    headers = {"cache-control": "private, no-cache", "etag": f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    with FEW_AT_ONCE:
        content = make()
    return Response(content, media_type="image/webp", headers=headers)
