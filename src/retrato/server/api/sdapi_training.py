"""A1111's create, train and preprocess: its fields in terms of our settings. What it answers, plus honest statuses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import APIRouter, Body, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from retrato.embeddings import Embedding, check_name
from retrato.errors import EmbeddingError, PhotoError, SettingsError
from retrato.jobs import Job, order_preparation, order_training
from retrato.model import initial_vectors
from retrato.server.api.sdapi import failure
from retrato.server.api.sdapi_fields import Field as Asked
from retrato.server.api.sdapi_models import AnyObject
from retrato.server.api.sdapi_models import Request as Body_
from retrato.server.service import Service
from retrato.server.waiting import finished
from retrato.settings import PhotoSettings, TrainSettings

# A1111's training fields, the settings they fill, and the values that ask for nothing.
TRAINING = (
    Asked("learn_rate", None, "learning_rate", ("",), str),
    Asked("batch_size", None, "batch_size"),
    Asked("gradient_step", None, "gradient_accumulation"),
    Asked("steps", None, "steps"),
    Asked("shuffle_tags", None, "shuffle_tags"),
    Asked("tag_drop_out", None, "tag_dropout"),
    Asked("latent_sampling_method", None, "latent_sampling", ("",)),
    Asked("create_image_every", None, "preview_every"),
    Asked("save_embedding_every", None, "save_every", (0,)),
    Asked("preview_prompt", None, "preview_prompt", ("",)),
    Asked("use_weight", None, "use_mask"),
    Asked("varsize", None, "buckets", (False,)),
)
# Fields that say where things are and go, or that our previews and files have no need for.
TAKEN = (
    *("id_task", "embedding_name", "data_root", "log_directory", "training_width", "training_height"),
    *("clip_grad_mode", "clip_grad_value", "template_filename", "save_image_with_stored_embedding"),
    *(
        "preview_from_txt2img",
        "preview_negative_prompt",
        "preview_steps",
        "preview_sampler_name",
        "preview_sampler_index",
    ),
    *("preview_cfg_scale", "preview_seed", "preview_width", "preview_height"),
)


class NewEmbedding(Body_):
    """A1111's fields for an embedding that nobody trained yet."""

    name: str = Field(max_length=64)
    num_vectors_per_token: int = Field(1, ge=1, le=75)
    overwrite_old: bool = False
    init_text: str = Field("*", max_length=500)


def routes(service: Service) -> APIRouter:
    """Gives the endpoints that learn."""
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"])

    @router.post("/create/embedding")
    def create_embedding(body: Annotated[NewEmbedding, Body()]) -> AnyObject:
        """Puts an embedding into the library that starts from words and was not trained yet."""
        file = _create(service, body)
        return {"info": f"create embedding filename: {file}"}

    @router.post("/train/embedding")
    async def train_embedding(body: Annotated[AnyObject, Body()], request: Request) -> AnyObject:
        """Learns a person from a folder of photos below the home folder or `--photos`, and answers when it is done."""
        user = request.state.user
        settings, photos = await run_in_threadpool(_training, service, body, user)
        await run_in_threadpool(service.studio.check_training, photos, settings)
        job = order_training(service.queue, photos, settings, owner=user, model=service.model)
        job = await _done(service, job)
        file = (job.result or {}).get("file")
        return {"info": f"train embedding complete: filename: {file} error: None", "job": job.id}

    @router.post("/create/hypernetwork")
    @router.post("/train/hypernetwork")
    def hypernetwork(body: Annotated[AnyObject, Body()]) -> AnyObject:
        """Says where this server learns hypernetworks."""
        raise SettingsError(
            "hypernetworks are learned in one go here: POST /api/v1/jobs with the kind train-hypernetwork"
        )

    @router.post("/preprocess")
    async def preprocess(body: Annotated[AnyObject, Body()], request: Request) -> AnyObject:
        """Makes training pictures of a folder of photos, as A1111 did up to 1.6."""
        user = request.state.user
        settings = _preparation(body)
        photos, out = _folder(service, body, "process_src", user), _new_folder(service, body, "process_dst", user)
        job = await _done(service, order_preparation(service.queue, photos, out, settings, owner=user))
        refused = (job.result or {}).get("refused", [])
        return {"info": "preprocess complete", "refused": [each["reason"] for each in refused]}

    return router


async def _done(service: Service, job: Job) -> Job:
    found = await finished(service.queue, job.id)
    if found.state == "failed":
        raise failure(found)
    return found


def _create(service: Service, body: NewEmbedding) -> Path:
    """Gives the file; raises EmbeddingError for a name that is taken or none."""
    check_name(body.name)
    components = service.studio.components
    if body.init_text.strip():
        start = initial_vectors(components, body.init_text, body.num_vectors_per_token)
    else:
        widths = components.token_widths
        start = tuple(torch.zeros(body.num_vectors_per_token, width) for width in widths)
    embedding = Embedding(body.name, start, 0, components.name, components.hash)
    return service.people().add(embedding, overwrite=body.overwrite_old)


def _training(service: Service, body: Mapping[str, Any], user: str) -> tuple[TrainSettings, Path]:
    known = {field.name for field in TRAINING} | set(TAKEN)
    if unknown := [name for name in body if name not in known]:
        raise SettingsError(f"there is no field {unknown[0][:60]!r} in A1111's train/embedding: leave it out")
    name = str(body.get("embedding_name") or "")
    values: dict[str, Any] = {"name": name, "overwrite": True, "recipe": "a1111"}
    people = service.people()
    if name not in people:
        raise EmbeddingError(f"there is no embedding called {name[:64]!r}: create it first, with create/embedding")
    values["vectors_per_token"] = people[name].vectors_per_token
    for field in TRAINING:
        value = body.get(field.name)
        if value is None:
            continue
        if field.setting in TrainSettings.model_fields:
            if field.asks(value):
                values[field.setting] = field.convert(value)
        elif field.asks(value):
            raise SettingsError(f"{field.name} is {value!r}: retrato cannot do that (yet), leave it out")
    if body.get("template_filename"):
        values["template"] = Path(str(body["template_filename"])).name.removesuffix(".txt")
    if body.get("clip_grad_mode") == "norm":
        values["gradient_clip"] = body.get("clip_grad_value")
    elif body.get("clip_grad_mode") not in (None, "", "disabled"):
        raise SettingsError(f"clip_grad_mode is {body['clip_grad_mode']!r}: take disabled or norm")
    size = service.studio.components.defaults.size
    for side in ("training_width", "training_height"):
        if body.get(side) not in (None, size):
            raise SettingsError(f"{side} is {body[side]!r}: this model learns at {size}, leave it out or say that")
    return TrainSettings(**values), _folder(service, body, "data_root", user)


def _preparation(body: Mapping[str, Any]) -> PhotoSettings:
    width, height = body.get("process_width", 512), body.get("process_height", 512)
    if width != height:
        raise SettingsError(f"process_width is {width!r} and process_height {height!r}: pictures are square here")
    for name in ("process_caption_deepbooru", "process_multicrop"):
        if body.get(name):
            raise SettingsError(f"{name} is on: retrato cannot do that (yet), leave it out")
    return PhotoSettings(
        size=width,
        crop="focal" if body.get("process_focal_crop") else "center",
        caption="blip" if body.get("process_caption") else "none",
        flip=bool(body.get("process_flip", False)),
        split=bool(body.get("process_split", False)),
    )


def _folder(service: Service, body: Mapping[str, Any], field: str, user: str) -> Path:
    """Gives the folder of photos that a field names: a set's name, or a path that lies where photos may lie."""
    said = str(body.get(field) or "")
    if not said:
        raise PhotoError(f"{field} is missing: name a folder of photos")
    return service.photo_set(_set_name(service, said, user), owner=user)


def _new_folder(service: Service, body: Mapping[str, Any], field: str, user: str) -> Path:
    said = str(body.get(field) or "")
    if not said:
        raise PhotoError(f"{field} is missing: name a set of photos to make")
    return service.new_photo_set(_set_name(service, said, user), owner=user)


def _set_name(service: Service, said: str, user: str) -> str:
    """Gives the last part of a path into a folder of photo sets; raises PhotoError for any other path."""
    path = Path(said)
    if len(path.parts) > 1 and not any(path.parent == root for root in service.photo_roots(user)):
        raise PhotoError(f"{said[:120]!r} is not where photos may lie: name a set of photos, or start with --photos")
    return path.name
