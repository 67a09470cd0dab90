"""A1111's create, train and preprocess: its fields in terms of our settings. What it answers, plus honest statuses."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from retrato.embeddings import Embedding
from retrato.errors import EmbeddingError, HypernetworkError, PhotoError, SettingsError
from retrato.hypernetworks import Hypernetwork
from retrato.jobs import Job, order_preparation, order_training
from retrato.prompts.templates import template_names
from retrato.server.api.jobs import PROBLEMS
from retrato.server.api.sdapi import done
from retrato.server.api.sdapi_fields import OVERRIDES, fill
from retrato.server.api.sdapi_fields import Field as Asked
from retrato.server.api.sdapi_models import AnyObject, Preprocess, TrainEmbedding, TrainHypernetwork
from retrato.server.api.sdapi_models import Request as Body_
from retrato.server.service import Service
from retrato.settings import HypernetworkSettings, LearnSettings, PhotoSettings, TrainSettings
from retrato.training.learnable import Artefact, untrained
from retrato.training.prepare import check_free_word
from retrato.training.seen import is_of_run

# A1111's training fields, the settings they fill, and the values that ask for nothing.
TRAINING = (
    Asked("learn_rate", None, "learning_rate", ("",), str),
    Asked("batch_size", None, "batch_size"),
    Asked("gradient_step", None, "gradient_accumulation"),
    Asked("training_width", None, "width"),
    Asked("training_height", None, "height"),
    Asked("steps", None, "steps"),
    Asked("shuffle_tags", None, "shuffle_tags"),
    Asked("tag_drop_out", None, "tag_dropout"),
    Asked("latent_sampling_method", None, "latent_sampling", ("",)),
    Asked("use_weight", None, "use_mask"),
    Asked("varsize", None, "buckets", (False,)),
    Asked("create_image_every", None, "preview_every"),
)
TRAINING_EMBEDDING = (
    *TRAINING,
    Asked("save_embedding_every", None, "save_every", (0,)),
    Asked("save_image_with_stored_embedding", None, "preview_cards"),
    Asked("template_filename", None, "template", ("",), lambda said: _template(str(said), template_names())),
)
TRAINING_HYPERNETWORK = (
    *TRAINING,
    Asked("save_hypernetwork_every", None, "save_every", (0,)),
    Asked(
        *("template_filename", None, "template", ("",)),
        lambda said: _template(str(said), template_names(needs_name=False)),
    ),
)
# How A1111 draws previews with `preview_from_txt2img`; here they are drawn in one way, and the answer says so.
PREVIEWS = (
    *("preview_negative_prompt", "preview_steps", "preview_sampler_name", "preview_sampler_index"),
    *("preview_cfg_scale", "preview_seed", "preview_width", "preview_height"),
)
# Fields that are looked at one by one.
TAKEN = (
    *("id_task", "embedding_name", "hypernetwork_name", "data_root", "log_directory", "clip_grad_mode"),
    *("clip_grad_value", "preview_from_txt2img", "preview_prompt", *PREVIEWS),
)

# A1111 1.6's fields for preprocessing; the weights of its focal crop can only be what they are there.
PREPARING = (
    Asked("preprocess_txt_action", "ignore", "existing_caption", ("",)),
    Asked("process_flip", False, "flip"),
    Asked("process_split", False, "split"),
    Asked("process_caption", False, "caption", (False,), lambda on: "blip"),
    Asked("process_focal_crop", False, "crop", (False,), lambda on: "focal"),
    Asked("process_keep_original_size", False, None, (False,)),
    Asked("process_caption_deepbooru", False, None, (False,)),
    Asked("process_multicrop", False, None, (False,)),
    Asked("process_focal_crop_debug", False, None, (False,)),
    Asked("split_threshold", 0.5, None, (0.5,)),
    Asked("overlap_ratio", 0.2, None, (0.2,)),
    Asked("process_focal_crop_face_weight", 0.9, None, (0.9,)),
    Asked("process_focal_crop_entropy_weight", 0.3, None, (0.3, 0.15)),
    Asked("process_focal_crop_edges_weight", 0.5, None, (0.5,)),
)
PREPARING_TAKEN = (
    *("id_task", "process_src", "process_dst", "process_width", "process_height"),
    *("process_multicrop_mindim", "process_multicrop_maxdim", "process_multicrop_minarea"),
    *("process_multicrop_maxarea", "process_multicrop_objective", "process_multicrop_threshold"),
)


class NewEmbedding(Body_):
    """A1111's fields for an embedding that nobody trained yet."""

    name: str = Field(max_length=64)
    num_vectors_per_token: int = Field(1, ge=1, le=75)
    overwrite_old: bool = False
    init_text: str = Field("*", max_length=500)


class NewHypernetwork(Body_):
    """A1111's fields for a hypernetwork that nobody trained yet; without `enable_sizes` it has all of the model's."""

    name: str = Field(max_length=64)
    enable_sizes: list[int] | None = Field(None, max_length=16)
    overwrite_old: bool = False
    layer_structure: str | list[float] | None = Field(None, max_length=200)
    activation_func: str | None = Field(None, max_length=40)
    weight_init: str | None = Field(None, max_length=40)
    add_layer_norm: bool = False
    use_dropout: bool = False
    dropout_structure: str | list[float] | None = Field(None, max_length=200)


def routes(service: Service) -> APIRouter:
    """Gives the endpoints that learn."""
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"], responses=PROBLEMS)

    @router.post("/create/embedding")
    def create_embedding(body: Annotated[NewEmbedding, Body()]) -> AnyObject:
        """Puts an embedding into the library that starts from words and was not trained yet."""
        settings = TrainSettings(
            name=body.name,
            initializer_text=body.init_text,
            vectors_per_token=body.num_vectors_per_token,
            recipe="a1111",
        )
        return {"info": f"create embedding filename: {_create(service, settings, body.overwrite_old)}"}

    @router.post("/create/hypernetwork")
    def create_hypernetwork(body: Annotated[NewHypernetwork, Body()]) -> AnyObject:
        """Puts a hypernetwork into the library that changes almost nothing yet."""
        return {"info": f"create hypernetwork filename: {_create(service, _structured(body), body.overwrite_old)}"}

    @router.post("/train/embedding")
    async def train_embedding(body: Annotated[TrainEmbedding, Body()], request: Request) -> AnyObject:
        """Learns a person from a folder of photos below the home folder or `--photos`, and answers when it is done."""
        return await _train(service, body.model_dump(exclude_unset=True), request.state.user, TrainSettings)

    @router.post("/train/hypernetwork")
    async def train_hypernetwork(body: Annotated[TrainHypernetwork, Body()], request: Request) -> AnyObject:
        """Learns a person as a hypernetwork that was created before, and answers when it is done."""
        return await _train(service, body.model_dump(exclude_unset=True), request.state.user, HypernetworkSettings)

    @router.post("/preprocess")
    async def preprocess(body: Annotated[Preprocess, Body()], request: Request) -> AnyObject:
        """Makes training pictures of a folder of photos, as A1111 did up to 1.6."""
        said = body.model_dump(exclude_unset=True)
        job = await run_in_threadpool(_order_preparation, service, said, request.state.user)
        job = await done(service, job)
        refused = (job.result or {}).get("refused", [])
        return {"info": "preprocess complete", "refused": [each["reason"] for each in refused]}

    return router


def _create(service: Service, settings: LearnSettings, overwrite: bool) -> Path:
    """Gives the file; raises EmbeddingError or HypernetworkError for a name that is taken or none."""
    check_free_word(service.studio.components, settings)
    made = untrained(service.studio.components, settings)
    if isinstance(made, Embedding):
        return service.people().add(made, overwrite=overwrite)
    return service.studio.hypernetworks.add(made, overwrite=overwrite)


def _structured(body: NewHypernetwork) -> HypernetworkSettings:
    """Gives the settings that A1111's fields for a new hypernetwork say."""
    said = {
        "layer_structure": _numbers(body.layer_structure),
        "activation": body.activation_func,
        "weight_init": body.weight_init,
        "sizes": _numbers(body.enable_sizes),
        "dropout": _numbers(body.dropout_structure) if body.use_dropout else None,
    }
    asked: dict[str, Any] = {name: value for name, value in said.items() if value}
    return HypernetworkSettings(name=body.name, layer_norm=body.add_layer_norm, recipe="a1111", **asked)


def _numbers(said: str | list[float] | list[int] | None) -> str | None:
    return said if isinstance(said, str) or said is None else ", ".join(f"{each:g}" for each in said)


async def _train(service: Service, body: Mapping[str, Any], user: str, kind: type[LearnSettings]) -> AnyObject:
    job = await run_in_threadpool(_order_training, service, body, user, kind)
    job = await done(service, job)
    file = (job.result or {}).get("file")
    # A1111 says "embedding" of hypernetworks too.
    said = {"info": f"train embedding complete: filename: {file} error: None", "job": job.id}
    left_out = [name for name in PREVIEWS if body.get("preview_from_txt2img") and body.get(name) not in (None, "")]
    return {**said, "left_out": left_out} if left_out else said


def _order_training(service: Service, body: Mapping[str, Any], user: str, kind: type[LearnSettings]) -> Job:
    settings = _training(service, body, kind)
    photos = _folder(service, body, "data_root", user)
    service.studio.check_training(photos, settings)
    return order_training(service.queue, photos, settings, owner=user, model=service.model)


def _training(service: Service, body: Mapping[str, Any], kind: type[LearnSettings]) -> LearnSettings:
    """Gives the settings that A1111's fields ask for; raises SettingsError for what nothing here can do."""
    is_embedding = issubclass(kind, TrainSettings)
    what = "embedding" if is_embedding else "hypernetwork"
    fields = TRAINING_EMBEDDING if is_embedding else TRAINING_HYPERNETWORK
    if unknown := [name for name in body if name not in {field.name for field in fields} | set(TAKEN)]:
        raise SettingsError(f"there is no field {unknown[0][:60]!r} in A1111's train/{what}: leave it out")
    name = str(body.get(f"{what}_name") or "")
    begun = _begun_embedding(service, name) if is_embedding else _begun_hypernetwork(service, name)
    always = {"name": name, "overwrite": True, "recipe": "a1111", "clip_skip": _clip_skip(service)}
    values: dict[str, Any] = {**always, **begun, **_filled(fields, body)}
    if values.get("buckets"):  # A1111's clients send width and height all the same
        values = {field: value for field, value in values.items() if field not in ("width", "height")}
    mode, limit = body.get("clip_grad_mode"), body.get("clip_grad_value", "0.1")
    if mode not in (None, "", "disabled", "norm", "value"):
        raise SettingsError(f"clip_grad_mode is {mode!r}: take disabled, value or norm")
    if mode in ("norm", "value") and limit not in (None, ""):
        values |= {"gradient_clip": str(limit), "gradient_clip_by": mode}
    if body.get("preview_from_txt2img") and body.get("preview_prompt"):
        values["preview_prompt"] = str(body["preview_prompt"])
    if not values.get("preview_every"):  # how previews are drawn is sent also where there are to be none
        values = {field: value for field, value in values.items() if not field.startswith("preview_")}
    return kind(**values)


def _clip_skip(service: Service) -> int:
    """Gives the clip skip that A1111's option asks for, by which A1111 learns as well as draws."""
    return int(fill(service.overrides(), OVERRIDES).get("clip_skip", 1))


def _require_ours(service: Service, found: Artefact, what: str) -> None:
    """Raises EmbeddingError or HypernetworkError for what was trained elsewhere, as training would replace it.

    What was only created holds nothing yet, and of what was learned here the run has a copy.
    """
    if found.step == 0 or any(is_of_run(found, run) for run in service.home.glob("textual_inversion/*/*")):
        return
    kind = EmbeddingError if isinstance(found, Embedding) else HypernetworkError
    raise kind(
        f"{found.name} was not learned here, and training begins anew and would replace it: train another name, or "
        f"create it anew with create/{what} and overwrite_old"
    )


def _begun_embedding(service: Service, name: str) -> dict[str, Any]:
    """Gives the settings that start where the embedding called `name` was created; raises EmbeddingError."""
    people = service.people()
    if name not in people:
        raise EmbeddingError(f"there is no embedding called {name[:64]!r}: create it first, with create/embedding")
    found = people[name]
    _require_ours(service, found, "embedding")
    begun: dict[str, Any] = {"vectors_per_token": found.vectors_per_token}
    if "initializer_text" in found.metadata:
        begun["initializer_text"] = found.metadata["initializer_text"]
    return begun


def _begun_hypernetwork(service: Service, name: str) -> dict[str, Any]:
    """Gives the settings that start where the hypernetwork called `name` was created; raises HypernetworkError."""
    library = service.studio.hypernetworks
    if name not in library:
        raise HypernetworkError(
            f"there is no hypernetwork called {name[:64]!r}: create it first, with create/hypernetwork"
        )
    found: Hypernetwork = library[name]
    _require_ours(service, found, "hypernetwork")
    structure = found.structure
    return {
        "sizes": _numbers(list(found.sizes)),
        "layer_structure": _numbers(list(structure.layers)),
        "activation": structure.activation,
        "activate_output": structure.activate_output,
        "layer_norm": structure.layer_norm,
        "dropout": _numbers(list(structure.dropout)) or None,
        "weight_init": found.weight_init,
    }


def _template(said: str, names: Sequence[str]) -> str:
    """Gives the built-in template that a file name stands for; raises SettingsError for any but `names`."""
    name = said.removesuffix(".txt")
    if name not in names:
        raise SettingsError(f"template_filename is {said[:60]!r}: name one of {', '.join(names)}")
    return name


def _order_preparation(service: Service, body: Mapping[str, Any], user: str) -> Job:
    settings = _preparation(body)
    photos, out = _folder(service, body, "process_src", user), _new_folder(service, body, "process_dst", user)
    if photos == out:
        raise PhotoError("process_src and process_dst are the same: name another set of photos to make")
    return order_preparation(service.queue, photos, out, settings, owner=user)


def _preparation(body: Mapping[str, Any]) -> PhotoSettings:
    width, height = body.get("process_width", 512), body.get("process_height", 512)
    if width != height:
        raise SettingsError(f"process_width is {width!r} and process_height {height!r}: pictures are square here")
    known = {field.name for field in PREPARING} | set(PREPARING_TAKEN)
    if unknown := [name for name in body if name not in known]:
        raise SettingsError(f"there is no field {unknown[0][:60]!r} in A1111's preprocess: leave it out")
    return PhotoSettings(size=width, **{"existing_caption": "ignore", **_filled(PREPARING, body)})


def _filled(fields: Iterable[Asked], body: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the settings that fields of the body ask for; raises SettingsError for what nothing here can do."""
    values = {}
    for field in fields:
        value = body.get(field.name)
        if value is None or not field.asks(value):
            continue
        if field.setting is None:
            raise SettingsError(f"{field.name} is {str(value)[:60]!r}: retrato cannot do that (yet), leave it out")
        values[field.setting] = field.convert(value)
    return values


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
