import contextlib

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from retrato.model import Components
from retrato.training.frozen import frozen, uses_bfloat16


def with_bfloat16(monkeypatch: pytest.MonkeyPatch, has_it: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_it})


def test_puts_everything_back_even_after_an_error(tiny_components: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bfloat16(monkeypatch, True)
    unet, weight = tiny_components.unet, tiny_components.unet.conv_in.weight
    before = {name: type(processor) for name, processor in unet.attn_processors.items()}
    weight.requires_grad_(True)
    unet.train()
    try:
        with contextlib.suppress(KeyError), frozen(tiny_components, 8, 64) as autocast:
            assert autocast
            assert not unet.training
            assert not any(each.requires_grad for module in tiny_components.modules for each in module.parameters())
            assert {type(processor) for processor in unet.attn_processors.values()} == {AttnProcessor}
            raise KeyError
        assert weight.requires_grad
        assert unet.training
        assert {name: type(processor) for name, processor in unet.attn_processors.items()} == before
    finally:
        weight.requires_grad_(False)
        unet.eval()


def test_several_may_end_in_any_order(tiny_components: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a crowd, where whoever began first may be done first."""
    with_bfloat16(monkeypatch, True)
    before = dict(tiny_components.unet.attn_processors)
    first, second = frozen(tiny_components, 8, 64), frozen(tiny_components, 8, 64)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert {type(each) for each in tiny_components.unet.attn_processors.values()} == {AttnProcessor}
    second.__exit__(None, None, None)
    assert dict(tiny_components.unet.attn_processors) == before


@pytest.mark.parametrize(
    ("has_it", "batch_size", "cells", "expected"),
    [(True, 8, 256, True), (False, 8, 256, False), (True, 1, 256, False), (True, 8, 64 * 64, False)],
)
def test_bfloat16_only_where_it_pays(
    tiny_components: Components,
    monkeypatch: pytest.MonkeyPatch,
    has_it: bool,
    batch_size: int,
    cells: int,
    expected: bool,
) -> None:
    with_bfloat16(monkeypatch, has_it)
    assert uses_bfloat16(tiny_components, batch_size, cells) is expected


def test_arms_bfloat16_was_never_timed_and_is_left_alone(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True, "sve_bf16": True})
    assert not uses_bfloat16(tiny_components, 8, 256)


def test_without_bfloat16_the_attention_stays_as_it_is(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_bfloat16(monkeypatch, False)
    before = dict(tiny_components.unet.attn_processors)
    with frozen(tiny_components, 8, 64) as autocast:
        assert not autocast
        assert dict(tiny_components.unet.attn_processors) == before
