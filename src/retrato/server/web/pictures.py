"""Small copies of photos and of the pictures of runs, for the page; to their owner only."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from retrato.embeddings import FORMATS
from retrato.errors import UnknownError
from retrato.hypernetworks import HYPERNETWORK_FORMATS, HypernetworkLibrary
from retrato.photos.encode import encode
from retrato.server.copies import small_copy
from retrato.server.photo_files import small
from retrato.server.service import Service

SIDE = 320  # pixels


def routes(service: Service) -> APIRouter:
    """Gives the addresses that the page's markup names."""
    router = APIRouter(prefix="/web", include_in_schema=False)

    @router.get("/photos/{name}/{file}")
    def photo(name: str, file: str, request: Request) -> Response:
        return _small(request, service.photo(name, file, owner=request.state.user))

    @router.get("/photos/{name}/{file}/whole")
    def whole(name: str, file: str, request: Request) -> Response:
        """Gives a photo before it was cut."""
        return _small(request, service.photo(name, file, owner=request.state.user), 2 * SIDE, is_whole=True)

    @router.get("/uploads/{name}")
    def upload(name: str, request: Request) -> Response:
        """Gives a picture that somebody dropped to begin a drawing with; its name is its content's hash."""
        file = service.picture_file(f"upload:{name}", owner=request.state.user)
        return Response(file.read_bytes(), media_type="image/png")

    @router.get("/candidates/{job}/{event}/{number}")
    def candidate(
        job: str,
        event: Annotated[int, InPath(ge=1, lt=2**63)],
        number: Annotated[int, InPath(ge=0, lt=1000)],
        request: Request,
    ) -> Response:
        service.queue.get(job, owner=request.state.user)
        said = service.queue.event(job, event).data.get("candidate")
        pictures = said.get("pictures", []) if isinstance(said, dict) else []
        path = (service.home / pictures[number]).resolve() if number < len(pictures) else None
        return _small(request, path if path and path.is_relative_to(service.home.resolve()) else None)

    @router.get("/previews/{job}")
    def preview(job: str, request: Request) -> Response:
        """Gives the latest look at a picture in the making; nothing, and no error, where it has just been finished."""
        service.queue.get(job, owner=request.state.user)
        picture = service.queue.preview(job)
        return Response(picture, media_type="image/png") if picture else Response(status_code=204)

    @router.get("/people/{kind}/{name}")
    def export(kind: str, name: str) -> Response:
        """Gives a person's file in one of the formats."""
        if kind not in FORMATS:
            raise UnknownError(f"there is no embedding format {kind[:40]!r}: there are {', '.join(FORMATS)}")
        embedding = service.everybody[name]
        return _download(FORMATS[kind].content(embedding), embedding.name + FORMATS[kind].suffix)

    @router.get("/hypernetworks/{kind}/{name}")
    def export_network(kind: str, name: str) -> Response:
        """Gives a hypernetwork's file in one of the formats."""
        if kind not in HYPERNETWORK_FORMATS:
            raise UnknownError(
                f"there is no hypernetwork format {kind[:40]!r}: there are {', '.join(HYPERNETWORK_FORMATS)}"
            )
        network = HypernetworkLibrary(service.home / "hypernetworks")[name]
        form = HYPERNETWORK_FORMATS[kind]
        return _download(form.content(network), network.name + form.suffix)

    return router


def _download(content: bytes, name: str) -> Response:
    told = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type="application/octet-stream", headers=told)


def _small(request: Request, path: Path | None, side: int = SIDE, *, is_whole: bool = False) -> Response:
    if path is None or not path.is_file():
        raise UnknownError("there is no such picture (any more): load the page again")
    return small_copy(request, path, lambda: encode(small(path, side, is_whole=is_whole), "WEBP", quality=82))
