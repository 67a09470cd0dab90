"""The photos' latents: each photo goes through the VAE once, then only these small tensors are needed.

Knows nothing of captions, steps and vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
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

    def of(self, indices: Sequence[int]) -> "LatentCache":
        """Gives the cache of some of the photos, in the order of `indices`."""
        return LatentCache(self.mean[list(indices)], self.logvar[list(indices)])

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

    Raises PhotoError where the VAE makes something of a photo that is not a number.
    """
    means, logvars = [], []
    for photo in photos:
        latents = encode_pixels(components, images_to_pixels([square(photo.image, components.defaults.size)]))
        if not (torch.isfinite(latents.mean).all() and torch.isfinite(latents.logvar).all()):
            raise PhotoError(f"{photo.path.name} gives latents that are not numbers: leave it out")
        means.append(latents.mean)
        logvars.append(latents.logvar)
    return LatentCache(torch.cat(means), torch.cat(logvars))
