"""Makes the frozen model from a diffusers folder or one checkpoint file. Knows nothing of steps and people."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retrato.collecting import without_collecting
from retrato.errors import ModelError
from retrato.files import existing, printable, visible
from retrato.model.components import Components, ModelDefaults, Parts
from retrato.model.device import DeviceChoice, choose_device
from retrato.model.families import FAMILIES
from retrato.model.folder import read_folder, read_json, refuse_code
from retrato.model.hashes import model_hash, old_model_hash
from retrato.model.inpainting import fill_missing_channels
from retrato.model.memory import bound_memory, is_out_of_memory, lift_bound, save_memory
from retrato.model.single_file import read_single_file, read_vae, vae_beside

logger = logging.getLogger("retrato")

EMBEDDED = Path(__file__).parent / "mini"
USUAL_LATENTS = 64  # a side, of Stable Diffusion 1
ALIGNMENT = 64  # bytes; what torch itself allocates begins so
ACCEPTED = "give `mini`, a folder in diffusers layout (with model_index.json), or a .safetensors or .ckpt file"


def load_components(
    source: str | Path = "mini",
    *,
    device: str = "auto",
    dtype: str = "auto",
    family: str = "auto",
    vae: str | Path | None = None,
) -> Components:
    """Gives the frozen model at `source`: `mini` for the embedded one, a diffusers folder, or a checkpoint file.

    `device` and `dtype` (of the U-Net) as in `choose_device`. `family` is a key of FAMILIES, for what a file does not
    say (whether it predicts v); `vae` a file or folder with another VAE. Raises ModelError when something is missing,
    incomplete, something else, holds code or names classes that are not Stable Diffusion's.
    """
    path = model_path(source)
    if family != "auto" and family not in FAMILIES:
        raise ModelError(f"there is no family {family!r}: choose auto, {', '.join(FAMILIES)}")
    choice = choose_device(device, dtype)
    if choice.warning:
        logger.warning(choice.warning)
    other = Path(vae).expanduser() if vae is not None else vae_beside(path) if path.is_file() else None
    with without_collecting():  # of the time this takes in a fresh process, most are imports
        parts = _read_parts(path, family, other)
    placed = _place(parts, choice, path.name)
    fill_missing_channels(parts.unet, parts.vae)
    modules = (parts.unet, parts.vae, *parts.text_encoders)
    saved = save_memory(parts.unet, parts.vae, choice.device, weights=_bytes_on(choice.device, modules))
    size = picture_side(parts.unet.config.sample_size, len(parts.vae.config.block_out_channels))
    name, defaults = read_defaults(path, size)
    return Components(
        name=name,
        hash=model_hash(_weights(path, "unet")),
        tokenizers=parts.tokenizers,
        text_encoders=parts.text_encoders,
        unet=parts.unet,
        vae=parts.vae,
        scheduler_config=parts.scheduler_config,
        device=choice.device,
        dtype=choice.dtype,
        defaults=defaults,
        zero_empty_negative=parts.zero_empty_negative,
        reason="; ".join([choice.reason, *placed, *saved]),
        vae_name=other.resolve().name if other else "",
        vae_hash=model_hash(_weights(other, "vae")) if other else "",
        old_hash=old_model_hash(path) if path.is_file() else "",
    )


def _place(parts: Parts, choice: DeviceChoice, name: str) -> list[str]:
    """Moves and freezes the model's parts; gives a sentence where the text encoders had no room beside the others.

    They are used once a prompt, and take 3 GiB of Stable Diffusion XL's 8. Raises ModelError for too little memory.
    """
    bound_memory(choice.device)
    texts = choice.device
    while True:
        try:
            for encoder in parts.text_encoders:
                freeze(encoder, texts, torch.float32)
            freeze(parts.vae, choice.device, torch.float32)
            freeze(parts.unet, choice.device, choice.dtype)
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        if texts.type != "cpu":
            texts = torch.device("cpu")
        elif not lift_bound(choice.device):
            raise ModelError(
                f"{name} does not fit into the memory of {choice.device}: close other programs, or use a smaller model"
            )
    return [] if texts == choice.device else [f"texts are read by the CPU, as {choice.device} has no room for that"]


def _bytes_on(device: torch.device, modules: Iterable[nn.Module]) -> int:
    """Gives how much of that kind of device the weights of `modules` take; theirs is `cuda:0` where it is `cuda`."""
    weights = (weight for module in modules for weight in module.parameters())
    return sum(weight.nbytes for weight in weights if weight.device.type == device.type)


def model_path(source: str | Path) -> Path:
    """Gives the folder or file that `source` names, checked to exist and, if a folder, to hold no code.

    Raises ModelError.
    """
    path = EMBEDDED if source == "mini" else existing(source)
    if path and path.is_file():
        return path
    if not path or not path.is_dir():
        raise ModelError(f"{printable(source)} is not on this machine: {ACCEPTED}")
    refuse_code(path)
    return path


def files_of(source: str | Path, vae: str | Path | None) -> tuple[Path, Path | None]:
    """Gives where a model and a VAE that is not its own lie, the same whichever way they are written; ModelError."""
    return model_path(source).resolve(), None if vae is None else Path(vae).expanduser().resolve()


def freeze(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Moves `module` and puts it into evaluation mode with no weight taking a gradient.

    Weights get memory of their own: mapped ones begin wherever the file's header ends, and products with them differ in
    the last digit by where that is, so that one model would draw two pictures from two files.
    """
    if any(weight.dtype != dtype for weight in module.parameters()):  # diffusers warns where there is nothing to cast
        module.to(dtype=dtype)
    module.to(device=device)
    module.requires_grad_(False)
    module.eval()
    for weight in module.parameters():
        if weight.data_ptr() % ALIGNMENT:  # mapped from a file
            weight.data = weight.clone()


def _read_parts(path: Path, family: str, vae: Path | None) -> Parts:
    """Reads the parts; in a folder `family` can only say what the U-Net predicts, all else stands in its files."""
    if path.is_file():
        return read_single_file(path, family=family, vae=vae)
    parts = read_folder(path)
    if vae is not None:
        row = FAMILIES["xl" if len(parts.text_encoders) == 2 else "sd1"]  # a file does not say how latents are scaled
        parts = replace(parts, vae=read_vae(vae, row))
    if family != "auto":
        said = {**parts.scheduler_config, "prediction_type": FAMILIES[family].prediction_type}
        parts = replace(parts, scheduler_config=said)
    return parts


def _weights(path: Path, part: str) -> list[Path]:
    """Gives the files whose hash is the model's: the one file, or those of a folder, or of its part."""
    folder = path / part if (path / part).is_dir() else path
    return [path] if path.is_file() else visible(folder, "*.safetensors")


def read_defaults(path: Path, size: int) -> tuple[str, ModelDefaults]:
    """Gives the name and defaults of the model at `path`, whose pictures have sides of `size`.

    `retrato.json` in a folder, or `<name>.retrato.json` beside a file, may say others; its further keys are for others.
    """
    name = path.stem if path.is_file() else Path(os.path.abspath(path)).name  # of a link, its own
    said_in = path.with_name(f"{path.stem}.retrato.json") if path.is_file() else path / "retrato.json"
    if not said_in.is_file():
        return name, ModelDefaults(size=size)
    content = read_json(said_in)
    said = content.get("defaults") or {}
    usual = ModelDefaults(size=size)
    if not isinstance(said, dict):
        raise ModelError(f"{said_in} has defaults that are no object: write them as docs/models.md says")
    fields = {field: said[field] for field in ModelDefaults.__dataclass_fields__ if field in said}
    for field, value in fields.items():
        kind = type(getattr(usual, field))
        if not isinstance(value, (float, int) if kind is float else kind):
            raise ModelError(
                f"{said_in} has {str(value)[:40]!r} as {field}: write {'a text' if kind is str else 'a number'}"
            )
    return str(content.get("name", name)), replace(usual, **fields)


def picture_side(sample_size: Any, blocks: int) -> int:
    """Gives the side in pixels of the pictures that a U-Net was trained on; diffusers has one number, two or none.

    `sample_size` counts latents, of which the VAE's `blocks` tell how large they are.
    """
    sides = sample_size if isinstance(sample_size, list | tuple) else [sample_size or USUAL_LATENTS]
    return max(int(side) for side in sides) * 2 ** (blocks - 1)
