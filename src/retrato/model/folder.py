"""Reads the parts of a model from a folder in diffusers layout. Refuses folders that hold code or foreign classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retrato.errors import ModelError
from retrato.files import visible
from retrato.model.components import Parts
from retrato.model.families import check_configs, read_tokenizer
from retrato.model.quiet import import_quietly

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


def read_folder(folder: Path) -> Parts:
    """Gives the parts in `folder`; raises ModelError when one is missing or broken, or is not Stable Diffusion's."""
    index = read_index(folder)
    import_quietly()
    from diffusers import AutoencoderKL, UNet2DConditionModel

    places = [place for place in ("text_encoder", "text_encoder_2") if place in index]
    try:
        unet = read_part(UNet2DConditionModel, folder / "unet")
        vae = read_part(AutoencoderKL, folder / "vae")
        text_encoders = tuple(read_part(_text_class(index[place][1]), folder / place) for place in places)
        tokenizers = tuple(read_tokenizer(folder / place.replace("text_encoder", "tokenizer")) for place in places)
    except Exception as error:  # numbers that are none in a config.json end anywhere in the libraries
        raise ModelError(
            f"{folder} cannot be loaded, a part of it is missing or broken: {_first_line(error)}"
        ) from error
    scheduler_config = read_json(folder / "scheduler" / "scheduler_config.json")
    try:
        check_configs(unet.config, vae.config, scheduler_config)
    except ModelError as error:
        raise ModelError(f"{folder} cannot be used: {error}") from None
    zeros = bool(index.get("force_zeros_for_empty_prompt", len(places) == 2))  # as diffusers' pipeline of XL has it
    return Parts(text_encoders, tokenizers, unet, vae, scheduler_config, zeros)


def refuse_code(folder: Path) -> None:
    """Raises ModelError where anything below `folder` is a program: a model is numbers."""
    code = next(folder.rglob("*.py"), None)
    if code is not None:
        raise ModelError(
            f"{folder} holds code ({code.relative_to(folder)}), a model folder must not: "
            "delete it if you do not need it, or get the model elsewhere"
        )


def read_index(folder: Path) -> dict[str, Any]:
    """Gives what model_index.json says, after checking each class it names; raises ModelError."""
    if not (folder / "model_index.json").is_file():
        raise ModelError(f"{folder} has no model_index.json: give a folder in diffusers layout, or a checkpoint file")
    index = read_json(folder / "model_index.json")
    if not isinstance(index.get("_class_name"), str):
        raise ModelError(f"{folder}/model_index.json names no pipeline class: it is not a Stable Diffusion folder")
    for place, entry in index.items():
        if not isinstance(entry, list) and place not in ACCEPTED_CLASSES:
            continue
        library, name = [*entry, None, None][:2] if isinstance(entry, list) else (None, entry)
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


def read_json(path: Path) -> dict[str, Any]:
    """Gives the JSON object in `path`; raises ModelError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is missing or is not JSON: a diffusers folder has it ({_first_line(error)})"
        ) from None
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__}: a JSON object was expected")
    return content


def _text_class(name: str) -> Any:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return CLIPTextModelWithProjection if name == "CLIPTextModelWithProjection" else CLIPTextModel


def read_part(part: Any, folder: Path, **options: Any) -> Any:
    """Reads a model of the class `part` from safetensors; half-precision downloads call theirs `*.fp16.safetensors`.

    Raises ValueError where tensors are missing, for which the libraries would make up numbers.
    """
    plain = [path for path in visible(folder, "*.safetensors") if ".fp16." not in path.name]
    variant = None if plain or not visible(folder, "*.fp16.safetensors") else "fp16"
    read, found = part.from_pretrained(
        str(folder), local_files_only=True, use_safetensors=True, variant=variant, output_loading_info=True, **options
    )
    if missing := sorted(found["missing_keys"]):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(f"{folder.name} lacks {', '.join(missing[:3])}{more}: get it again")
    return read


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
