"""The samplers that diffusers has not got, or not like that, each as its paper writes it.

A solver is a generator. It yields `(latents, sigma, done)`, which asks what clean latents the model sees in `latents`
at the noise level `sigma`, with `done` the share of the work that lies behind; it is sent an `Answer`; it returns the
finished latents. Latents are clean ones plus sigma times noise. `sigmas` fall to zero; `draw()` gives standard normal
noise. Whoever runs a solver decides how the model is asked, so a solver knows no model, no guidance and no batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

Draw = Callable[[], Tensor]


class Answer(NamedTuple):
    """Clean latents as the guided model sees them, and as it sees them for the negative prompt alone."""

    clean: Tensor
    unguided: Tensor


Query = tuple[Tensor, float, float]
Course = Generator[Query, Answer, Tensor]
Solver = Callable[[Tensor, Sequence[float], Draw, float], Course]


def euler_ancestral(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """Euler steps that go down too far and add fresh noise; `eta` 0 is Euler, 1 the usual amount (Song et al. 2020)."""
    for done, sigma, following in _steps(sigmas):
        clean, _ = yield x, sigma, done
        down, up = _ancestral(sigma, following, eta)
        x = clean + (x - clean) * (down / sigma)
        if up:
            x = x + draw() * up
    return x


def dpm2_ancestral(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """Midpoint steps in log sigma, with fresh noise unless `eta` is 0 (DPM-Solver-2, Lu et al. 2022; Crowson)."""
    for done, sigma, following in _steps(sigmas):
        clean, _ = yield x, sigma, done
        down, up = _ancestral(sigma, following, eta)
        slope = (x - clean) / sigma
        if down:
            middle = math.sqrt(sigma * down)
            halfway = x + slope * (middle - sigma)
            slope = (halfway - (yield halfway, middle, done).clean) / middle
        x = x + slope * (down - sigma)
        if up:
            x = x + draw() * up
    return x


def dpmpp_2s_ancestral(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """DPM-Solver++(2S) with fresh noise (Lu et al. 2022, algorithm 1, with r = 1/2)."""
    for done, sigma, following in _steps(sigmas):
        clean, _ = yield x, sigma, done
        down, up = _ancestral(sigma, following, eta)
        if down:
            middle = math.sqrt(sigma * down)
            halfway = clean + (x - clean) * (middle / sigma)
            clean, _ = yield halfway, middle, done
        x = clean + (x - clean) * (down / sigma)
        if up:
            x = x + draw() * up
    return x


def dpmpp_3m_sde(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """DPM-Solver++(3M) for the SDE: the last three answers, extrapolated in log sigma (Crowson; Lu et al. 2022).

    diffusers' third order of the SDE has a term that does not vanish with the step, so it is not used.
    """
    before: list[tuple[Tensor, float]] = []  # the answers before this one, the nearest first, with their step
    for done, sigma, following in _steps(sigmas):
        clean, _ = yield x, sigma, done
        if not following:
            return clean
        step = math.log(sigma / following)
        wide = step * (1 + eta)
        x = clean + (x - clean) * math.exp(-wide)
        if before:
            second = math.expm1(-wide) / wide + 1
            slope = _slope(clean, before[0], step)
            if len(before) > 1:
                ratios = before[0][1] / step, before[1][1] / step
                change = slope - _slope(before[0][0], before[1], step)
                slope = slope + change * (ratios[0] / sum(ratios))
                x = x - (change / sum(ratios)) * (second / wide - 0.5)
            x = x + slope * second
        if eta:
            x = x + draw() * (following * math.sqrt(-math.expm1(-2 * step * eta)))
        before = [(clean, step), *before[:1]]
    return x


def dpm_fast(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """DPM-Solver-fast: as many third-order steps in log sigma as there are calls for (Lu et al. 2022, section 3.4).

    With `eta` they go down too far and fresh noise is added (Crowson). The finest noise stays in.
    """
    if len(sigmas) == 2:
        return (yield x, sigmas[0], 0.0).clean
    calls, start, end = len(sigmas) - 1, math.log(sigmas[0]), math.log(sigmas[-2])
    orders = [3] * (calls // 3 - 1) + [2, 1] if calls % 3 == 0 else [3] * (calls // 3) + [calls % 3]
    asked = 0
    for number, order in enumerate(orders):
        high = math.exp(start + (end - start) * number / len(orders))
        following = math.exp(start + (end - start) * (number + 1) / len(orders))
        low, up = _ancestral(high, following, eta, sigmas[-2])
        clean, _ = yield x, high, asked / calls
        x = (yield from _dpm_step(x, (x - clean) / high, high, low, order, asked / calls, 1 / calls))[-1]
        if up:
            x = x + draw() * up
        asked += order
    return x


def dpm_adaptive(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """DPM-Solver-12/23 with a step that follows the error (Lu et al. 2022, algorithm 4; tolerances 0.05 and 0.0078).

    The number of calls follows from the picture, not from the steps asked for. One picture at a time: the error of
    one would change the steps of another. With `eta` each step goes down too far and fresh noise is added (Crowson).
    The finest noise stays in.
    """
    relative, absolute, safety, most_calls = 0.05, 0.0078, 0.81, 1500
    at, end = math.log(sigmas[0]), math.log(sigmas[-2])
    whole, step, previous, calls = at - end, 0.05, x, 0
    while at > end + 1e-5 and calls < most_calls:
        following, done = max(end, at - step), (1 - (at - end) / whole) * 0.99
        low, up = _ancestral(math.exp(at), math.exp(following), eta, sigmas[-2])
        clean, _ = yield x, math.exp(at), done
        slope = (x - clean) / math.exp(at)
        second, third = yield from _dpm_step(x, slope, math.exp(at), low, 3, done)
        allowed = (second.abs().maximum(previous.abs()) * relative).clamp(min=absolute)
        error = float((((second - third) / allowed) ** 2).mean().sqrt())
        if not math.isfinite(error):
            return third  # the caller says that these are no numbers
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / 1.5 if eta else 1 / 3) - 1)
        if factor >= safety:
            previous, x, at = second, third + draw() * up if up else third, following
        step, calls = step * factor, calls + 3
    if calls and at <= end + 1e-5:
        return x
    return (yield x, math.exp(at), 0.99).clean


def ddim_cfgpp(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """DDIM that steps to the guided picture with the unguided noise (CFG++, Chung et al. 2024)."""
    for done, sigma, following in _steps(sigmas):
        clean, unguided = yield x, sigma, done
        down, up = _ancestral(sigma, following, eta)
        x = clean + (x - unguided) * (down / sigma)
        if up:
            x = x + draw() * up
    return x


def restart(x: Tensor, sigmas: Sequence[float], draw: Draw, eta: float) -> Course:
    """Heun steps that go back up to sigma 2 with fresh noise and come down again (Xu et al. 2023).

    From 20 steps on; from 36, twice. The steps for it are taken from the whole, as in A1111.
    """
    legs = _restart_legs(sigmas)
    behind, last = 0, sigmas[0]
    for sigma, following in legs:
        if sigma > last:
            x = x + draw() * math.sqrt(sigma**2 - last**2)
        clean, _ = yield x, sigma, behind / len(legs)
        slope = (x - clean) / sigma
        if following:
            guess = x + slope * (following - sigma)
            clean, _ = yield guess, following, behind / len(legs)
            slope = (slope + (guess - clean) / following) / 2
        x, last, behind = x + slope * (following - sigma), following, behind + 1
    return x


SOLVERS: Mapping[str, Solver] = {
    "Euler a": euler_ancestral,
    "DPM2": dpm2_ancestral,
    "DPM2 a": dpm2_ancestral,
    "DPM++ 2S a": dpmpp_2s_ancestral,
    "DPM++ 3M SDE": dpmpp_3m_sde,
    "DPM fast": dpm_fast,
    "DPM adaptive": dpm_adaptive,
    "DDIM CFG++": ddim_cfgpp,
    "Restart": restart,
}


def _steps(sigmas: Sequence[float]) -> Iterator[tuple[float, float, float]]:
    """Gives (share done, sigma, next sigma) for each step."""
    for number, (sigma, following) in enumerate(pairwise(sigmas)):
        yield number / (len(sigmas) - 1), sigma, following


def _ancestral(sigma: float, following: float, eta: float, lowest: float = 0.0) -> tuple[float, float]:
    """Splits the next level into the one to step down to, no lower than `lowest`, and the noise to add to be there."""
    up = min(following, eta * math.sqrt(max(0.0, following**2 * (sigma**2 - following**2))) / sigma)
    down = math.sqrt(following**2 - up**2)
    return (down, up) if down >= lowest else (lowest, math.sqrt(max(0.0, following**2 - lowest**2)))


def _slope(clean: Tensor, before: tuple[Tensor, float], step: float) -> Tensor:
    """Gives how fast the answers change, per `step`, from the one before to `clean`."""
    return (clean - before[0]) * (step / before[1])


def _dpm_step(
    x: Tensor, slope: Tensor, high: float, low: float, order: int, done: float, per_call: float = 0.0
) -> Generator[Query, Answer, tuple[Tensor, ...]]:
    """One DPM-Solver step from `high` to `low`; gives the results of the orders up to `order` that it passes by.

    `slope` took the call before which `done` of the work was done; each of its own adds `per_call`.
    """
    step = math.log(high / low)
    first = x - low * math.expm1(step) * slope
    if order == 1:
        return (first,)
    share = 1 / 2 if order == 2 else 1 / 3
    middle = high * math.exp(-share * step)
    halfway = x - middle * math.expm1(share * step) * slope
    turn = (halfway - (yield halfway, middle, done + per_call).clean) / middle - slope
    second = first - low / (2 * share) * math.expm1(step) * turn
    if order == 2:
        return first, second
    later = high * math.exp(-2 / 3 * step)
    farther = x - later * math.expm1(2 / 3 * step) * slope
    farther = farther - later * 2 * (math.expm1(2 / 3 * step) / (2 / 3 * step) - 1) * turn
    bend = (farther - (yield farther, later, done + 2 * per_call).clean) / later - slope
    return second, first - low * 3 / 2 * (math.expm1(step) / step - 1) * bend


def _restart_legs(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    steps, again, times = len(sigmas) - 1, 0, 0
    if steps >= 20:
        again, times = (steps // 4, 2) if steps >= 36 else (9, 1)
    if not times:
        return list(pairwise(sigmas))
    whole = [*_karras(sigmas[0], sigmas[-2], steps - again * times), 0.0]
    low = min(range(len(whole)), key=lambda place: abs(whole[place] - 0.1))
    top = min(range(len(whole)), key=lambda place: abs(whole[place] - 2))
    if top >= low:  # a run that starts below sigma 2 is too short to go back in
        return list(pairwise(sigmas))
    back = list(pairwise(_karras(whole[top], whole[low], again + 1)))
    return [*pairwise(whole[: low + 1]), *back * times, *pairwise(whole[low:])]


def _karras(high: float, low: float, count: int) -> list[float]:
    """Gives `count` sigmas spaced evenly in their 7th root (Karras et al. 2022, eq. 5)."""
    ends = high ** (1 / 7), low ** (1 / 7)
    return [(ends[0] + (ends[1] - ends[0]) * number / max(1, count - 1)) ** 7 for number in range(count)]
