"""What A1111's clients ask about the place: models, samplers, people, options. Empty lists where there is nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import psutil
from fastapi import APIRouter, Body

from retrato.embeddings import Embedding, read_embedding
from retrato.errors import EmbeddingError, RetratoError, SettingsError
from retrato.model.catalogue import list_vaes
from retrato.sampling.samplers import SAMPLERS, SCHEDULES
from retrato.server.api.jobs import PROBLEMS
from retrato.server.api.sdapi_fields import OVERRIDES, fill
from retrato.server.api.sdapi_models import AnyObject
from retrato.server.service import Model, Service
from retrato.settings import GenerateSettings

Rows = list[AnyObject]
RESIZERS = ("None", "Lanczos", "Nearest")
LATENT_UPSCALERS = (
    *("Latent", "Latent (antialiased)", "Latent (bicubic)", "Latent (bicubic antialiased)", "Latent (nearest)"),
    "Latent (nearest-exact)",
)
# Options of A1111 as they are at first; only those of OVERRIDES can be set.
FIXED: Mapping[str, Any] = {
    "samples_format": "png",
    "samples_save": True,
    "emphasis": "Original",
    "CLIP_stop_at_last_layers": 1,
    "use_old_scheduling": False,
    "eta_noise_seed_delta": 0,
    "randn_source": "CPU",
    "enable_prompt_comments": True,
    "sd_hypernetwork": "None",
    "enable_pnginfo": True,
}


def routes(service: Service) -> APIRouter:
    """Gives the endpoints that list and set."""
    router = APIRouter(prefix="/sdapi/v1", tags=["sdapi"], responses=PROBLEMS)

    @router.get("/options")
    def get_options() -> AnyObject:
        """Gives the options that there are."""
        return _options(service)

    @router.post("/options")
    def set_options(options: Annotated[AnyObject, Body()]) -> None:
        """Chooses the model, and sets what `override_settings` may say, until the server ends; nothing else changes.

        Only what is drawn through this API goes by it; `send_seed` is kept for clients that flip it.
        """
        apply_options(service, options)

    @router.get("/cmd-flags")
    def cmd_flags() -> AnyObject:
        """Gives how the server was started, by A1111's names where it has them; passwords and tokens are no part."""
        settings = service.settings
        return {
            "listen": settings.listen,
            "port": settings.port,
            "server_name": settings.host,
            "api": True,
            "api_auth": bool(settings.auth),
            "data_dir": str(service.home),
            "embeddings_dir": str(service.home / "embeddings"),
            "hypernetwork_dir": str(service.home / "hypernetworks"),
            "device_id": service.studio.device,
        }

    @router.get("/samplers")
    def samplers() -> Rows:
        """Lists the samplers."""
        return [{"name": name, "aliases": [name.lower().replace(" ", "_")], "options": {}} for name in SAMPLERS]

    @router.get("/schedulers")
    def schedulers() -> Rows:
        """Lists the noise schedules."""
        return [
            {
                "name": name.lower().replace(" ", "_"),
                "label": name,
                "aliases": None,
                "default_rho": -1.0,
                "need_inner_model": False,
            }
            for name in SCHEDULES
        ]

    @router.get("/upscalers")
    def upscalers() -> Rows:
        """Lists what pictures can be enlarged with."""
        return [
            {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4} for name in RESIZERS
        ]

    @router.get("/latent-upscale-modes")
    def latent_upscale_modes() -> Rows:
        """Lists what hires fix can enlarge latents with."""
        return [{"name": name} for name in LATENT_UPSCALERS]

    @router.get("/sd-models")
    def sd_models() -> Rows:
        """Lists the base models; the hash is known of the one that is loaded."""
        return [_model(service, model) for model in service.models()]

    @router.get("/sd-vae")
    def sd_vae() -> Rows:
        """Lists the VAEs in the home folder's `models`, for the option sd_vae and for a sheet's axis VAE."""
        return [{"model_name": file.name, "filename": str(file)} for file in list_vaes(service.home / "models")]

    @router.get("/sd-modules", include_in_schema=False)
    @router.get("/loras")
    @router.get("/realesrgan-models")
    @router.get("/extensions")
    @router.get("/artist-categories", include_in_schema=False)
    @router.get("/artists", include_in_schema=False)
    def nothing() -> Rows:
        """Lists nothing: there are none of these here."""
        return []

    @router.get("/face-restorers")
    def face_restorers() -> Rows:
        """Lists nothing: faces are drawn, not restored."""
        return []

    @router.get("/hypernetworks")
    def hypernetworks() -> Rows:
        """Lists the hypernetworks in the home folder."""
        library = service.studio.hypernetworks
        return [{"name": name, "path": str(library.path(name))} for name in library.names]

    @router.get("/prompt-styles")
    def prompt_styles() -> Rows:
        """Lists the styles of styles.csv."""
        rows = service.studio.styles.read().values()
        return [{"name": row.name, "prompt": row.prompt, "negative_prompt": row.negative_prompt} for row in rows]

    @router.get("/embeddings")
    def embeddings() -> AnyObject:
        """Lists the people that the model can draw, and those made for other models as skipped."""
        people = service.people()
        loaded = {name: _embedding(embedding) for name, embedding in people.embeddings.items()}
        return {"loaded": loaded, "skipped": {path.stem: _skipped(path, why) for path, why in people.skipped.items()}}

    @router.post("/refresh-embeddings")
    def refresh_embeddings() -> None:
        """Reads the folder of embeddings again."""
        service.people()

    @router.post("/refresh-checkpoints")
    @router.post("/refresh-vae")
    @router.post("/refresh-loras", include_in_schema=False)
    def refresh() -> None:
        """Does nothing: lists are read when they are asked for."""

    @router.post("/reload-checkpoint")
    def reload_checkpoint() -> AnyObject:
        """Loads the model, if it is not."""
        _ = service.studio.components
        return {}

    @router.post("/unload-checkpoint")
    def unload_checkpoint() -> AnyObject:
        """Forgets the loaded model; the next job loads it again."""
        service.unload()
        return {}

    @router.get("/memory")
    def memory() -> AnyObject:
        """Says how much memory the server uses."""
        return _memory()

    @router.get("/scripts")
    def scripts() -> AnyObject:
        """Lists no scripts."""
        return {"txt2img": [], "img2img": []}

    @router.get("/script-info")
    def script_info() -> Rows:
        """Lists no scripts."""
        return []

    return router


def _options(service: Service) -> dict[str, Any]:
    model = service.find_model(service.model)
    return {
        "sd_model_checkpoint": _title(service, model),
        "sd_checkpoint_hash": _hash(service, model),
        "sd_vae": Path(service.studio.vae).name if service.studio.vae else "Automatic",
        **FIXED,
        **service.options(),
    }


def apply_options(service: Service, options: Mapping[str, Any]) -> None:
    """Checks all before it changes anything; raises SettingsError and ModelError. What is null is not said."""
    options = {name: value for name, value in options.items() if value is not None}
    now, settable = _options(service), {field.name for field in OVERRIDES}
    chooses = {"sd_model_checkpoint", "sd_vae", "sd_checkpoint_hash", "send_seed"}
    for name, value in options.items():
        if name not in now and name not in settable:
            raise SettingsError(f"there is no option {name[:60]!r}: GET options lists those that there are")
        if name not in chooses | settable and value != now[name]:
            raise SettingsError(f"{name} stays {now[name]!r} on this server: leave it out")
    if not isinstance(options.get("send_seed", True), bool):
        raise SettingsError("send_seed is true or false: send one of them")
    chosen = {name: value for name, value in options.items() if name in settable and value != now.get(name)}
    GenerateSettings(**fill(chosen, OVERRIDES, {"prompt": ""}))
    if "sd_vae" in options:
        service.check_vae(str(options["sd_vae"]))
    if "sd_model_checkpoint" in options:
        service.use_model(str(options["sd_model_checkpoint"]))
    if "sd_vae" in options:
        service.use_vae(str(options["sd_vae"]))
    for name in ("send_seed", *chosen):
        if name in options:
            service.set_option(name, options[name])


def _model(service: Service, model: Model) -> dict[str, Any]:
    return {
        "title": _title(service, model),
        "model_name": model.name,
        "hash": _hash(service, model),
        "sha256": None,
        "filename": str(model.file),
        "config": None,
    }


def _title(service: Service, model: Model) -> str:
    found = _hash(service, model)
    return f"{model.name} [{found}]" if found else model.name


def _hash(service: Service, model: Model) -> str | None:
    """Gives the hash of the model in use; of the others, or where it cannot be loaded, it is not known."""
    try:
        return service.studio.components.hash if model.source == service.model else None
    except RetratoError:  # whoever draws is told; here is the way back to another one
        return None


def _embedding(embedding: Embedding) -> dict[str, Any]:
    return {
        "step": embedding.step,
        "sd_checkpoint": embedding.base_model_hash,
        "sd_checkpoint_name": embedding.base_model,
        "shape": sum(embedding.dims),  # of both encoders of XL, as there
        "vectors": embedding.vectors_per_token,
    }


def _skipped(path: Path, reason: str) -> dict[str, Any]:
    """Gives what A1111 says of an embedding for another model, with the reason; of what is none it has no numbers."""
    try:
        if path.is_symlink():
            raise EmbeddingError(reason)  # it may lead out of the folder
        return {**_embedding(read_embedding(path)), "reason": reason}
    except EmbeddingError:
        facts = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 0, "vectors": 0}
        return {**facts, "reason": reason}


def _memory() -> dict[str, Any]:
    machine, used = psutil.virtual_memory(), psutil.Process().memory_info().rss
    return {"ram": {"free": machine.available, "used": used, "total": machine.total}, "cuda": _cuda()}


def _cuda() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        return {"error": "unavailable"}
    free, total = torch.cuda.mem_get_info()
    return {"system": {"free": free, "used": total - free, "total": total}}
