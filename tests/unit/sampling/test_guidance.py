import copy
import dataclasses

import pytest
import torch

from retrato.model import Components, Conditioning
from retrato.sampling import Guidance, predict


def told(seed: int, length: int = 77) -> Conditioning:
    return Conditioning(torch.randn(1, length, 32, generator=torch.Generator().manual_seed(seed)))


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def raw(components: Components, latents: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    states = conditioning.states.expand(len(latents), -1, -1)
    with torch.no_grad():
        return components.unet(latents, torch.tensor(500), encoder_hidden_states=states).sample


def test_guidance_is_the_formula(tiny_components: Components, latents: torch.Tensor) -> None:
    positive, other, negative = told(1), told(2), told(3)
    found = predict(
        tiny_components, latents, torch.tensor(500), Guidance(((positive, 1.0), (other, 0.5)), negative, 4.0)
    )
    base = raw(tiny_components, latents, negative)
    expected = base + 4 * (raw(tiny_components, latents, positive) - base)
    expected = expected + 2 * (raw(tiny_components, latents, other) - base)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_lengths_may_differ_and_change_nothing(tiny_components: Components, latents: torch.Tensor) -> None:
    short, long = told(1), told(2, 154)
    found = predict(tiny_components, latents, torch.tensor(500), Guidance(((long, 1.0),), short, 2.0))
    base = raw(tiny_components, latents, short)
    expected = base + 2 * (raw(tiny_components, latents, long) - base)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_scale_one_asks_the_unet_once(tiny_components: Components, latents: torch.Tensor) -> None:
    rows = []
    unet = tiny_components.unet
    handle = unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    try:
        alone = predict(tiny_components, latents, torch.tensor(500), Guidance(((told(1), 1.0),), told(2), 1.0))
        predict(tiny_components, latents, torch.tensor(500), Guidance(((told(1), 1.0),), told(2), 1.5))
    finally:
        handle.remove()
    assert rows == [2, 4]
    torch.testing.assert_close(alone, raw(tiny_components, latents, told(1)))


def test_the_unets_format_stays_inside(tiny_components: Components, latents: torch.Tensor) -> None:

    half = dataclasses.replace(
        tiny_components, unet=copy.deepcopy(tiny_components.unet).to(torch.bfloat16), dtype=torch.bfloat16
    )
    found = predict(half, latents, torch.tensor(500.5), Guidance(((told(1), 1.0),), told(2), 3.0))
    assert found.dtype == torch.float32
