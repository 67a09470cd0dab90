"""Which stepping rule and which spacing of noise levels A1111's names mean, in terms of diffusers' schedulers.

A sampler is added by one line of SAMPLERS. Knows nothing of models and prompts.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retrato.errors import SettingsError
from retrato.model.quiet import import_quietly

AUTOMATIC = "Automatic"
# What each noise schedule asks of a diffusers scheduler.
SCHEDULES: Mapping[str, Mapping[str, object]] = {
    AUTOMATIC: {},
    "Uniform": {"timestep_spacing": "linspace"},
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
    "SGM Uniform": {"timestep_spacing": "trailing"},
    "Beta": {"use_beta_sigmas": True},
}
SPACINGS = (AUTOMATIC, "Uniform", "SGM Uniform")
ALL_SCHEDULES = tuple(SCHEDULES)


@dataclass(frozen=True, slots=True)
class Sampler:
    """A stepping rule: a diffusers scheduler class, its options, the schedules it takes, and which is its own.

    `automatic` is what the schedule "Automatic" means for it, as in A1111: itself where `options` say it.
    """

    name: str
    scheduler: str
    options: Mapping[str, object] = field(default_factory=dict)
    schedules: tuple[str, ...] = ALL_SCHEDULES
    automatic: str = "Uniform"


def find_sampler(name: str, schedule: str = AUTOMATIC) -> tuple[Sampler, str]:
    """Gives the sampler and the schedule's proper name for A1111's names, in any case.

    Joined names from before A1111 1.9 ("DPM++ 2M Karras") are understood. Raises SettingsError for an unknown name,
    listing near ones, and for a schedule that the sampler does not take.
    """
    chosen = _match(schedule, SCHEDULES)
    if chosen is None:
        raise SettingsError(f"schedule is {schedule!r}: {_nearest(schedule, SCHEDULES)}")
    found = _match(name, SAMPLERS)
    if found is None:
        found, joined = _split_joined(name)
        if found is None:
            raise SettingsError(f"sampler is {name!r}: {_nearest(name, SAMPLERS)}")
        if chosen not in (AUTOMATIC, joined):
            raise SettingsError(f"sampler is {name!r} and schedule is {schedule!r}: they name two schedules, give one")
        chosen = joined
    sampler = SAMPLERS[found]
    if chosen not in sampler.schedules:
        raise SettingsError(f"schedule is {chosen!r}, but {found} takes only {', '.join(sampler.schedules)}")
    return sampler, chosen


def make_scheduler(
    sampler: Sampler, schedule: str, config: Mapping[str, object], *, steps: int, seeds: Sequence[int]
) -> Any:
    """Gives a fresh diffusers scheduler, its timesteps set for `steps`, on the CPU.

    `config` is the model's own scheduler_config.json: its noise levels and its kind of prediction are taken over.
    `seeds`, one per image of the batch, matter only where a scheduler draws noise by itself.
    """
    import_quietly()
    import diffusers

    kind = getattr(diffusers, sampler.scheduler)
    accepted = inspect.signature(kind.__init__).parameters
    options: dict[str, object] = {name: config[name] for name in MODEL_OPTIONS if name in config}
    chosen = SCHEDULES[sampler.automatic if schedule == AUTOMATIC else schedule]
    options |= {"steps_offset": 1, **sampler.options, **chosen}
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
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        # Else the start is looked up by timestep, and goes wrong where rounding makes the first two equal.
        scheduler.set_begin_index(0)
    return scheduler


MODEL_OPTIONS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type")


def _match(name: str, table: Mapping[str, object]) -> str | None:
    wanted = name.strip().casefold()
    return next((key for key in table if key.casefold() == wanted), None)


def _split_joined(name: str) -> tuple[str | None, str]:
    """Gives sampler and schedule of a name such as `DPM++ 2M Karras`; no sampler where it is none."""
    for schedule in SCHEDULES:
        start, found, rest = name.strip().casefold().rpartition(" " + schedule.casefold())
        if found and not rest:
            return _match(start, SAMPLERS), schedule
    return None, AUTOMATIC


def _nearest(name: str, table: Mapping[str, object]) -> str:
    folded = {key.casefold(): key for key in table}
    near = [folded[key] for key in difflib.get_close_matches(name[:100].casefold(), folded, n=4, cutoff=0.4)]
    return f"did you mean {', '.join(near)}?" if near else f"choose one of {', '.join(table)}"


# A1111's DPM++ 2M, DPM2 and DPM++ SDE use Karras sigmas, and the 2M SDE ones exponential, unless told otherwise.
SAMPLERS: Mapping[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", automatic="Karras"),
        Sampler("DPM++ SDE", "DPMSolverSDEScheduler", automatic="Karras"),
        Sampler(
            "DPM++ 2M SDE",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++"},
            automatic="Exponential",
        ),
        Sampler(
            "DPM++ 2M SDE Heun",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
            automatic="Exponential",
        ),
        Sampler("Euler a", "EulerAncestralDiscreteScheduler", schedules=SPACINGS),
        Sampler("Euler", "EulerDiscreteScheduler"),
        Sampler("LMS", "LMSDiscreteScheduler"),
        Sampler("Heun", "HeunDiscreteScheduler"),
        Sampler("DPM2", "KDPM2DiscreteScheduler", automatic="Karras"),
        Sampler("DPM2 a", "KDPM2AncestralDiscreteScheduler", automatic="Karras"),
        Sampler(
            "DDIM",
            "DDIMScheduler",
            {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "leading"},
            schedules=SPACINGS,
            automatic=AUTOMATIC,
        ),
        Sampler(
            "PLMS",
            "PNDMScheduler",
            {"skip_prk_steps": True, "timestep_spacing": "leading"},
            schedules=SPACINGS,
            automatic=AUTOMATIC,
        ),
        Sampler("UniPC", "UniPCMultistepScheduler"),
        Sampler("LCM", "LCMScheduler", schedules=(AUTOMATIC,), automatic=AUTOMATIC),
    )
}
