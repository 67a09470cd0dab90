"""The photos' latents: each photo goes through the VAE once, then only these small tensors are needed.

Knows nothing of captions, steps and vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from retrato.errors import PhotoError
from retrato.model import Components, encode_pixels, images_to_pixels
from retrato.photos import Photo, square
from retrato.training.randomness import generator


@dataclass(frozen=True, slots=True)
class LatentCache:
    """What the VAE says about N photos: `mean` and `logvar` [N, C, h, w], float32 on the CPU, already scaled."""

    mean: Tensor
    logvar: Tensor

    def draw(self, indices: Tensor, how: Literal["once", "deterministic", "random"], seed: int, step: int) -> Tensor:
        """Gives latents [B, C, h, w] of the photos at `indices` [B].

        "deterministic" is the mean; "once" is one sample per photo, always the same; "random" a new one at each step.
        """
        mean = self.mean[indices]
        if how == "deterministic":
            return mean
        if how == "once":
            noise = torch.stack([self._noise(generator(seed, "latents", int(index))) for index in indices])
        else:
            noise = torch.randn(mean.shape, generator=generator(seed, "latents of step", step))
        return mean + noise * (self.logvar[indices] * 0.5).exp()

    def _noise(self, source: torch.Generator) -> Tensor:
        return torch.randn(self.mean.shape[1:], generator=source)


def cache_latents(components: Components, photos: Sequence[Photo], size: tuple[int, int]) -> LatentCache:
    """Gives the latents of the photos, cropped around their centre to `size`, width and height in pixels.

    Raises PhotoError where the VAE makes something of a photo that is not a number.
    """
    means, logvars = [], []
    for photo in photos:
        latents = encode_pixels(components, images_to_pixels([fitted(photo.image, size)]))
        if not (torch.isfinite(latents.mean).all() and torch.isfinite(latents.logvar).all()):
            raise PhotoError(f"{photo.path.name} gives latents that are not numbers: leave it out")
        means.append(latents.mean)
        logvars.append(latents.logvar)
    return LatentCache(torch.cat(means), torch.cat(logvars))


def loss_masks(photos: Sequence[Photo], size: tuple[int, int], cells: Sequence[int]) -> Tensor:
    """Gives how much each cell of the latents counts in the loss, [N, 1, h, w] with a mean of 1 per photo.

    As in A1111 the photo's opacity says it, from 0 where it is most transparent; a photo without any counts evenly.
    """
    masks = []
    for photo in photos:
        if photo.mask is None:
            masks.append(torch.ones(1, *cells))
            continue
        shrunk = fitted(photo.mask, size).resize((cells[1], cells[0]), Image.Resampling.BOX)
        opacity = torch.from_numpy(np.asarray(shrunk, dtype=np.float32).copy())[None]
        weight = opacity - opacity.min()
        mean = weight.mean()
        masks.append(weight / mean if mean > 0 else torch.ones(1, *cells))
    return torch.stack(masks)


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Gives the middle of the picture in the shape of `size`, resized to it with Lanczos."""
    if size[0] == size[1]:
        return square(image, size[0])
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
