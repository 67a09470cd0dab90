"""Where randomness in a picture comes from: one generator per image, on the CPU.

So neither the batch nor the device changes a picture. Knows nothing of samplers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def noise_for(seeds: Sequence[int], shape: Sequence[int]) -> tuple[Tensor, list[torch.Generator]]:
    """Gives standard normal noise [len(seeds), *shape] float32 and each image's generator for later noise.

    `shape` is one image's latents [C, h, w]. The same seed gives the noise that A1111's CPU source and diffusers with
    a CPU generator give.
    """
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators]), generators
