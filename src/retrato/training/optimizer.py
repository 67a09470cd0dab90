"""AdamW on a row of tensors as a pure function: the state goes in, the next state comes out.

Because a state is never changed, keeping the last good one costs nothing, and writing one down is all that resuming
needs. Knows nothing of the model and of what the tensors mean.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retrato.training.rate_schedule import rate_at
from retrato.training.recipes import Plan

EPSILON = 1e-8
Parameters = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands after `step` steps. All tensors are float32 on the CPU; an embedding's are its vectors [V, D].

    `mean` and `square` are Adam's moments after `updates` updates, `average` the moving average of the parameters.
    `rate_scale` halves with each loss that is not a number, and doubles, up to 1, with each sound evaluation since
    whose last one there was none. `skipped` counts them, `skipped_before` those up to the latest sound evaluation,
    `skipped_in_a_row` the latest ones and `rollbacks` how often the last good parameters had to be taken back.
    `evaluations` holds (step, loss) and `saved` the steps of the candidates on disk. `best` are the parameters of the
    least loss so far. What begins with `good_` is what there is to go back to: parameters, moments and so on of the
    latest sound evaluation, or the start.
    """

    parameters: Parameters
    mean: Parameters
    square: Parameters
    average: Parameters
    best: Parameters
    good_parameters: Parameters
    good_mean: Parameters
    good_square: Parameters
    good_average: Parameters
    good_updates: int = 0
    step: int = 0
    updates: int = 0
    rate_scale: float = 1.0
    skipped: int = 0
    skipped_before: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    evaluations: tuple[tuple[int, float], ...] = ()
    saved: tuple[int, ...] = ()

    @property
    def best_evaluation(self) -> tuple[int, float] | None:
        """Gives (step, loss) of the least loss so far, the earliest of equals."""
        return min(self.evaluations, key=lambda evaluation: evaluation[1], default=None)


# What there is to go back to -> what it is a copy of.
GOOD = {f"good_{name}": name for name in ("parameters", "mean", "square", "average", "updates")}


def first_state(parameters: Parameters) -> State:
    """Gives the state before the first step."""
    zeros = tuple(torch.zeros_like(each) for each in parameters)
    return State(
        parameters,
        mean=zeros,
        square=zeros,
        average=parameters,
        best=parameters,
        good_parameters=parameters,
        good_mean=zeros,
        good_square=zeros,
        good_average=parameters,
    )


def absolute_rates(plan: Plan, state: State, norms: Sequence[float]) -> tuple[float, ...]:
    """Gives AdamW's rate for the state's next step, one per tensor; `norms` are the units of relative rates.

    A relative rate rho moves a vector of D numbers by at most rho mean norms a step, so it is rho * norm / sqrt(D).
    """
    rate = plan.rate(state.step) * state.rate_scale
    if not plan.rate_is_relative:
        return (rate,) * len(state.parameters)
    return tuple(rate * norm / math.sqrt(each.shape[1]) for norm, each in zip(norms, state.parameters, strict=True))


def advance(state: State, gradients: Parameters, rates: Sequence[float], plan: Plan, norms: Sequence[float]) -> State:
    """Gives the state after one update with `gradients` (AdamW: https://arxiv.org/abs/1711.05101).

    Vectors longer than the plan's cap, `plan.norm_cap` of `norms`, are shortened to it.
    """
    first, second = plan.betas
    updates = state.updates + 1
    gradients = _clipped(gradients, rate_at(plan.gradient_clips, state.step), plan.gradient_clip_by)
    # What is new is worked on in place: a hypernetwork has 22 million numbers.
    mean = tuple((m * first).add_(g * (1 - first)) for m, g in zip(state.mean, gradients, strict=True))
    square = tuple((s * second).add_((g * g).mul_(1 - second)) for s, g in zip(state.square, gradients, strict=True))
    moved = []
    for before, m, s, rate, norm in zip(state.parameters, mean, square, rates, norms, strict=True):
        divisor = (s / (1 - second**updates)).sqrt_().add_(EPSILON)
        change = (m / (1 - first**updates)).div_(divisor).mul_(rate)
        after = (before * (1 - rate * plan.weight_decay)).sub_(change)
        moved.append(after if plan.norm_cap is None else _capped(after, plan.norm_cap * norm))
    return dataclasses.replace(
        state,
        parameters=tuple(moved),
        mean=mean,
        square=square,
        average=_averaged(state, moved, plan.average_over),
        step=state.step + 1,
        updates=updates,
        skipped_in_a_row=0,
    )


def skip(state: State) -> State:
    """Gives the state after a step whose loss or gradient was not a number: nothing learned, the rate halved."""
    return dataclasses.replace(
        state,
        step=state.step + 1,
        rate_scale=state.rate_scale / 2,
        skipped=state.skipped + 1,
        skipped_in_a_row=state.skipped_in_a_row + 1,
    )


def known_good(state: State) -> State:
    """Gives the state, in which what it is now is what there is to go back to; a halved rate is on its way back.

    It doubles where nothing was skipped since the last time.
    """
    is_calm = state.skipped == state.skipped_before
    return dataclasses.replace(
        state,
        **{good: getattr(state, name) for good, name in GOOD.items()},
        rate_scale=min(1.0, 2 * state.rate_scale) if is_calm else state.rate_scale,
        skipped_before=state.skipped,
    )


def roll_back(state: State) -> State:
    """Gives the state with the parameters and moments that are known to be good; counts and the halved rate go on."""
    return dataclasses.replace(
        state,
        **{name: getattr(state, good) for good, name in GOOD.items()},
        skipped_in_a_row=0,
        rollbacks=state.rollbacks + 1,
    )


def is_finite(tensors: Sequence[Tensor]) -> bool:
    """Says whether every number is one."""
    return all(math.isfinite(bound) for each in tensors for bound in each.aminmax())


def _clipped(gradients: Parameters, largest: float | None, by: str) -> Parameters:
    if largest is None:
        return gradients
    if by == "value":
        return tuple(each.clamp(-largest, largest) for each in gradients)
    norm = math.sqrt(sum(float(each.square().sum()) for each in gradients))
    return gradients if norm <= largest else tuple(each * (largest / norm) for each in gradients)


def _capped(vectors: Tensor, longest: float) -> Tensor:
    lengths = vectors.norm(dim=1, keepdim=True)
    return torch.where(lengths > longest, vectors * (longest / lengths.clamp_min(EPSILON)), vectors)


def _averaged(state: State, moved: Sequence[Tensor], over: int) -> Parameters:
    """Gives the moving average; it starts as a plain mean, so that the first values do not weigh for ever."""
    share = max(1 / (state.updates + 1), 1 / over) if over else 1.0
    return tuple((v - a).mul_(share).add_(a) for a, v in zip(state.average, moved, strict=True))
