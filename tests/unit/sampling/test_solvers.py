"""How fast each sampler's error falls with the number of steps, where the answer is known exactly.

For data that is Gaussian noise the ideal denoiser is linear, so every sampler is a linear map of the noise it draws.
Each draw gets a pixel of its own: the sum of squares at the end is then the variance of what is drawn, without chance.
"""

import math
from contextlib import ExitStack
from importlib import import_module
from unittest import mock

import pytest
import torch
from torch import Tensor

from retrato.sampling import SAMPLERS, find_sampler
from retrato.sampling.course import Start, Told, begin
from retrato.sampling.sigmas import noise_levels
from retrato.sampling.solvers import SOLVERS, Answer, Course

SPREAD = 0.5
DRAWS = 200
# The order that theory gives, and with how many steps the error is measured for the first time.
ORDERS = {
    "DPM++ 2M": (2, 24),
    "DPM++ SDE": (2, 12),
    "DPM++ 2M SDE": (2, 24),
    "DPM++ 2M SDE Heun": (2, 12),
    "DPM++ 2S a": (2, 12),
    "DPM++ 3M SDE": (2, 12),
    "Euler a": (1, 12),
    "Euler": (1, 12),
    "LMS": (3, 12),
    "Heun": (2, 12),
    "DPM2": (2, 12),
    "DPM2 a": (2, 12),
    "DPM fast": (3, 12),
    "Restart": (2, 48),
    "DDIM": (1, 12),
    "DDIM CFG++": (1, 12),
    "PLMS": (2, 32),
    "UniPC": (2, 12),
}


class Impulses:
    """Noise in which draw number n is 1 at pixel n and 0 elsewhere."""

    def __init__(self) -> None:
        self.drawn = 0
        self.half: Tensor | None = None

    def __call__(self, *_: object, **__: object) -> Tensor:
        self.drawn += 1  # one picture of one channel; a course stacks pictures, schedulers take them as a batch
        return torch.nn.functional.one_hot(torch.tensor(self.drawn), DRAWS)[None, None].double()

    def along_a_path(self, sigma: Tensor, following: Tensor) -> Tensor:
        """The same for Brownian motion, of which a sampler asks for the first half of a step and then for all of it."""
        if self.half is None:
            self.half, self.ends = self(), (sigma, following)
            return self.half
        (start, middle), half, self.half = self.ends, self.half, None
        parts = half * (start - middle).sqrt() + self() * (middle - following).sqrt()
        return parts / (start - following).sqrt()


def relative_error(name: str, schedule: str, config: dict[str, object], steps: int, until: float) -> float:
    """Gives how far the spread is off when the noise has come down to sigma `until`, or as near as the sampler asks.

    The order of DPM fast is that without fresh noise. DPM adaptive weighs errors by pixel, of which fresh noise has one
    each here, where it has all of them in a picture.
    """
    eta = 0.0 if name in ("DPM fast", "DPM adaptive") else None
    levels = noise_levels(config)
    sampler, schedule = find_sampler(name, schedule)

    def exact(sigma: float) -> float:
        return math.sqrt((SPREAD**2 + sigma**2) / (1 + sigma**2))

    def course(first: float) -> tuple[float, list[tuple[float, float]]]:
        impulses = Impulses()
        noise = first * torch.nn.functional.one_hot(torch.tensor(0), DRAWS)[None, None, None].double()
        spreads = []
        run = begin(sampler, schedule, config, Start([0], noise, [torch.Generator()]), steps=steps, eta=eta)
        with drawing_from(impulses):
            ask = next(run)
            try:
                while True:
                    sigma = levels.sigma_at(float(ask.timestep))
                    spreads.append((sigma, float(ask.sample.double().norm())))
                    clean = ask.sample * SPREAD**2 * math.sqrt(1 + sigma**2) / (SPREAD**2 + sigma**2)
                    ask = run.send(Told(levels.prediction(ask.sample, clean, sigma), clean, clean))
            except StopIteration:
                return spreads[0][1] / exact(spreads[0][0]), spreads

    too_much, _ = course(1.0)
    _, spreads = course(1 / too_much)
    sigma, spread = min(spreads, key=lambda found: (abs(math.log(found[0] / until)), -spreads.index(found)))
    return abs(spread / exact(sigma) - 1)


def drawing_from(impulses: Impulses) -> ExitStack:
    """While open, samplers draw impulses."""
    stack = ExitStack()
    stack.enter_context(mock.patch("torch.randn", impulses))
    for part in ("euler_ancestral_discrete", "dpmsolver_multistep", "ddim", "lcm"):
        module = import_module(f"diffusers.schedulers.scheduling_{part}")
        stack.enter_context(mock.patch.object(module, "randn_tensor", impulses))
    module = import_module("diffusers.schedulers.scheduling_dpmsolver_sde")
    stack.enter_context(mock.patch.object(module, "BrownianTreeNoiseSampler", return_value=impulses.along_a_path))
    return stack


def config_for(name: str) -> dict[str, object]:
    """A noise schedule of the usual shape; a fine one where timesteps are rounded, so that rounding is no error."""
    rounds = SAMPLERS[name].scheduler in (
        *("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DDIMScheduler", "PNDMScheduler"),
    )
    count = 24_000 if rounds else 1_000
    return {
        "num_train_timesteps": count,
        "beta_start": 0.85 / count,
        "beta_end": 12 / count,
        "beta_schedule": "scaled_linear",
    }


@pytest.mark.parametrize("name", ORDERS)
def test_the_error_falls_as_the_order_says(name: str) -> None:
    order, steps = ORDERS[name]
    config = config_for(name)
    schedule = "Exponential" if "Exponential" in SAMPLERS[name].schedules else "Automatic"
    # The timesteps of DDIM and PLMS are even, so their last step is as long as the first: measure in the middle.
    until = noise_levels(config).sigma_at(1 + 24_000 // 4) if schedule == "Automatic" and order != 3 else 1e-9
    first, second = (relative_error(name, schedule, config, count, until) for count in (2 * steps, 4 * steps))
    assert math.log2(first / second) > order - 0.35
    assert first < 0.15


@pytest.mark.parametrize("steps", [9, 27, 36])
def test_plms_takes_numbers_of_steps_whose_first_timestep_is_cut_to_the_last(steps: int) -> None:
    """diffusers' looked beyond the model's 1000 timesteps there, and ended in an error."""
    config = config_for("LMS")
    found, with_one_less = (relative_error("PLMS", "Automatic", config, count, 1e-9) for count in (steps, steps - 1))
    assert found < with_one_less


def test_every_sampler_has_its_order_or_a_reason() -> None:
    reasons = {"LCM": "jumps to the mean each time", "DPM adaptive": "chooses its steps itself"}
    assert ORDERS.keys() | reasons.keys() == SAMPLERS.keys()
    assert SOLVERS.keys() <= SAMPLERS.keys()


def test_the_adaptive_one_keeps_to_its_tolerance_whatever_the_steps() -> None:
    for steps in (5, 50):
        assert relative_error("DPM adaptive", "Automatic", config_for("DPM adaptive"), steps, 1e-9) < 0.06


def finished(run: Course, answer: Tensor) -> Tensor:
    """Gives a run the same answer over and over, and then its result."""
    return counted(run, answer)[1]


def counted(run: Course, answer: Tensor) -> tuple[int, Tensor]:
    """Gives how often a run asks as well."""
    next(run)
    for number in range(1, 5000):
        try:
            run.send(Answer(answer, answer))
        except StopIteration as ended:
            return number, ended.value
    raise AssertionError("it asks for ever")


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_that_gets_no_numbers_comes_to_an_end(name: str) -> None:
    nothing = torch.full((1, 1, 2, 2), float("nan"))
    assert finished(SOLVERS[name](nothing, [10.0, 1.0, 0.1, 0.0], lambda: nothing, 1.0), nothing).isnan().all()


@pytest.mark.parametrize("name", ["Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ 3M SDE", "DDIM CFG++"])
def test_fresh_noise_is_as_much_as_the_next_level_lacks(name: str) -> None:
    """Of data that is one point, begun there without noise: never more spread than the last level has."""
    point = torch.zeros(1, 1, 1, DRAWS).double()
    found = finished(SOLVERS[name](point, [4.0, 2.0, 1.0], Impulses(), 1.0), point)
    assert 0.8 < float(found.norm()) <= 1.0


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("calls", [2, 3, 4, 5, 6, 20])
def test_the_fast_one_spends_every_call_and_leaves_the_finest_noise_in(calls: int, eta: float) -> None:
    """Of data that is one point, its steps are exact: what is left is noise, and as much as the finest level has."""
    sigmas = [math.exp(math.log(14.6) + math.log(0.03 / 14.6) * number / (calls - 1)) for number in range(calls)]
    point = torch.zeros(1, 1, 1, DRAWS).double()
    noise = 14.6 * torch.nn.functional.one_hot(torch.tensor(0), DRAWS)[None, None, None].double()
    asked, found = counted(SOLVERS["DPM fast"](noise, [*sigmas, 0.0], Impulses(), eta), point)
    assert asked == calls
    assert float(found.norm()) == pytest.approx(0.03, rel=0.05)


def test_the_adaptive_one_leaves_the_finest_noise_in() -> None:
    point = torch.zeros(1, 1, 1, DRAWS).double()
    noise = 10 * torch.nn.functional.one_hot(torch.tensor(0), DRAWS)[None, None, None].double()
    for eta in (0.0, 1.0):
        found = finished(SOLVERS["DPM adaptive"](noise, [10.0, 0.03, 0.0], Impulses(), eta), point)
        assert float(found.norm()) == pytest.approx(0.03, rel=0.1)


@pytest.mark.parametrize("name", ["DPM fast", "DPM adaptive"])
def test_begun_at_the_finest_level_they_only_look(name: str) -> None:
    point = torch.zeros(1, 1, 1, 4)
    assert torch.equal(finished(SOLVERS[name](torch.ones(1, 1, 1, 4), [0.5, 0.0], Impulses(), 1.0), point), point)
