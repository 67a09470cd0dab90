"""Where randomness in a picture comes from: one generator per image, on the CPU.

So neither the batch nor the device changes a picture. Knows nothing of samplers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Variation:
    """Other noise that is mixed in: one seed per image, and the share of it, 0 to 1."""

    seeds: Sequence[int]
    strength: float


def noise_for(
    seeds: Sequence[int],
    shape: Sequence[int],
    *,
    variation: Variation | None = None,
    resized_from: tuple[int, int] | None = None,
) -> tuple[Tensor, list[torch.Generator]]:
    """Gives standard normal noise [len(seeds), *shape] float32 and each image's generator for later noise.

    `shape` is one image's latents [C, h, w]. The same seed gives the noise that A1111's CPU source and diffusers with
    a CPU generator give. With `resized_from` (h, w) the middle is the noise that the seed has at that size, so that a
    composition survives another format. Both mixtures are A1111's.
    """
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    whole = [torch.randn(tuple(shape), generator=generator) for generator in generators]
    inner = (shape[0], *resized_from) if resized_from else tuple(shape)
    found = [_fresh(seed, inner) for seed in seeds] if resized_from else whole
    if variation and variation.strength:
        others = [_fresh(seed, inner) for seed in variation.seeds]
        found = [_mixed(one, other, variation.strength) for one, other in zip(found, others, strict=True)]
    if resized_from:
        found = [_in_the_middle(part, around) for part, around in zip(found, whole, strict=True)]
    return torch.stack(found), generators


def _fresh(seed: int, shape: Sequence[int]) -> Tensor:
    return torch.randn(tuple(shape), generator=torch.Generator("cpu").manual_seed(seed))


def _mixed(one: Tensor, other: Tensor, strength: float) -> Tensor:
    """Mixes along the arc between the two, column by column, so that the spread stays."""
    cosine = torch.nn.functional.cosine_similarity(one, other, dim=1).unsqueeze(1)
    if cosine.mean() > 0.9995:
        return one * (1 - strength) + other * strength
    angle = torch.acos(cosine.clamp(-1, 1))
    shares = torch.sin((1 - strength) * angle), torch.sin(strength * angle)
    return (shares[0] * one + shares[1] * other) / torch.sin(angle)


def _in_the_middle(part: Tensor, around: Tensor) -> Tensor:
    """Puts the middle of `part` [C, h, w] into the middle of a copy of `around`."""
    result = around.clone()
    sizes = [min(small, large) for small, large in zip(part.shape[1:], around.shape[1:], strict=True)]
    source = [(whole - size) // 2 for whole, size in zip(part.shape[1:], sizes, strict=True)]
    target = [(whole - size) // 2 for whole, size in zip(around.shape[1:], sizes, strict=True)]
    result[:, target[0] : target[0] + sizes[0], target[1] : target[1] + sizes[1]] = part[
        :, source[0] : source[0] + sizes[0], source[1] : source[1] + sizes[1]
    ]
    return result
