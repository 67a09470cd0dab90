"""A frozen model that looks at pictures, and how it wants them. Shared by scorer and captioner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from retrato.model.folder import read_part
from retrato.model.latents import image_to_pixels
from retrato.model.load import freeze


@dataclass(frozen=True, slots=True)
class Tower:
    """A model that takes pictures `size` pixels square, normalised by `mean` and `std` [3, 1, 1]."""

    model: Any
    size: int
    mean: Tensor
    std: Tensor
    device: torch.device

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Gives `images` as the model wants them [N, 3, size, size], on its device."""
        pixels = torch.stack([image_to_pixels(square_copy(image, self.size)) for image in images])
        return (((pixels + 1) / 2 - self.mean) / self.std).to(self.device)


def read_tower(part: Any, folder: Path, device: torch.device) -> Tower:
    """Reads a model of transformers' class `part` from `folder`, in float32.

    `preprocessor_config.json` may give `image_mean` and `image_std` of values in [0, 1]; without it pixels go in as
    [-1, 1]. Raises OSError, ValueError, RuntimeError or KeyError for a broken folder.
    """
    model = read_part(part, folder, dtype=torch.float32)
    freeze(model, device, torch.float32)
    path = folder / "preprocessor_config.json"
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    mean, std = (torch.tensor(said.get(key, [0.5] * 3)).reshape(3, 1, 1) for key in ("image_mean", "image_std"))
    size = int(getattr(model.config, "vision_config", model.config).image_size)
    return Tower(model, size, mean, std, device)


def model_type(folder: Path) -> str | None:
    """Gives what `config.json` in `folder` calls the model, such as `clip` or `blip`; None where it says nothing."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("model_type") if isinstance(content, dict) else None


def square_copy(image: Image.Image, size: int) -> Image.Image:
    """Gives the centre square of `image` at `size` x `size` pixels."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return square if side == size else square.resize((size, size), Image.Resampling.BICUBIC)
