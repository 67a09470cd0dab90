"""Flat weights: one vector, AdamW's own arithmetic, and a saved state that goes on exactly."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mini.weights import FlatWeights, rate_at


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def step(net: nn.Module, weights: FlatWeights, number: int) -> None:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
    net(x).square().mean().backward()
    weights.step(1e-2, decay=0.1)


def test_a_step_is_adamws() -> None:
    net, twin = model(), model()
    weights = FlatWeights(net.parameters())
    weights.attach(net.parameters(), 0)
    optimizer = torch.optim.AdamW(twin.parameters(), 1e-2, betas=(0.9, 0.99), weight_decay=0.1)
    for number in range(5):
        step(net, weights, number)
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        twin(x).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.step()
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_saved_run_goes_on(tmp_path: Path) -> None:
    net = model()
    weights = FlatWeights(net.parameters())
    weights.attach(net.parameters(), 0)
    for number in range(3):
        step(net, weights, number)
    weights.save(tmp_path / "state.pt")
    again = model()
    restored = FlatWeights(again.parameters())
    restored.restore(tmp_path / "state.pt")
    restored.attach(again.parameters(), 0)
    assert restored.steps == 3
    torch.testing.assert_close(restored.flat, weights.flat)
    torch.testing.assert_close(restored.second, weights.second, rtol=0.02, atol=1e-8)  # kept in bfloat16


def test_a_broken_gradient_changes_nothing() -> None:
    net = model()
    weights = FlatWeights(net.parameters())
    weights.attach(net.parameters(), 0)
    before = weights.flat.clone()
    weights.gradients.fill_(float("nan"))
    weights.step(1e-2)
    assert torch.equal(weights.flat, before)
    assert not weights.gradients.any()


@pytest.mark.parametrize(("step_number", "expected"), [(0, 1e-5), (99, 1e-3), (400, 1e-3), (700, 5e-4), (1000, 1e-5)])
def test_the_rate_warms_up_stays_and_falls(step_number: int, expected: float) -> None:
    assert rate_at(step_number, 1000, 1e-3) == pytest.approx(expected)
