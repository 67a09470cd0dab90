import copy
import dataclasses
import math

import pytest
import torch

from retrato.settings import TrainSettings
from retrato.training.optimizer import (
    absolute_rates,
    advance,
    first_state,
    is_finite,
    known_good,
    roll_back,
    skip,
)
from retrato.training.recipes import RECIPES, Plan, resolve


def plan(**changes: object) -> Plan:
    whole = resolve(TrainSettings(name="ana-t1", steps=100), RECIPES["retrato"], 20)
    return dataclasses.replace(whole, **changes)


def vectors(*widths: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(2, width, generator=torch.Generator().manual_seed(width)) for width in widths)


def test_is_torchs_adamw() -> None:
    start = vectors(8)[0]
    parameter = torch.nn.Parameter(start.clone())
    reference = torch.optim.AdamW([parameter], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    state, rule = first_state((start,)), plan(weight_decay=0.1, norm_cap=None)
    for step in range(5):
        gradient = torch.sin(parameter.detach() * (step + 1))
        parameter.grad = gradient
        reference.step()
        state = advance(state, (gradient,), (0.01,), rule, (1.0,))
    assert torch.allclose(state.parameters[0], parameter, atol=1e-6)
    assert (state.step, state.updates) == (5, 5)


@pytest.mark.parametrize("norm_cap", [None, 1.2])
def test_working_in_place_changes_no_bit_and_no_state_that_is_kept(norm_cap: float | None) -> None:
    rule = plan(weight_decay=0.1, norm_cap=norm_cap, average_over=3)
    first, second = rule.betas
    state, rate = first_state(vectors(8, 33)), 0.03
    for step in range(6):
        gradients = tuple(torch.sin(each * (step + 1)) for each in state.parameters)
        before = copy.deepcopy(state)
        after = advance(state, gradients, (rate, rate), rule, (1.0, 2.0))
        share = max(1 / (step + 1), 1 / 3)
        for at, norm in enumerate((1.0, 2.0)):
            mean = state.mean[at] * first + gradients[at] * (1 - first)
            square = state.square[at] * second + gradients[at] * gradients[at] * (1 - second)
            direction = (mean / (1 - first ** (step + 1))) / ((square / (1 - second ** (step + 1))).sqrt() + 1e-8)
            moved = state.parameters[at] * (1 - rate * 0.1) - rate * direction
            if norm_cap is not None:
                lengths, longest = moved.norm(dim=1, keepdim=True), norm_cap * norm
                moved = torch.where(lengths > longest, moved * (longest / lengths), moved)
            average = state.average[at] + (moved - state.average[at]) * share
            for name, expected in {"mean": mean, "square": square, "parameters": moved, "average": average}.items():
                assert torch.equal(getattr(after, name)[at], expected), name
                assert torch.equal(getattr(state, name)[at], getattr(before, name)[at]), name
        state = after


def test_a_relative_rate_moves_a_vector_by_that_share_of_the_vocabularys_norm() -> None:
    rule, norms = plan(rates=((0.1, 100),), warm_up=0, final_rate=1.0, norm_cap=None), (3.0, 0.5)
    state = first_state(vectors(16, 64))
    rates = absolute_rates(rule, state, norms)
    moved = advance(state, tuple(torch.ones_like(each) for each in state.parameters), rates, rule, norms)
    for before, after, norm in zip(state.parameters, moved.parameters, norms, strict=True):
        assert (after - before).norm(dim=1).tolist() == pytest.approx([0.1 * norm] * 2, rel=1e-4)


def test_an_absolute_rate_is_taken_as_it_is() -> None:
    rule = plan(rate_is_relative=False, rates=((0.005, 100),), warm_up=0, final_rate=1.0)
    assert absolute_rates(rule, first_state(vectors(16, 64)), (3.0, 0.5)) == (0.005, 0.005)


def test_no_vector_grows_beyond_the_cap() -> None:
    state, rule = first_state(vectors(8)), plan(norm_cap=1.5)
    for _ in range(20):
        state = advance(state, (torch.ones(2, 8),), (1.0,), rule, (2.0,))
    assert state.parameters[0].norm(dim=1).tolist() == pytest.approx([3.0, 3.0])


def test_the_gradient_is_clipped_as_a_whole() -> None:
    rule, gradients = plan(gradient_clips=((1.0, 100),)), (torch.full((2, 8), 3.0), torch.full((2, 4), 4.0))
    state = advance(first_state(vectors(8, 4)), gradients, (0.1, 0.1), rule, (1.0, 1.0))
    taken = [mean / (1 - rule.betas[0]) for mean in state.mean]
    assert math.sqrt(sum(float(each.square().sum()) for each in taken)) == pytest.approx(1.0, rel=1e-5)


def test_the_average_begins_as_a_plain_mean() -> None:
    state, rule, seen = first_state(vectors(8)), plan(average_over=50, norm_cap=None), []
    for step in range(6):
        state = advance(state, (torch.full((2, 8), float(step - 2)),), (0.1,), rule, (1.0,))
        seen.append(state.parameters[0])
    assert torch.allclose(state.average[0], torch.stack(seen).mean(dim=0), atol=1e-6)


def test_skipping_learns_nothing_and_halves_the_rate() -> None:
    before = first_state(vectors(8))
    after = skip(skip(before))
    assert after.parameters is before.parameters
    assert (after.step, after.updates, after.rate_scale, after.skipped, after.skipped_in_a_row) == (2, 0, 0.25, 2, 2)
    assert absolute_rates(plan(warm_up=0), after, (1.0,))[0] < absolute_rates(plan(warm_up=0), before, (1.0,))[0] / 3


def test_the_rate_comes_back_with_evaluations_before_which_nothing_was_skipped() -> None:
    state, scales = skip(skip(known_good(first_state(vectors(8))))), []
    for _ in range(4):
        state = known_good(state)
        scales.append(state.rate_scale)
    assert scales == [0.25, 0.5, 1.0, 1.0]
    assert known_good(skip(state)).rate_scale == 0.5


def test_rolling_back_takes_the_good_vectors_and_keeps_counting() -> None:
    rule = plan()
    good = advance(first_state(vectors(8)), (torch.ones(2, 8),), (0.1,), rule, (1.0,))
    bad = skip(advance(known_good(good), (torch.ones(2, 8),), (0.1,), rule, (1.0,)))
    back = roll_back(bad)
    assert torch.equal(back.parameters[0], good.parameters[0])
    assert torch.equal(back.mean[0], good.mean[0])
    assert (back.step, back.updates, back.skipped, back.skipped_in_a_row, back.rollbacks) == (3, 1, 1, 0, 1)


def test_finds_numbers_that_are_none() -> None:
    assert is_finite((torch.zeros(2), torch.ones(2)))
    assert not is_finite((torch.zeros(2), torch.tensor([1.0, math.inf])))
    assert not is_finite((torch.tensor([0.0, -math.inf]), torch.ones(2)))
    assert not is_finite((torch.tensor([math.nan]),))
    assert not is_finite((torch.tensor([1.0, math.nan, 2.0]),))
    assert is_finite((torch.full((40,), torch.finfo(torch.float32).max),))


def test_clipping_by_value_cuts_each_number_and_follows_its_schedule() -> None:
    rule = plan(gradient_clips=((1.0, 1), (0.5, 100)), gradient_clip_by="value")
    state = first_state(vectors(8))
    for limit in (1.0, 0.5):
        before = state.mean[0]
        state = advance(state, (torch.full((2, 8), 3.0),), (0.1,), rule, (1.0,))
        taken = (state.mean[0] - before * rule.betas[0]) / (1 - rule.betas[0])
        assert torch.allclose(taken, torch.full((2, 8), limit), atol=1e-5)
