"""Which stepping rule and which spacing of noise levels A1111's names mean.

Stepping rules are diffusers' schedulers, or those of `retrato.sampling.solvers` where diffusers has none. A sampler is
added by one line of SAMPLERS. Knows nothing of models and prompts, and needs no
torch, so that `retrato samplers` is instant.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from retrato.errors import SettingsError
from retrato.sampling.sigmas import SPACINGS

AUTOMATIC = "Automatic"
# What each noise schedule asks of a diffusers scheduler; those of SPACINGS take the place of the exponential ones.
SCHEDULES: Mapping[str, Mapping[str, object]] = {
    AUTOMATIC: {},
    "Uniform": {"timestep_spacing": "linspace"},
    "Karras": {"use_karras_sigmas": True},
    "Exponential": {"use_exponential_sigmas": True},
    "SGM Uniform": {"timestep_spacing": "trailing"},
    "Beta": {"use_beta_sigmas": True},
    **{name: {"use_exponential_sigmas": True} for name in SPACINGS},
}
TIMESTEPS_ONLY = (AUTOMATIC, "Uniform", "SGM Uniform")
ALL_SCHEDULES = tuple(SCHEDULES)


@dataclass(frozen=True, slots=True)
class Sampler:
    """A stepping rule: a diffusers scheduler class with its options, or None where a solver of our own steps.

    `schedules` are those it takes, and `automatic` is what "Automatic" means for it, as in A1111: itself where
    `options` say it. `uniform` is what "Uniform" means, where diffusers means something else by it. `eta` is how much
    fresh noise it adds unless told otherwise, None where nobody can tell it. `guidance_divisor` divides the CFG scale.
    One that is `one_by_one` draws no two images at once, as it chooses its steps by what it sees. One that
    `skips_finest` takes a level more from the schedule and leaves the finest out, as in A1111.
    """

    name: str
    scheduler: str | None
    options: Mapping[str, object] = field(default_factory=dict)
    schedules: tuple[str, ...] = ALL_SCHEDULES
    automatic: str = "Uniform"
    uniform: str = "Uniform"
    eta: float | None = None
    guidance_divisor: float = 1.0
    one_by_one: bool = False
    skips_finest: bool = False


def find_sampler(name: str, schedule: str = AUTOMATIC) -> tuple[Sampler, str]:
    """Gives the sampler and the schedule's proper name for A1111's names, in any case.

    Its short names ("k_euler_a", "sgm_uniform") and joined ones from before 1.9 ("DPM++ 2M Karras") are understood.
    Raises SettingsError for an unknown name, listing near ones, and for a schedule that the sampler does not take.
    """
    chosen = _match(schedule, SCHEDULES)
    if chosen is None:
        raise SettingsError(f"schedule is {schedule[:60]!r}: {_nearest(schedule, SCHEDULES)}")
    found = _match(name, SAMPLERS)
    if found is None:
        found, joined = _split_joined(name)
        if found is None:
            raise SettingsError(f"sampler is {name[:60]!r}: {_nearest(name, SAMPLERS)}")
        if chosen not in (AUTOMATIC, joined):
            raise SettingsError(f"sampler is {name!r} and schedule is {schedule!r}: they name two schedules, give one")
        chosen = joined
    sampler = SAMPLERS[found]
    if chosen not in sampler.schedules:
        raise SettingsError(f"schedule is {chosen!r}, but {found} takes only {', '.join(sampler.schedules)}")
    return sampler, chosen


def _match(name: str, table: Mapping[str, object]) -> str | None:
    """Gives the entry of `table` that has this name in any case, or this short one."""
    wanted = " ".join(name.casefold().split())
    named = next((each for each in table if each.casefold() == wanted), None)
    if named or " " in wanted:
        return named
    return next((each for each in table if _short(each) == _short(wanted)), None)


def _short(name: str) -> str:
    """Gives what a name has in common with A1111's short ones: `DPM++ 2S a` with `k_dpmpp_2s_ancestral`."""
    short = name.casefold().removeprefix("k_").replace("pp", "++").replace("ancestral", "a")
    short = short.replace("_", "").replace(" ", "")
    return _ABBREVIATED.get(short, short)


def _split_joined(name: str) -> tuple[str | None, str]:
    """Gives sampler and schedule of a name such as `DPM++ 2M Karras` or `k_lms_ka`; no sampler where it is none."""
    between = " " if " " in name.strip() else "_"
    words = name.strip().split(between)
    for count in range(1, min(len(words), _MOST_WORDS + 1)):
        sampler = _match(between.join(words[:-count]), SAMPLERS)
        schedule = _match(between.join(words[-count:]), SCHEDULES)
        if sampler and schedule:
            return sampler, schedule
    return None, AUTOMATIC


def _nearest(name: str, table: Mapping[str, object]) -> str:
    folded = {key.casefold(): key for key in table}
    near = [folded[key] for key in difflib.get_close_matches(name[:100].casefold(), folded, n=4, cutoff=0.4)]
    return f"did you mean {', '.join(near)}?" if near else f"choose one of {', '.join(table)}"


_ABBREVIATED = {"dpmad": "dpmadaptive", "ka": "karras", "exp": "exponential"}
_MOST_WORDS = max(len(name.split()) for name in SCHEDULES)

# A1111's DPM++ 2M, DPM2 and others use Karras sigmas, and the many-step SDE ones exponential, unless told otherwise.
SAMPLERS: Mapping[str, Sampler] = {
    sampler.name: sampler
    for sampler in (
        Sampler("DPM++ 2M", "DPMSolverMultistepScheduler", automatic="Karras", uniform="Normal"),
        Sampler("DPM++ SDE", "DPMSolverSDEScheduler", automatic="Karras"),
        Sampler(
            "DPM++ 2M SDE",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++"},
            automatic="Exponential",
            uniform="Normal",
        ),
        Sampler(
            "DPM++ 2M SDE Heun",
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
            automatic="Exponential",
            uniform="Normal",
        ),
        Sampler("DPM++ 2S a", None, automatic="Karras", eta=1.0),
        Sampler("DPM++ 3M SDE", None, automatic="Exponential", eta=1.0, skips_finest=True),
        Sampler("Euler a", "EulerAncestralDiscreteScheduler", eta=1.0),
        Sampler("Euler", "EulerDiscreteScheduler"),
        Sampler("LMS", "LMSDiscreteScheduler"),
        Sampler("Heun", "HeunDiscreteScheduler"),
        # diffusers has these two, but takes two seconds to make each scheduler of them.
        Sampler("DPM2", None, automatic="Karras", skips_finest=True),
        Sampler("DPM2 a", None, automatic="Karras", eta=1.0, skips_finest=True),
        Sampler("DPM fast", None, schedules=(AUTOMATIC,), eta=1.0),
        Sampler("DPM adaptive", None, schedules=(AUTOMATIC,), eta=1.0, one_by_one=True),
        Sampler("Restart", None, automatic="Karras"),
        Sampler(
            "DDIM",
            "DDIMScheduler",
            {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "leading"},
            schedules=TIMESTEPS_ONLY,
            automatic=AUTOMATIC,
            uniform=AUTOMATIC,
            eta=0.0,
        ),
        Sampler("DDIM CFG++", None, automatic="DDIM", eta=0.0, guidance_divisor=12.5),
        Sampler(
            "PLMS",
            "PNDMScheduler",
            {"skip_prk_steps": True, "timestep_spacing": "leading"},
            schedules=TIMESTEPS_ONLY,
            automatic=AUTOMATIC,
            uniform=AUTOMATIC,
        ),
        Sampler("UniPC", "UniPCMultistepScheduler"),
        Sampler("LCM", "LCMScheduler", schedules=(AUTOMATIC,), automatic=AUTOMATIC),
    )
}
