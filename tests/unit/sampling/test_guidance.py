import copy
import dataclasses

import pytest
import torch

from retrato.errors import ModelError
from retrato.model import Components, Conditioning
from retrato.model.memory import Room
from retrato.sampling.guidance import Guidance, predict, predict_both


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


def test_prompts_joined_by_and_are_as_long_as_the_longest(tiny_components: Components, latents: torch.Tensor) -> None:
    """As in A1111: the last vector of the shorter one is repeated; the negative prompt stays what it is."""
    short, long, negative = told(1), told(2, 154), told(3)
    guidance = Guidance(((long, 1.0), (short, 0.5)), negative, 4.0)
    found = predict(tiny_components, latents, torch.tensor(500), guidance)
    filled = Conditioning(torch.cat([short.states, short.states[:, -1:].repeat(1, 77, 1)], dim=1))
    base = raw(tiny_components, latents, negative)
    expected = base + 4 * (raw(tiny_components, latents, long) - base)
    expected = expected + 2 * (raw(tiny_components, latents, filled) - base)
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


@pytest.mark.parametrize(("most", "tried", "fitting"), [(1, [6, 3], [1] * 6), (2, [6, 3], [1] * 6), (3, [6], [3, 3])])
def test_where_memory_is_full_fewer_rows_go_through_at_once(
    tiny_xl_components: Components,
    latents: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    tried: list[int],
    fitting: list[int],
) -> None:
    def xl(seed: int) -> Conditioning:
        source = torch.Generator().manual_seed(seed)
        return Conditioning(torch.randn(1, 77, 80, generator=source), torch.randn(1, 24, generator=source))

    guidance, rows, room = Guidance(((xl(1), 1.0), (xl(2), 0.5)), xl(3), 4.0), [], Room()
    wanted = predict(tiny_xl_components, latents, torch.tensor(500), guidance)
    real = tiny_xl_components.unet.forward

    def full(sample: torch.Tensor, *told: object, **named: object) -> object:
        rows.append(len(sample))
        if len(sample) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(sample, *told, **named)

    monkeypatch.setattr(tiny_xl_components.unet, "forward", full)
    for _ in range(2):
        found, _ = predict_both(tiny_xl_components, latents, torch.tensor(500), guidance, room)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert rows == tried + fitting * 2


def test_memory_that_is_too_small_for_one_picture_is_one_sentence(
    tiny_components: Components, latents: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GiB)")

    monkeypatch.setattr(tiny_components.unet, "forward", full)
    with pytest.raises(ModelError, match="too little memory on cpu for a single picture: take a smaller size"):
        predict(tiny_components, latents, torch.tensor(500), Guidance(((told(1), 1.0),), told(2), 3.0))


def test_the_unets_format_stays_inside(tiny_components: Components, latents: torch.Tensor) -> None:

    half = dataclasses.replace(
        tiny_components, unet=copy.deepcopy(tiny_components.unet).to(torch.bfloat16), dtype=torch.bfloat16
    )
    found = predict(half, latents, torch.tensor(500.5), Guidance(((told(1), 1.0),), told(2), 3.0))
    assert found.dtype == torch.float32


def test_rescaling_takes_the_contrast_back(tiny_components: Components, latents: torch.Tensor) -> None:
    positive, negative = told(1), told(2)
    guidance = Guidance(((positive, 1.0),), negative, 8.0)
    plain = raw(tiny_components, latents, positive)
    strong = predict(tiny_components, latents, torch.tensor(500), guidance)
    whole, half = (
        predict(tiny_components, latents, torch.tensor(500), dataclasses.replace(guidance, rescale=rescale))
        for rescale in (1.0, 0.5)
    )
    torch.testing.assert_close(whole.std(dim=(1, 2, 3)), plain.std(dim=(1, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(half, (whole + strong) / 2, rtol=1e-3, atol=1e-4)


def test_below_its_noise_level_the_negative_prompt_has_no_say(tiny_components: Components) -> None:
    guidance = Guidance(((told(1), 1.0),), told(2), 8.0, min_sigma=2.0)
    assert guidance.at(2.0) is guidance
    assert not guidance.at(1.9).needs_negative
    several = Guidance(((told(1), 1.0), (told(3), 1.0)), told(2), 8.0, min_sigma=2.0)
    assert several.at(0.1) is several


def test_the_unguided_prediction_is_given_where_it_is_kept(tiny_components: Components, latents: torch.Tensor) -> None:
    guidance = Guidance(((told(1), 1.0),), told(2), 1.0, keeps_unguided=True)
    guided, unguided = predict_both(tiny_components, latents, torch.tensor(500), guidance)
    torch.testing.assert_close(guided, raw(tiny_components, latents, told(1)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(unguided, raw(tiny_components, latents, told(2)), rtol=1e-4, atol=1e-5)
