"""`/api/v1/pictures`: what was drawn, to search, to look at and to take settings from."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from retrato.gallery import Picture
from retrato.generation import parse_infotext
from retrato.server.api.jobs import PROBLEMS
from retrato.server.copies import small_copy
from retrato.server.pictures import read_base64, store_upload, stored_text
from retrato.server.service import Service

PictureId = Annotated[int, Field(ge=1, lt=2**63)]
Moment = Annotated[float | None, Query(description="seconds since 1970", allow_inf_nan=False)]


class PictureSeen(BaseModel):
    """A picture as its owner sees it; `parameters` are A1111's fields of its text."""

    id: int
    file: str
    made: float
    prompt: str
    negative_prompt: str
    seed: int | None
    model: str
    sampler: str
    width: int
    height: int
    people: list[str]
    infotext: str
    parameters: dict[str, str]


class Choices(BaseModel):
    """What one can search by."""

    people: list[str]
    models: list[str]
    samplers: list[str]


class Sent(BaseModel):
    """A picture in base64."""

    model_config = ConfigDict(extra="forbid")
    image: str


class Uploaded(BaseModel):
    """What settings such as init_image call a picture that was sent."""

    id: str


class Read(BaseModel):
    """What a picture's text says."""

    infotext: str
    parameters: dict[str, str]


def routes(service: Service) -> APIRouter:
    """Gives the endpoints about pictures."""
    router = APIRouter(prefix="/api/v1/pictures", tags=["pictures"], responses=PROBLEMS)
    gallery = service.gallery

    @router.get("")
    def search(
        request: Request,
        words: Annotated[str, Query(max_length=1000)] = "",
        person: Annotated[str | None, Query(max_length=64)] = None,
        model: Annotated[str | None, Query(max_length=300)] = None,
        sampler: Annotated[str | None, Query(max_length=100)] = None,
        since: Moment = None,
        until: Moment = None,
        before: Annotated[int | None, Query(ge=1, lt=2**63, description="the last picture of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[PictureSeen]:
        """Finds pictures, the latest first."""
        found = gallery.search(
            words,
            person=person,
            model=model,
            sampler=sampler,
            since=since,
            until=until,
            owner=request.state.user,
            before=before,
            limit=limit,
        )
        return [_seen(picture) for picture in found]

    @router.get("/choices")
    def choices(request: Request) -> Choices:
        """Lists the people, models and samplers of your pictures."""
        return Choices(**gallery.choices(owner=request.state.user))

    @router.post("/read")
    def read(picture: Annotated[Sent, Body()]) -> Read:
        """Reads the text that any picture carries."""
        infotext = stored_text(read_base64(picture.image))
        return Read(infotext=infotext, parameters=parse_infotext(infotext) if infotext else {})

    @router.post("/upload", status_code=201)
    def upload(picture: Annotated[Sent, Body()]) -> Uploaded:
        """Takes a picture to draw over, or a mask; only its pixels are kept."""
        return Uploaded(id=f"upload:{store_upload(service.home, picture.image).stem}")

    @router.get("/{picture}")
    def get_picture(picture: PictureId, request: Request) -> PictureSeen:
        """Says how a picture was drawn."""
        return _seen(gallery.get(picture, owner=request.state.user))

    @router.get("/{picture}/file", response_class=FileResponse)
    def file(picture: PictureId, request: Request) -> FileResponse:
        """Gives the picture itself."""
        return FileResponse(gallery.file(picture, owner=request.state.user))

    @router.get("/{picture}/thumbnail", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
    def thumbnail(picture: PictureId, request: Request) -> Response:
        """Gives a small copy."""
        owner = request.state.user
        return small_copy(request, gallery.file(picture, owner=owner), lambda: gallery.thumbnail(picture, owner=owner))

    @router.delete("/{picture}", status_code=204, response_class=Response)
    def remove(picture: PictureId, request: Request) -> Response:
        """Deletes a picture."""
        gallery.remove(picture, owner=request.state.user)
        return Response(status_code=204)

    return router


def _seen(picture: Picture) -> PictureSeen:
    fields = {name: value for name, value in asdict(picture).items() if name != "owner"}
    return PictureSeen(**fields, parameters=picture.parameters)
