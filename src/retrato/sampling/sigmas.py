"""Noise levels: what a timestep means in sigmas, and A1111's spacings of them. Knows no samplers and no models.

A noise level `sigma` is the standard deviation of the noise added to latents of scale one; the U-Net is shown the sum
divided by sqrt(1 + sigma^2), and the timestep, which may be a fraction. The names of the spacings need no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

MODEL_OPTIONS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """The sigmas that a model was trained on, by their timestep, what its U-Net predicts and if it is an XL one."""

    log_sigmas: np.ndarray
    prediction_type: str
    is_xl: bool = False

    def sigma_at(self, timestep: float) -> float:
        """Gives the sigma of a timestep, log-linear between whole ones."""
        return float(np.exp(np.interp(timestep, np.arange(len(self.log_sigmas)), self.log_sigmas)))

    def timestep_at(self, sigma: float) -> float:
        """Gives the timestep of a sigma; beyond the ends, the end."""
        return float(np.interp(math.log(max(sigma, 1e-10)), self.log_sigmas, np.arange(len(self.log_sigmas))))

    def clean(self, sample: Tensor, prediction: Tensor, sigma: float) -> Tensor:
        """Gives the clean latents that the U-Net's `prediction` for `sample` (as shown to it) amounts to."""
        kept, noisy = _shares(sigma)
        if self.prediction_type == "v_prediction":
            return kept * sample - noisy * prediction
        return (sample - noisy * prediction) / kept

    def prediction(self, sample: Tensor, clean: Tensor, sigma: float) -> Tensor:
        """Gives the prediction that amounts to `clean`: the inverse of the method `clean`."""
        kept, noisy = _shares(sigma)
        if self.prediction_type == "v_prediction":
            return (kept * sample - clean) / noisy
        return (sample - kept * clean) / noisy


def noise_levels(config: Mapping[str, object], *, is_xl: bool = False) -> NoiseLevels:
    """Gives the noise levels of a model from its scheduler_config.json, which does not say if it is an XL one."""
    kept = euler_scheduler(config).alphas_cumprod.double().numpy()
    return NoiseLevels(0.5 * np.log((1 - kept) / kept), str(config.get("prediction_type", "epsilon")), is_xl)


def euler_scheduler(config: Mapping[str, object], **options: object) -> Any:
    """Gives diffusers' Euler scheduler for the model: the plainest owner of its sigmas."""
    from retrato.model.quiet import import_quietly

    import_quietly()
    from diffusers import EulerDiscreteScheduler

    own = {name: config[name] for name in (*MODEL_OPTIONS, "rescale_betas_zero_snr") if config.get(name) is not None}
    return EulerDiscreteScheduler(**{"steps_offset": 1, **own, **options})


def polyexponential(levels: NoiseLevels, steps: int) -> list[float]:
    """Spaces the logarithms by a power of the ramp; by A1111's default, 1, evenly."""
    low, high = levels.log_sigmas[0], levels.log_sigmas[-1]
    return [float(math.exp(low + (high - low) * (1 - ramp))) for ramp in np.linspace(0, 1, steps)]


def kl_optimal(levels: NoiseLevels, steps: int) -> list[float]:
    """Spaces the arc tangents evenly (Sabour et al. 2024, "Align Your Steps", eq. 15)."""
    low, high = (math.atan(math.exp(end)) for end in (levels.log_sigmas[0], levels.log_sigmas[-1]))
    return [math.tan(low * ramp + high * (1 - ramp)) for ramp in np.arange(steps) / max(1, steps)]


def align_your_steps(levels: NoiseLevels, steps: int) -> list[float]:
    """Interpolates the eleven levels that were optimised for XL, or for Stable Diffusion 1.5 (Sabour et al. 2024)."""
    if levels.is_xl:
        published = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
    else:
        published = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
    places = np.linspace(0, 1, len(published))
    found = np.exp(np.interp(np.linspace(0, 1, steps), places, np.log(published)))
    low, high = (math.exp(end) for end in (levels.log_sigmas[0], levels.log_sigmas[-1]))
    return [float(min(max(sigma, low), high)) for sigma in found]


def simple(levels: NoiseLevels, steps: int) -> list[float]:
    """Takes every (timesteps / steps)-th level, counted from the noisiest."""
    sigmas = np.exp(levels.log_sigmas)
    return [float(sigmas[-(1 + int(number * len(sigmas) / steps))]) for number in range(steps)]


def normal(levels: NoiseLevels, steps: int) -> list[float]:
    """Spaces the timesteps evenly from the noisiest to the finest."""
    return [levels.sigma_at(timestep) for timestep in np.linspace(len(levels.log_sigmas) - 1, 0, steps)]


def ddim(levels: NoiseLevels, steps: int) -> list[float]:
    """Takes the timesteps of DDIM. A single step begins at the noisiest instead."""
    count = len(levels.log_sigmas)
    return [levels.sigma_at(timestep) for timestep in (ddim_timesteps(count, steps) if steps > 1 else [count - 1])]


def ddim_timesteps(count: int, steps: int) -> list[int]:
    """Gives all timesteps 1, 1 + n, 1 + 2n, ... of `count`, where n is `count // steps`, falling, as in A1111.

    Where `steps` do not divide `count` they may be more than `steps`: they begin where there is next to only noise.
    """
    below = (min(1 + number, count - 1) for number in range(0, count, max(count // steps, 1)))
    return list(dict.fromkeys(below))[::-1]


# A1111's noise schedules that diffusers has no option for: each gives falling sigmas, to which a zero is added. They
# are `steps`, but for DDIM's.
SPACINGS: Mapping[str, Callable[[NoiseLevels, int], Sequence[float]]] = {
    "Polyexponential": polyexponential,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
}


def _shares(sigma: float) -> tuple[float, float]:
    """How much of what the U-Net is shown is picture, and how much is noise."""
    total = math.sqrt(1 + sigma**2)
    return 1 / total, sigma / total
