"""Makes the frozen model from a diffusers folder or one checkpoint file. Knows nothing of steps and people."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from retrato.errors import ModelError
from retrato.model.components import Components, ModelDefaults, Parts
from retrato.model.device import choose_device
from retrato.model.families import FAMILIES
from retrato.model.folder import read_folder, read_json, refuse_code
from retrato.model.hashes import model_hash
from retrato.model.inpainting import fill_missing_channels
from retrato.model.memory import save_memory
from retrato.model.single_file import read_single_file, read_vae

logger = logging.getLogger("retrato")

EMBEDDED = Path(__file__).parent / "mini"
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
    parts = _read_parts(path, family, None if vae is None else Path(vae).expanduser())
    for module in (parts.vae, *parts.text_encoders):
        freeze(module, choice.device, torch.float32)
    freeze(parts.unet, choice.device, choice.dtype)
    fill_missing_channels(parts.unet, parts.vae)
    saved = save_memory(parts.unet, parts.vae, choice.device)
    size = int(parts.unet.config.sample_size) * 2 ** (len(parts.vae.config.block_out_channels) - 1)
    name, defaults = read_defaults(path, size)
    return Components(
        name=name,
        hash=model_hash([path] if path.is_file() else sorted((path / "unet").glob("*.safetensors"))),
        tokenizers=parts.tokenizers,
        text_encoders=parts.text_encoders,
        unet=parts.unet,
        vae=parts.vae,
        scheduler_config=parts.scheduler_config,
        device=choice.device,
        dtype=choice.dtype,
        defaults=defaults,
        zero_empty_negative=parts.zero_empty_negative,
        reason="; ".join([choice.reason, *saved]),
    )


def model_path(source: str | Path) -> Path:
    """Gives the folder or file that `source` names, checked to exist and, if a folder, to hold no code.

    Raises ModelError.
    """
    path = EMBEDDED if source == "mini" else Path(source).expanduser()
    if path.is_file():
        return path
    if not path.is_dir():
        raise ModelError(f"{path} is not on this machine: {ACCEPTED}")
    refuse_code(path)
    return path


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
        parts = replace(parts, vae=read_vae(vae))
    if family != "auto":
        said = {**parts.scheduler_config, "prediction_type": FAMILIES[family].prediction_type}
        parts = replace(parts, scheduler_config=said)
    return parts


def read_defaults(path: Path, size: int) -> tuple[str, ModelDefaults]:
    """Gives the name and defaults of the model at `path`, whose pictures have sides of `size`.

    `retrato.json` in a folder, or `<name>.retrato.json` beside a file, may say others; its further keys are for others.
    """
    name = path.stem if path.is_file() else path.resolve().name
    said_in = path.with_name(f"{path.stem}.retrato.json") if path.is_file() else path / "retrato.json"
    if not said_in.is_file():
        return name, ModelDefaults(size=size)
    content = read_json(said_in)
    said = content.get("defaults", {})
    fields = {field: said[field] for field in ModelDefaults.__dataclass_fields__ if field in said}
    return str(content.get("name", name)), ModelDefaults(**{"size": size, **fields})
