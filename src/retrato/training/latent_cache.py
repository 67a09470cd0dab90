"""The photos' latents: each photo goes through the VAE once, then only these small tensors are needed.

Knows nothing of captions, steps and vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from retrato.errors import PhotoError
from retrato.model import Components, encode_pixels, images_to_pixels
from retrato.photos import Photo, square
from retrato.training.randomness import generator

OUTSIDE = 0.1  # how much a cell outside the mask counts, where one inside counts 1


@dataclass(frozen=True, slots=True)
class LatentCache:
    """What the VAE says about N photos: `mean` and `logvar` [N, C, h, w], float32 on the CPU, already scaled.

    `weights` [N, 1, h, w], 1 on average over each photo, say how much each cell counts in the loss; None: all the same.
    """

    mean: Tensor
    logvar: Tensor
    weights: Tensor | None = None

    def of(self, indices: Sequence[int]) -> "LatentCache":
        """Gives the cache of some of the photos, in the order of `indices`."""
        chosen = list(indices)
        return LatentCache(
            self.mean[chosen], self.logvar[chosen], None if self.weights is None else self.weights[chosen]
        )

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


def cache_latents(components: Components, photos: Sequence[Photo]) -> LatentCache:
    """Gives the latents of the photos, cropped around their centre to the model's own size.

    Photos with a mask (alpha, or a `.mask.png` beside them) count where that shows the subject. Raises PhotoError where
    the VAE makes something of a photo that is not a number.
    """
    means, logvars = [], []
    for photo in photos:
        latents = encode_pixels(components, images_to_pixels([square(photo.image, components.defaults.size)]))
        if not (torch.isfinite(latents.mean).all() and torch.isfinite(latents.logvar).all()):
            raise PhotoError(f"{photo.path.name} gives latents that are not numbers: leave it out")
        means.append(latents.mean)
        logvars.append(latents.logvar)
    mean = torch.cat(means)
    weights = None
    if any(photo.mask is not None for photo in photos):
        weights = torch.stack([_weights(photo, mean.shape[3], mean.shape[2]) for photo in photos])
    return LatentCache(mean, torch.cat(logvars), weights)


def _weights(photo: Photo, width: int, height: int) -> Tensor:
    """Gives how much each cell [1, h, w] of a photo's latents counts: its share of the subject, but not quite nothing.

    What lies outside the mask must not be learned; a little weight keeps the person's outline against it.
    """
    if photo.mask is None:
        return torch.ones(1, height, width)
    mask = square(photo.mask, max(width, height)).resize((width, height), Image.Resampling.BOX)
    inside = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)
    weights = OUTSIDE + (1 - OUTSIDE) * inside
    return (weights / weights.mean()).unsqueeze(0)
