"""`/api/v1/people`, `/photos`, `/models`: who can be drawn, what can be learned from, and on what."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from retrato.photos import PhotoReport
from retrato.plain import plain
from retrato.server.api.jobs import PROBLEMS, SetName
from retrato.server.pictures import read_base64
from retrato.server.service import Service

PersonName = Annotated[str, Field(min_length=1, max_length=64)]


class Person(BaseModel):
    """Somebody in the library."""

    name: str
    vectors: int
    dims: list[int]
    step: int | None
    base_model: str | None
    metadata: dict[str, str]


class People(BaseModel):
    """Who can be drawn, and the files that the model cannot use with the reason."""

    people: list[Person]
    skipped: dict[str, str]


class ModelSeen(BaseModel):
    """A base model; `is_used` marks the one that new jobs go to."""

    name: str
    source: str
    is_used: bool


class PhotoSent(BaseModel):
    """A photo in base64, what to call it, and what is on it in words."""

    model_config = ConfigDict(extra="forbid")
    file: str = Field(max_length=200, examples=["ana-1.jpg"])
    image: str
    caption: str = Field("", max_length=4000)


def routes(service: Service) -> APIRouter:
    """Gives the endpoints about people, their photos and the models."""
    router = APIRouter(prefix="/api/v1", tags=["people"], responses=PROBLEMS)

    @router.get("/people")
    def people() -> People:
        """Lists who can be drawn."""
        library = service.people()
        found = [
            Person(
                name=name,
                vectors=embedding.vectors_per_token,
                dims=list(embedding.dims),
                step=embedding.step,
                base_model=embedding.base_model,
                metadata=dict(embedding.metadata),
            )
            for name, embedding in library.embeddings.items()
        ]
        return People(people=found, skipped={path.name: reason for path, reason in library.skipped.items()})

    @router.delete("/people/{name}")
    def forget(name: PersonName, request: Request) -> dict[str, list[str]]:
        """Removes a person: the embedding, and photos, runs, pictures and jobs of yours. There is no way back."""
        removed = service.forget(name, owner=request.state.user)
        return {"removed": removed}

    @router.get("/models")
    def models() -> list[ModelSeen]:
        """Lists the base models."""
        return [
            ModelSeen(name=model.name, source=model.source, is_used=model.source == service.model)
            for model in service.models()
        ]

    @router.get("/photos")
    def photo_sets(request: Request) -> list[str]:
        """Lists the sets of photos."""
        return service.photo_sets(owner=request.state.user)

    @router.get("/photos/{name}")
    def photos(name: SetName, request: Request) -> dict[str, Any]:
        """Reports on a set of photos: what is good and bad about each, and what to add or to drop."""
        looking = service.look_at_photos(name, owner=request.state.user)
        report = next(found for found in looking if isinstance(found, PhotoReport))
        verdicts = [{**_plain(each), "file": each.file.name} for each in report.photos]
        return {"photos": verdicts, "verdict": report.verdict, "advice": list(report.advice)}

    @router.post("/photos/{name}", status_code=201)
    def add_photo(name: SetName, photo: Annotated[PhotoSent, Body()], request: Request) -> dict[str, str]:
        """Adds a photo to a set, which is made with the first one. Only its pixels are kept: no place, no camera.

        What is see-through becomes its mask. The answer says what the file is called in the set.
        """
        content = read_base64(photo.image, photo.file)
        kept = service.add_photo(name, photo.file, content, photo.caption, owner=request.state.user)
        return {"file": kept.name}

    @router.delete("/photos/{name}", status_code=204, response_class=Response)
    def remove_photo_set(name: SetName, request: Request) -> Response:
        """Removes a set of yours with all its photos. There is no way back."""
        service.remove_photo_set(name, owner=request.state.user)
        return Response(status_code=204)

    @router.delete("/photos/{name}/{file}", status_code=204, response_class=Response)
    def remove_photo(name: SetName, file: Annotated[str, Field(max_length=200)], request: Request) -> Response:
        """Takes a photo out of a set of yours."""
        service.remove_photo(name, file, owner=request.state.user)
        return Response(status_code=204)

    return router


def _plain(value: object) -> dict[str, Any]:
    found = plain(value)
    assert isinstance(found, dict)
    return found
