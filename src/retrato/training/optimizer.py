"""AdamW on a handful of vectors as a pure function: the state goes in, the next state comes out.

Because a state is never changed, keeping the last good one costs nothing, and writing one down is all that resuming
needs. Knows nothing of the model but the norms of its vocabulary.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from retrato.model import Components
from retrato.training.recipes import Plan

EPSILON = 1e-8
Vectors = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Where a run stands after `step` steps. All tensors are float32 [V, D] on the CPU, one per text encoder.

    `mean` and `square` are Adam's moments after `updates` updates, `average` the moving average of the vectors.
    `rate_scale` halves with each loss that is not a number; `skipped` counts those, `skipped_in_a_row` the latest ones
    and `rollbacks` how often the last good vectors had to be taken back. `evaluations` holds (step, loss) and `saved`
    the steps of the candidates on disk. `best` are the vectors of the least loss so far.
    """

    vectors: Vectors
    mean: Vectors
    square: Vectors
    average: Vectors
    best: Vectors
    step: int = 0
    updates: int = 0
    rate_scale: float = 1.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    evaluations: tuple[tuple[int, float], ...] = ()
    saved: tuple[int, ...] = ()

    @property
    def norms(self) -> tuple[float, ...]:
        """Gives the length of each vector, those of the first text encoder first."""
        return tuple(float(norm) for each in self.vectors for norm in each.norm(dim=1))

    @property
    def best_evaluation(self) -> tuple[int, float] | None:
        """Gives (step, loss) of the least loss so far, the earliest of equals."""
        return min(self.evaluations, key=lambda evaluation: evaluation[1], default=None)


def first_state(vectors: Vectors) -> State:
    """Gives the state before the first step."""
    zeros = tuple(torch.zeros_like(each) for each in vectors)
    return State(vectors, mean=zeros, square=zeros, average=vectors, best=vectors)


def vocabulary_norms(components: Components) -> tuple[float, ...]:
    """Gives the mean norm of the token embeddings per text encoder: the unit of relative rates and norm caps."""
    tables = (encoder.get_input_embeddings().weight for encoder in components.text_encoders)
    return tuple(float(table.detach().float().norm(dim=1).mean()) for table in tables)


def absolute_rates(plan: Plan, state: State, norms: Sequence[float]) -> tuple[float, ...]:
    """Gives AdamW's rate for the state's next step, one per text encoder.

    A relative rate rho moves a vector of D numbers by at most rho mean norms a step, so it is rho * norm / sqrt(D).
    """
    rate = plan.rate(state.step) * state.rate_scale
    if not plan.rate_is_relative:
        return (rate,) * len(state.vectors)
    return tuple(rate * norm / math.sqrt(each.shape[1]) for norm, each in zip(norms, state.vectors, strict=True))


def advance(state: State, gradients: Vectors, rates: Sequence[float], plan: Plan, norms: Sequence[float]) -> State:
    """Gives the state after one update with `gradients` [V, D] (AdamW: https://arxiv.org/abs/1711.05101).

    Vectors longer than the plan's cap, `plan.norm_cap` mean norms of the vocabulary, are shortened to it.
    """
    first, second = plan.betas
    updates = state.updates + 1
    gradients = _clipped(gradients, plan.gradient_clip)
    mean = tuple(m * first + g * (1 - first) for m, g in zip(state.mean, gradients, strict=True))
    square = tuple(s * second + g * g * (1 - second) for s, g in zip(state.square, gradients, strict=True))
    vectors = []
    for vector, m, s, rate, norm in zip(state.vectors, mean, square, rates, norms, strict=True):
        direction = (m / (1 - first**updates)) / ((s / (1 - second**updates)).sqrt() + EPSILON)
        moved = vector * (1 - rate * plan.weight_decay) - rate * direction
        vectors.append(moved if plan.norm_cap is None else _capped(moved, plan.norm_cap * norm))
    return dataclasses.replace(
        state,
        vectors=tuple(vectors),
        mean=mean,
        square=square,
        average=_averaged(state, vectors, plan.average_over),
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


def roll_back(state: State, good: State) -> State:
    """Gives the state with the vectors and moments of `good`; steps, counts and the halved rate go on."""
    return dataclasses.replace(
        state,
        vectors=good.vectors,
        mean=good.mean,
        square=good.square,
        average=good.average,
        updates=good.updates,
        skipped_in_a_row=0,
        rollbacks=state.rollbacks + 1,
    )


def is_finite(vectors: Sequence[Tensor]) -> bool:
    """Says whether every number is one."""
    return all(bool(torch.isfinite(each).all()) for each in vectors)


def _clipped(gradients: Vectors, largest: float | None) -> Vectors:
    if largest is None:
        return gradients
    norm = math.sqrt(sum(float(each.square().sum()) for each in gradients))
    return gradients if norm <= largest else tuple(each * (largest / norm) for each in gradients)


def _capped(vectors: Tensor, longest: float) -> Tensor:
    lengths = vectors.norm(dim=1, keepdim=True)
    return torch.where(lengths > longest, vectors * (longest / lengths.clamp_min(EPSILON)), vectors)


def _averaged(state: State, vectors: Sequence[Tensor], over: int) -> Vectors:
    """Gives the moving average; it starts as a plain mean, so that the first vectors do not weigh for ever."""
    share = max(1 / (state.updates + 1), 1 / over) if over else 1.0
    return tuple(a + (v - a) * share for a, v in zip(state.average, vectors, strict=True))
