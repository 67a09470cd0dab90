"""Reads a frozen model from a diffusers folder. Refuses folders that hold code. Knows nothing of steps and people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retrato.errors import ModelError
from retrato.model.components import Components, ModelDefaults
from retrato.model.device import choose_device
from retrato.model.quiet import import_quietly

EMBEDDED = Path(__file__).parent / "mini"

# Which class may stand at which place of model_index.json: anything else would be somebody's code or another model.
ACCEPTED_CLASSES: Mapping[str, tuple[str, ...]] = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
# Libraries that entries we do not load may name, such as Stable Diffusion 1.5's safety checker.
ACCEPTED_LIBRARIES = ("diffusers", "transformers", "stable_diffusion", None)


def load_components(source: str | Path = "mini", *, device: str = "auto", dtype: str = "auto") -> Components:
    """Gives the frozen model at `source`: `mini` for the embedded one, else a diffusers folder.

    `device` and `dtype` (of the U-Net) as in `choose_device`. Raises ModelError when the folder is missing,
    incomplete, holds code or names classes that are not Stable Diffusion's.
    """
    folder = model_folder(source)
    index = _read_index(folder)
    choice = choose_device(device, dtype)
    import_quietly()
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTokenizer

    places = [place for place in ("text_encoder", "text_encoder_2") if place in index]
    try:
        unet = _read_part(UNet2DConditionModel, folder / "unet")
        vae = _read_part(AutoencoderKL, folder / "vae")
        text_encoders = tuple(_read_part(_text_class(index[place][1]), folder / place) for place in places)
        tokenizers = tuple(
            CLIPTokenizer.from_pretrained(
                str(folder / place.replace("text_encoder", "tokenizer")), local_files_only=True
            )
            for place in places
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(
            f"{folder} cannot be loaded, a part of it is missing or broken: {_first_line(error)}"
        ) from error
    for module in (vae, *text_encoders):
        freeze(module, choice.device, torch.float32)
    freeze(unet, choice.device, choice.dtype)
    name, defaults = _read_defaults(folder, unet, vae)
    return Components(
        name=name,
        hash=_hash_weights(folder / "unet"),
        tokenizers=tokenizers,
        text_encoders=text_encoders,
        unet=unet,
        vae=vae,
        scheduler_config=_read_json(folder / "scheduler" / "scheduler_config.json"),
        device=choice.device,
        dtype=choice.dtype,
        defaults=defaults,
        zero_empty_negative=bool(index.get("force_zeros_for_empty_prompt", False)),
    )


def model_folder(source: str | Path) -> Path:
    """Gives the folder that `source` names, checked to exist and to hold no code; raises ModelError."""
    folder = EMBEDDED if source == "mini" else Path(source).expanduser()
    accepted = "give `mini` or a folder in diffusers layout (with model_index.json, unet, vae, text_encoder, tokenizer)"
    if folder.is_file():
        raise ModelError(f"{folder} is a single file, which cannot be read yet: {accepted}")
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder on this machine: {accepted}")
    code = next(folder.rglob("*.py"), None)
    if code is not None:
        raise ModelError(f"{folder} holds code ({code.relative_to(folder)}), a model folder must not: {accepted}")
    return folder


def freeze(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Moves `module` and puts it into evaluation mode with no weight taking a gradient."""
    if next(module.parameters()).dtype != dtype:  # diffusers warns about a cast even where there is none
        module.to(dtype=dtype)
    module.to(device=device)
    module.requires_grad_(False)
    module.eval()


def _read_index(folder: Path) -> dict[str, Any]:
    """Reads model_index.json and checks each class it names."""
    index = _read_json(folder / "model_index.json")
    if not isinstance(index.get("_class_name"), str):
        raise ModelError(f"{folder}/model_index.json names no pipeline class: it is not a Stable Diffusion folder")
    for place, entry in index.items():
        if not isinstance(entry, list):
            continue
        library, name = [*entry, None, None][:2]
        if library not in ACCEPTED_LIBRARIES:
            raise ModelError(
                f"{folder}/model_index.json takes {place} from {library!r}: only diffusers and transformers"
            )
        if place in ACCEPTED_CLASSES and name not in ACCEPTED_CLASSES[place]:
            wanted = " or ".join(ACCEPTED_CLASSES[place])
            raise ModelError(f"{folder}/model_index.json has {name!r} as {place}: Stable Diffusion has {wanted} there")
    missing = [place for place in ("unet", "vae", "text_encoder", "tokenizer") if place not in index]
    if missing:
        raise ModelError(
            f"{folder}/model_index.json names no {', '.join(missing)}: it is not a Stable Diffusion folder"
        )
    return index


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} is missing or is not JSON: a diffusers folder has it ({_first_line(error)})"
        ) from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}: a JSON object was expected")
    return content


def _text_class(name: str) -> Any:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection if name == "CLIPTextModelWithProjection" else CLIPTextModel


def _read_part(part: Any, folder: Path) -> Any:
    """Reads one part from safetensors; half-precision downloads name their files `*.fp16.safetensors`."""
    plain = [path for path in folder.glob("*.safetensors") if ".fp16." not in path.name]
    variant = None if plain or not any(folder.glob("*.fp16.safetensors")) else "fp16"
    return part.from_pretrained(str(folder), local_files_only=True, use_safetensors=True, variant=variant)


def _read_defaults(folder: Path, unet: Any, vae: Any) -> tuple[str, ModelDefaults]:
    """Gives the model's name and defaults, from `retrato.json` where there is one; its further keys are for others."""
    size = int(unet.config.sample_size) * 2 ** (len(vae.config.block_out_channels) - 1)
    path = folder / "retrato.json"
    if not path.is_file():
        return folder.resolve().name, ModelDefaults(size=size)
    content = _read_json(path)
    said = content.get("defaults", {})
    fields = {field: said[field] for field in ModelDefaults.__dataclass_fields__ if field in said}
    return str(content.get("name", folder.resolve().name)), ModelDefaults(**{"size": size, **fields})


def _hash_weights(folder: Path) -> str:
    """First 10 hex digits of the sha256 of all weight files in `folder`, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:10]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
