"""diffusers' schedulers, made for a sampler, a noise schedule and a model. Knows nothing of prompts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from retrato.errors import SettingsError
from retrato.model.quiet import import_quietly
from retrato.sampling.samplers import AUTOMATIC, SCHEDULES, TIMESTEPS_ONLY, Sampler
from retrato.sampling.sigmas import MODEL_OPTIONS, SPACINGS, ddim_timesteps, euler_scheduler, noise_levels


def make_scheduler(
    sampler: Sampler,
    schedule: str,
    config: Mapping[str, object],
    *,
    steps: int,
    seeds: Sequence[int],
    is_xl: bool = False,
) -> Any:
    """Gives a fresh diffusers scheduler, its timesteps set for `steps`, on the CPU.

    `config` is the model's own scheduler_config.json: its noise levels and its kind of prediction are taken over.
    `seeds`, one per image of the batch, matter only where a scheduler draws noise by itself. With `is_xl` the model is
    of the XL family.
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
    levels = noise_levels(config, is_xl=is_xl)
    own = SPACINGS[spacing](levels, steps) if spacing in SPACINGS else ()
    if own:
        # Where diffusers computes exponential sigmas, it gets these instead, and derives all else from them.
        scheduler._convert_to_exponential = lambda *_, **__: torch.tensor(own, dtype=torch.float64).numpy()
    scheduler.set_timesteps(len(own) or steps)
    is_made_here = not SCHEDULES[spacing].keys() <= accepted.keys()
    if is_made_here:
        scheduler.sigmas = torch.tensor(spaced_sigmas(spacing, config, steps, is_xl=is_xl))
    # What is spaced in sigmas lies between timesteps; some schedulers cut or round that off, and A1111 does not. So it
    # is with a single step, which has to begin where there is only noise.
    is_cut = hasattr(scheduler, "sigmas") and not scheduler.timesteps.is_floating_point()
    if is_made_here or (is_cut and (spacing not in TIMESTEPS_ONLY or steps == 1)):
        scheduler.timesteps = torch.tensor([levels.timestep_at(float(sigma)) for sigma in scheduler.sigmas[:-1]])
    if options.get("timestep_spacing") == "leading":
        single = torch.tensor(ddim_timesteps(len(levels.log_sigmas), steps))
        scheduler.timesteps = _for_plms(single) if _is_plms(scheduler) else single
        # PLMS comes to its second timestep from a step above it, one beyond the last where the first was cut to that.
        scheduler.alphas_cumprod = torch.cat([scheduler.alphas_cumprod, scheduler.alphas_cumprod[-1:]])
    if sampler.scheduler == "DPMSolverMultistepScheduler":
        # It would begin with noise alone, where its first level has a little picture in it.
        scheduler.init_noise_sigma = float(scheduler.sigmas[0] / (1 + scheduler.sigmas[0] ** 2) ** 0.5)
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


def spaced_sigmas(schedule: str, config: Mapping[str, object], steps: int, *, is_xl: bool = False) -> list[float]:
    """Gives `steps` falling sigmas (of "DDIM" there may be more) of a schedule, not "Automatic", and a zero."""
    if schedule in SPACINGS:
        return [*SPACINGS[schedule](noise_levels(config, is_xl=is_xl), steps), 0.0]
    scheduler = euler_scheduler(config, **_options(schedule, steps))
    scheduler.set_timesteps(steps)
    return [float(sigma) for sigma in scheduler.sigmas]


def _options(spacing: str, steps: int) -> dict[str, object]:
    """Gives what a spacing asks of a scheduler. A single step has to begin where there is only noise, as in A1111.

    diffusers counts up from the finest level, and of a single one comes no further.
    """
    return {**SCHEDULES[spacing], **({"timestep_spacing": "trailing"} if steps == 1 else {})}


def skip_steps(scheduler: Any, steps: int) -> None:
    """Lets a fresh scheduler take only its last `steps` steps, as if its schedule were no longer.

    Merely beginning later would not do: LMS takes coefficients for slopes that it has not seen, and PLMS, whose second
    timestep stands there twice, would stay one step behind.
    """
    if _is_plms(scheduler):
        single = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[2:]])
        scheduler.timesteps = _for_plms(single[-steps:])
        return
    calls = scheduler.order * (steps - 1) + 1  # of the U-Net: samplers of second order have one for their last step
    skipped = len(scheduler.timesteps) - calls
    scheduler.timesteps = scheduler.timesteps[skipped:]
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = scheduler.sigmas[skipped:]
    if type(scheduler).__name__ != "DDIMScheduler":  # which reckons the distance of its steps from their number
        scheduler.num_inference_steps = steps


def _is_plms(scheduler: Any) -> bool:
    return type(scheduler).__name__ == "PNDMScheduler"


def _for_plms(timesteps: torch.Tensor) -> torch.Tensor:
    """Gives the timesteps as diffusers' PLMS wants them, the second one twice: its first step asks twice."""
    return torch.cat([timesteps[:2], timesteps[1:]])
