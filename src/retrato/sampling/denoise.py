"""The denoising loop. A generator: whoever stops consuming it stops the work within one call of the U-Net.

Latents and stepping rule live on the CPU in float32 (they are small), so that a picture does not depend on the device
or the number format more than the U-Net itself does. Knows nothing of prompts and files.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retrato.model.components import Components
from retrato.sampling.guidance import Guidance, predict


@dataclass(frozen=True, slots=True)
class Denoised:
    """Latents [B, C, h, w] after `step` of `steps`; a second-order sampler reports each step twice."""

    step: int
    steps: int
    latents: Tensor


def denoise(
    components: Components,
    scheduler: Any,
    noise: Tensor,
    generators: Sequence[torch.Generator],
    guidance_at: Callable[[int], Guidance],
    *,
    steps: int,
) -> Iterator[Denoised]:
    """Turns standard normal `noise` [B, C, h, w] into latents, step by step.

    `scheduler` comes from `make_scheduler`, `generators` (one per image) give its further noise, and
    `guidance_at(step)` says what holds at a step, counted from 1.
    """
    draws = {"generator": list(generators)} if "generator" in inspect.signature(scheduler.step).parameters else {}
    latents = noise * scheduler.init_noise_sigma
    calls = len(scheduler.timesteps)
    for call, timestep in enumerate(scheduler.timesteps):
        # Samplers of second order call the U-Net twice per step (2n - 1 times), PLMS once more than it steps.
        step = 1 + call * steps // calls
        prediction = predict(components, scheduler.scale_model_input(latents, timestep), timestep, guidance_at(step))
        with warnings.catch_warnings():
            # torchsde's Brownian tree complains of sigmas that float32 rounds just beyond its ends, and clamps them.
            warnings.filterwarnings("ignore", "Should have t[ab]", UserWarning)
            latents = scheduler.step(prediction, timestep, latents, **draws, return_dict=False)[0]
        yield Denoised(step, steps, latents)
