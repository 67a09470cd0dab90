"""The course of a sampling: a generator that asks for one prediction of the U-Net after another.

One shape for both kinds of stepping rule, diffusers' schedulers and our solvers. Knows no model, guidance and prompts.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, NamedTuple
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor

from retrato.sampling.samplers import Sampler
from retrato.sampling.schedulers import make_scheduler, skip_steps, spaced_sigmas, spacing_of
from retrato.sampling.sigmas import NoiseLevels, noise_levels
from retrato.sampling.solvers import SOLVERS, Answer, Solver


@dataclass(frozen=True, slots=True)
class Ask:
    """Wants the U-Net's prediction for `sample` [B, C, h, w], scaled for it, at `timestep`.

    `step`, from 1, is the user's step that this belongs to; `latents` are where the picture is now.
    """

    sample: Tensor
    timestep: Tensor
    step: int
    latents: Tensor


class Told(NamedTuple):
    """The U-Net's `prediction`, the clean latents that it amounts to, and those of the negative prompt alone."""

    prediction: Tensor
    clean: Tensor
    unguided: Tensor


Course = Generator[Ask, Told, Tensor]


@dataclass(frozen=True, slots=True)
class Start:
    """What a sampling starts from: seeds of the images, their noise [B, C, h, w] and generators for further noise.

    With `latents` [B, C, h, w] it starts from those, noised as they are before the last `steps` of the schedule.
    """

    seeds: Sequence[int]
    noise: Tensor
    generators: Sequence[torch.Generator]
    latents: Tensor | None = None
    steps: int | None = None


def begin(
    sampler: Sampler,
    schedule: str,
    config: Mapping[str, object],
    start: Start,
    *,
    steps: int,
    eta: float | None = None,
    is_xl: bool = False,
) -> Course:
    """Gives the course of `sampler` over `steps` of `schedule` on a model with scheduler configuration `config`.

    `eta` is how much fresh noise is added; None is the sampler's own, and what it has to be for one that takes none.
    With `is_xl` the model is of the XL family.
    """
    skipped = 0 if start.latents is None else steps - min(start.steps or steps, steps)
    eta = sampler.eta if eta is None else eta
    if sampler.scheduler is None or (sampler.name in SOLVERS and eta != sampler.eta):
        sigmas = _solver_sigmas(sampler, schedule, config, steps, is_xl=is_xl)
        if skipped:
            sigmas = sigmas[skipped - steps - 1 :]
        return _solver_course(SOLVERS[sampler.name], noise_levels(config), sigmas, start, steps - skipped, eta or 0.0)
    scheduler = make_scheduler(sampler, schedule, config, steps=steps, seeds=start.seeds, is_xl=is_xl)
    if skipped:
        skip_steps(scheduler, steps - skipped)
    return _scheduler_course(scheduler, start, steps - skipped, eta)


def _scheduler_course(scheduler: Any, start: Start, steps: int, eta: float | None) -> Course:
    accepted = signature(scheduler.step).parameters
    draws: dict[str, Any] = {"generator": list(start.generators)} if "generator" in accepted else {}
    if eta and "eta" in accepted:
        draws["eta"] = eta
    if start.latents is None:
        latents = start.noise * scheduler.init_noise_sigma
    else:
        latents = scheduler.add_noise(start.latents, start.noise, scheduler.timesteps[:1].repeat(len(start.noise)))
    calls = len(scheduler.timesteps)
    for call, timestep in enumerate(scheduler.timesteps):
        # Samplers of second order call the U-Net twice per step (2n - 1 times), PLMS once more than it steps.
        sample = scheduler.scale_model_input(latents, timestep)
        told = yield Ask(sample, timestep, 1 + call * steps // calls, latents)
        with catch_warnings():
            # torchsde's Brownian tree complains of sigmas that float32 rounds just beyond its ends, and clamps them.
            filterwarnings("ignore", "Should have t[ab]", UserWarning)
            latents = scheduler.step(told.prediction, timestep, latents, **draws, return_dict=False)[0]
    return latents


def _solver_sigmas(
    sampler: Sampler, schedule: str, config: Mapping[str, object], steps: int, *, is_xl: bool
) -> list[float]:
    # A sampler that chooses its steps itself needs both ends of the range, however few steps are asked for.
    count, is_cut = max(2, steps) if sampler.one_by_one else steps, sampler.skips_finest and steps > 1
    sigmas = spaced_sigmas(spacing_of(sampler, schedule, config), config, count + is_cut, is_xl=is_xl)
    return [*sigmas[:-2], 0.0] if is_cut else sigmas


def _solver_course(
    solve: Solver, levels: NoiseLevels, sigmas: Sequence[float], start: Start, steps: int, eta: float
) -> Course:
    latents = start.noise * sigmas[0] if start.latents is None else start.latents + start.noise * sigmas[0]

    def draw() -> Tensor:
        return torch.stack([torch.randn(start.noise.shape[1:], generator=each) for each in start.generators])

    solver = solve(latents, sigmas, draw, eta)
    asked = next(solver)
    while True:
        latents, sigma, done = asked
        sample, timestep = latents / (1 + sigma**2) ** 0.5, torch.tensor(levels.timestep_at(sigma))
        told = yield Ask(sample, timestep, min(steps, 1 + int(done * steps + 1e-9)), latents)
        try:
            asked = solver.send(Answer(told.clean, told.unguided))
        except StopIteration as ended:
            return ended.value
