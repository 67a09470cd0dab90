"""diffusers' schedulers, made for a sampler, a noise schedule and a model. Knows nothing of prompts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from retrato.errors import SettingsError
from retrato.model.quiet import import_quietly
from retrato.sampling.samplers import AUTOMATIC, SCHEDULES, Sampler
from retrato.sampling.sigmas import MODEL_OPTIONS, SPACINGS, euler_scheduler, noise_levels


def make_scheduler(
    sampler: Sampler, schedule: str, config: Mapping[str, object], *, steps: int, seeds: Sequence[int]
) -> Any:
    """Gives a fresh diffusers scheduler, its timesteps set for `steps`, on the CPU.

    `config` is the model's own scheduler_config.json: its noise levels and its kind of prediction are taken over.
    `seeds`, one per image of the batch, matter only where a scheduler draws noise by itself.
    """
    import_quietly()
    import diffusers

    if sampler.scheduler is None:
        raise ValueError(f"{sampler.name} is no scheduler of diffusers")
    kind = getattr(diffusers, sampler.scheduler)
    accepted = inspect.signature(kind.__init__).parameters
    options: dict[str, object] = {name: config[name] for name in MODEL_OPTIONS if name in config}
    spacing = spacing_of(sampler, schedule, config)
    options |= {"steps_offset": 1, **sampler.options, **_options(spacing, steps)}
    if config.get("rescale_betas_zero_snr"):
        if "rescale_betas_zero_snr" not in accepted:
            raise SettingsError(
                f"sampler is {sampler.name!r}, which cannot start from pure noise as this model needs: use Euler"
            )
        options["rescale_betas_zero_snr"] = True
    if "noise_sampler_seed" in accepted:
        options["noise_sampler_seed"] = list(seeds)
    if "original_inference_steps" in accepted:
        options["original_inference_steps"] = max(50, steps)
    scheduler = kind(**{name: value for name, value in options.items() if name in accepted})
    if spacing in SPACINGS:
        # Where diffusers computes exponential sigmas, it gets these instead, and derives all else from them.
        own = SPACINGS[spacing](noise_levels(config), steps)
        scheduler._convert_to_exponential = lambda *_, **__: torch.tensor(own, dtype=torch.float64).numpy()
    scheduler.set_timesteps(steps)
    is_made_here = not SCHEDULES[spacing].keys() <= accepted.keys()
    if is_made_here:
        scheduler.sigmas = torch.tensor(spaced_sigmas(spacing, config, steps))
    # What is spaced in sigmas lies between timesteps; some schedulers cut or round that off, and A1111 does not. Where
    # the spacing is diffusers' own (Karras, Exponential) it stays, so that its pipeline draws the same picture, but for
    # a single step, which has to begin where there is only noise.
    is_cut = hasattr(scheduler, "sigmas") and not scheduler.timesteps.is_floating_point()
    if is_made_here or (is_cut and (spacing in SPACINGS or steps == 1)):
        levels = noise_levels(config)
        scheduler.timesteps = torch.tensor([levels.timestep_at(float(sigma)) for sigma in scheduler.sigmas[:-1]])
    if hasattr(scheduler, "set_begin_index"):
        # Else the start is looked up by timestep, and goes wrong where rounding makes the first two equal.
        scheduler.set_begin_index(0)
    return scheduler


def spacing_of(sampler: Sampler, schedule: str, config: Mapping[str, object]) -> str:
    """Gives the spacing that `schedule` means for a sampler on a model: a key of SCHEDULES.

    "Automatic" is SGM Uniform for models whose configuration says so, as those that were distilled to few steps do.
    """
    if schedule == AUTOMATIC:
        is_trailing = config.get("timestep_spacing") == "trailing" and "SGM Uniform" in sampler.schedules
        return "SGM Uniform" if is_trailing else sampler.automatic
    return sampler.uniform if schedule == "Uniform" else schedule


def spaced_sigmas(schedule: str, config: Mapping[str, object], steps: int) -> list[float]:
    """Gives `steps` falling sigmas of a noise schedule (not "Automatic") for a model, and a zero."""
    if schedule in SPACINGS:
        return [*SPACINGS[schedule](noise_levels(config), steps), 0.0]
    scheduler = euler_scheduler(config, **_options(schedule, steps))
    scheduler.set_timesteps(steps)
    return [float(sigma) for sigma in scheduler.sigmas]


def _options(spacing: str, steps: int) -> dict[str, object]:
    """Gives what a spacing asks of a scheduler. A single step has to begin where there is only noise, as in A1111.

    diffusers counts up from the finest level, and of a single one comes no further.
    """
    return {**SCHEDULES[spacing], **({"timestep_spacing": "trailing"} if steps == 1 else {})}


def skip_steps(scheduler: Any, skipped: int) -> None:
    """Lets a fresh scheduler begin after its first `skipped` steps, as if its schedule were only the rest.

    Merely beginning later would not do: LMS takes coefficients for slopes that it has not seen, and PLMS, whose second
    timestep stands there twice, would stay one step behind.
    """
    per_step = scheduler.order  # timesteps, and calls of the U-Net, that a step takes
    if type(scheduler).__name__ == "PNDMScheduler":
        single = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[2:]])[skipped:]
        scheduler.timesteps = torch.cat([single[:2], single[1:]])
        return
    scheduler.timesteps = scheduler.timesteps[skipped * per_step :]
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = scheduler.sigmas[skipped * per_step :]
    if type(scheduler).__name__ != "DDIMScheduler":  # which reckons the distance of its steps from their number
        scheduler.num_inference_steps -= skipped
