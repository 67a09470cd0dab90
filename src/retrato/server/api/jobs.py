"""`/api/v1/jobs`: settings in, an id out, and everything that happens to a job as server-sent events."""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from retrato.errors import SettingsError, UnknownError
from retrato.jobs import (
    Job,
    JobEvent,
    JobQueue,
    order_captions,
    order_drawing,
    order_grid,
    order_preparation,
    order_training,
)
from retrato.photos import list_photos
from retrato.server.problems import Problem
from retrato.server.service import Service
from retrato.server.sheets import check_axes
from retrato.server.waiting import follow
from retrato.settings import GenerateSettings, HypernetworkSettings, PhotoSettings, TrainSettings

JobId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="what POST /api/v1/jobs gave")]
SetName = Annotated[str, Field(min_length=1, max_length=255, description="a set of photos, see /api/v1/photos")]
ModelName = Annotated[str | None, Field(max_length=300, description="a base model, see /api/v1/models")]
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
MOST_LISTENING = 100  # streams of events, of one account at once
# Settings that name a picture: over HTTP by an id, never by a path.
PICTURES = ("init_image", "mask")
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (404, "not there, or somebody else's"),
        (409, "not possible now"),
        (422, "the input is wrong"),
    )
}


class Order(BaseModel):
    """What every order has."""

    model_config = ConfigDict(extra="forbid")
    model: ModelName = None


class DrawOrder(Order):
    """Pictures to draw."""

    kind: Literal["draw"]
    settings: GenerateSettings


class GridOrder(Order):
    """A comparison sheet to draw: up to three axes, or none where the settings ask for a prompt matrix."""

    kind: Literal["grid"]
    settings: GenerateSettings
    axes: list[Annotated[str, Field(max_length=4000)]] = Field(
        [], max_length=3, description="`Name=values` for x, y and z, such as `Seed=1-4` or `Sampler=Euler a, LMS`"
    )


class TrainOrder(Order):
    """A person to learn from a set of photos."""

    kind: Literal["train"]
    photos: SetName
    settings: TrainSettings


class HypernetworkOrder(Order):
    """A hypernetwork to learn from a set of photos."""

    kind: Literal["train-hypernetwork"]
    photos: SetName
    settings: HypernetworkSettings


class PrepareOrder(Order):
    """Training pictures to make of a set of photos, as a new set."""

    kind: Literal["prepare"]
    photos: SetName
    out: SetName
    settings: PhotoSettings = PhotoSettings()


class CaptionOrder(Order):
    """A set of photos to describe in words."""

    kind: Literal["caption"]
    photos: SetName


AnyOrder = Annotated[
    DrawOrder | GridOrder | TrainOrder | HypernetworkOrder | PrepareOrder | CaptionOrder, Field(discriminator="kind")
]


class JobSeen(BaseModel):
    """A job as its owner sees it; times are seconds since 1970."""

    id: str
    kind: str
    state: Literal["queued", "running", "paused", "done", "failed", "cancelled"]
    progress: float
    settings: dict[str, Any]
    model: str | None
    photos: str | None
    created: float
    started: float | None
    ended: float | None
    seconds_left: float | None = Field(description="while it runs, if it goes on as so far")
    result: dict[str, Any] | None
    error: str | None


class EventSeen(BaseModel):
    """Something that happened to a job."""

    number: int
    kind: str
    at: float
    data: dict[str, Any]


class Move(BaseModel):
    """Where a waiting job goes: before another one, by default to the front."""

    model_config = ConfigDict(extra="forbid")
    before: JobId | None = None


def seen(queue: JobQueue, job: Job) -> JobSeen:
    """Gives what the owner may know of a job."""
    photos = job.options.get("photos")
    pictures = {name: _called(queue.home, said) for name in PICTURES if (said := job.settings.get(name))}
    return JobSeen(
        id=job.id,
        kind=job.kind,
        state=job.state,
        progress=job.progress,
        settings={**job.settings, **pictures},
        model=job.options.get("model"),
        photos=Path(photos).name if photos else None,
        created=job.created,
        started=job.started,
        ended=job.ended,
        seconds_left=queue.seconds_left(job),
        result=dict(job.result) if job.result is not None else None,
        error=job.error,
    )


def routes(service: Service) -> APIRouter:
    """Gives the endpoints about jobs."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=PROBLEMS)
    queue = service.queue
    listening: Counter[str] = Counter()

    @router.post("", status_code=202)
    def submit(order: Annotated[AnyOrder, Body()], request: Request, response: Response) -> JobSeen:
        """Puts a job into the queue; what can be refused is refused now."""
        job = _submit(service, order, request.state.user)
        response.headers["location"] = f"/api/v1/jobs/{job.id}"
        return seen(queue, job)

    @router.get("")
    def list_jobs(
        request: Request,
        state: Annotated[
            list[Literal["queued", "running", "paused", "done", "failed", "cancelled"]] | None, Query()
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[JobSeen]:
        """Lists your jobs: what runs, what waits in its order, then what is over, the latest first."""
        found = queue.jobs(owner=request.state.user, states=tuple(state) if state else None, limit=limit)
        return [seen(queue, job) for job in found]

    @router.get("/{job}")
    def get_job(job: JobId, request: Request) -> JobSeen:
        """Says how a job is and what came out of it."""
        return seen(queue, queue.get(job, owner=request.state.user))

    @router.delete("/{job}")
    def cancel(job: JobId, request: Request) -> JobSeen:
        """Cancels a job; pictures that are done and what was learned so far are kept."""
        return seen(queue, queue.cancel(job, owner=request.state.user))

    @router.post("/{job}/pause")
    def pause(job: JobId, request: Request) -> JobSeen:
        """Stops a job so that it can go on later."""
        return seen(queue, queue.pause(job, owner=request.state.user))

    @router.post("/{job}/resume")
    def resume(job: JobId, request: Request) -> JobSeen:
        """Lets a paused, cancelled or failed job go on where it stopped."""
        return seen(queue, queue.resume(job, owner=request.state.user))

    @router.post("/{job}/move")
    def move(job: JobId, request: Request, to: Annotated[Move | None, Body()] = None) -> JobSeen:
        """Moves a waiting job within your part of the queue."""
        return seen(queue, queue.move(job, before=to.before if to else None, owner=request.state.user))

    @router.get("/{job}/history")
    def history(
        job: JobId,
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> list[EventSeen]:
        """Lists what happened to a job after an event number."""
        queue.get(job, owner=request.state.user)
        return [_event(event) for event in queue.events(job, after=after, limit=limit)]

    def listen_from(
        job: JobId,
        request: Request,
        last_event_id: Annotated[str | None, Header(description="go on after this event")] = None,
    ) -> int:
        queue.get(job, owner=request.state.user)  # before the stream begins, so that a 404 is one
        return int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 19 else 0

    async def take_a_place(request: Request) -> AsyncIterator[None]:
        owner = request.state.user
        if listening[owner] >= MOST_LISTENING:
            raise HTTPException(
                429, f"{listening[owner]} streams of yours are open, more are not: close one, or ask for the history"
            )
        listening[owner] += 1
        try:
            yield
        finally:
            listening[owner] -= 1

    @router.get("/{job}/events", response_class=EventSourceResponse, dependencies=[Depends(take_a_place)])
    async def events(job: JobId, after: Annotated[int, Depends(listen_from)]) -> AsyncIterable[ServerSentEvent]:
        """Sends what happened and what happens, until the job is over; Last-Event-ID goes on after one."""
        async for event in follow(queue, job, after):
            yield ServerSentEvent(data=_event(event).model_dump(), event=event.kind, id=str(event.number))

    @router.get("/{job}/preview", responses={200: {"content": {"image/png": {}}}}, response_class=Response)
    def preview(job: JobId, request: Request) -> Response:
        """Gives the latest look at the picture in the making."""
        queue.get(job, owner=request.state.user)
        picture = queue.preview(job)
        if picture is None:
            raise UnknownError(f"there is nothing to see of job {job}: it is not drawing now")
        return Response(picture, media_type="image/png")

    @router.get("/{job}/files/{event}", response_class=FileResponse)
    def file(job: JobId, event: Annotated[int, Field(ge=1, lt=2**63)], request: Request) -> FileResponse:
        """Gives the picture that an event (`drawn`, `previewed`) names."""
        owner = queue.get(job, owner=request.state.user).owner
        path = _file_of(service, queue.event(job, event), owner)
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix])

    return router


def _submit(service: Service, order: AnyOrder, owner: str) -> Job:
    queue = service.queue
    model = service.find_model(order.model).source if order.model else service.model
    match order:
        case DrawOrder():
            settings = _with_files(service, order.settings, owner)
            service.check_drawing(settings, model)
            return order_drawing(queue, settings, owner=owner, model=model)
        case GridOrder():
            settings = _with_files(service, order.settings, owner)
            service.check_drawing(settings.changed(count=1), model)  # a cell is one picture
            axes = (
                check_axes(service, settings, order.axes, owner=owner) if order.axes or settings.matrix == "off" else []
            )
            return order_grid(queue, settings, axes, owner=owner, model=model)
        case TrainOrder() | HypernetworkOrder():
            photos = service.photo_set(order.photos, owner=owner)
            service.check_training(photos, order.settings, model)
            return order_training(queue, photos, order.settings, owner=owner, model=model)
        case PrepareOrder():
            if order.settings.mask_folder is not None:
                raise SettingsError(
                    "mask_folder names a folder of the server, which no request may: leave it out, mask finds the "
                    "subject by itself"
                )
            photos, out = service.photo_set(order.photos, owner=owner), service.new_photo_set(order.out, owner=owner)
            return order_preparation(queue, photos, out, order.settings, owner=owner, model=model)
        case CaptionOrder():
            files = list_photos(service.photo_set(order.photos, owner=owner))
            return order_captions(queue, files, owner=owner, model=model)


def _with_files(service: Service, settings: GenerateSettings, owner: str) -> GenerateSettings:
    """Gives the settings with the files that `upload:<id>` and `picture:<id>` stand for; a path is refused."""
    files: dict[str, str] = {}
    for name in PICTURES:
        if said := getattr(settings, name, None):
            files[name] = str(service.picture_file(said, owner=owner))
    return settings.changed(**files) if files else settings


def _called(home: Path, file: str) -> str:
    """Gives what a request calls a picture that was sent; where any other lies in the home folder."""
    path = Path(file)
    if path.parent == home / "uploads":
        return f"upload:{path.stem}"
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name


def _event(event: JobEvent) -> EventSeen:
    return EventSeen(number=event.number, kind=event.kind, at=event.at, data=dict(event.data))


def _file_of(service: Service, event: JobEvent, owner: str) -> Path:
    """Gives the picture that an event of an `owner`'s job names, if it lies in the home folder; raises UnknownError.

    So it does where the gallery knows the file as somebody else's: who can write there may have named it so.
    """
    home, named = service.home, event.data.get("file")
    path = (home / str(named)).resolve() if named else None
    is_there = path is not None and path.suffix in MEDIA_TYPES and path.is_relative_to(home.resolve())
    if path is None or not is_there or not path.is_file() or service.gallery.owner_of(str(named)) not in (None, owner):
        raise UnknownError(f"event {event.number} has no picture (any more): ask for those called drawn or previewed")
    return path
