"""The ONE place where hypernetworks enter the frozen U-Net: before the keys and values of each attention layer.

A hook gives `to_k` and `to_v` another context than the layer was given: context + strength * network(context). The
query keeps what it had, as in A1111. Training and generation share it, so what is trained is what is drawn.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retrato.errors import HypernetworkError
from retrato.hypernetworks.hypernetwork import Hypernetwork
from retrato.hypernetworks.structure import Networks, Structure
from retrato.model.components import Components


def attention_widths(unet: nn.Module) -> tuple[int, ...]:
    """Gives the widths of contexts that the U-Net's attention takes, text's first (Stable Diffusion 1: 768, 320)."""
    layers = _attention_layers(unet)
    text = [layer.to_k.in_features for name, layer in layers if name.endswith("attn2")]
    return tuple(dict.fromkeys([*text, *(layer.to_k.in_features for _, layer in layers)]))


def check_fits(components: Components, hypernetwork: Hypernetwork) -> None:
    """Raises HypernetworkError where no attention layer of the model has a width that the hypernetwork is for."""
    widths = attention_widths(components.unet)
    if not set(widths) & set(hypernetwork.sizes):
        made, takes = (", ".join(map(str, sorted(each))) for each in (hypernetwork.sizes, widths))
        raise HypernetworkError(
            f"{hypernetwork.name} is for attention of widths {made}, {components.name} has {takes}: "
            "it was made for another model"
        )


@contextlib.contextmanager
def with_networks(
    unet: nn.Module, chosen: Sequence[tuple[Networks, float]], dropout: torch.Generator | None = None
) -> Iterator[None]:
    """While open, the attention layers of `unet` see their context through `chosen`, each with its strength, in order.

    Strength 0 is as if it were not there. Widths that a hypernetwork is not for stay as they are. Gradients reach the
    networks' parameters; with `dropout` their drop-out is on. On leaving, the U-Net is what it was.
    """
    with contextlib.ExitStack() as hooks:
        for _, layer in _attention_layers(unet):
            width = layer.to_k.in_features
            fitting = [(each, strength) for each, strength in chosen if width in each.sizes and strength]
            for target, part in ((layer.to_k, 0), (layer.to_v, 1)) if fitting else ():
                own = [(each.structure, each.pair(width)[part], strength) for each, strength in fitting]
                hooks.callback(target.register_forward_pre_hook(_seen_through(own, dropout)).remove)
        yield


def with_hypernetworks(components: Components, chosen: Sequence[tuple[Hypernetwork, float]]) -> Components:
    """Gives the model as it answers under `chosen`; they are in the U-Net only while it computes.

    So nothing has to be taken out again, and other work between two steps sees the plain model. Raises
    HypernetworkError for one that was made for another model.
    """
    for hypernetwork, _ in chosen:
        check_fits(components, hypernetwork)
    moved = [
        (
            dataclasses.replace(
                each.networks, parameters=tuple(tensor.to(components.device) for tensor in each.parameters)
            ),
            strength,
        )
        for each, strength in chosen
        if strength
    ]
    return dataclasses.replace(components, unet=_Through(components.unet, moved)) if moved else components


class _Through:
    """A U-Net that is called under hypernetworks, and otherwise itself."""

    def __init__(self, unet: Any, chosen: Sequence[tuple[Networks, float]]) -> None:
        self._unet = unet
        self._chosen = chosen

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with with_networks(self._unet, self._chosen):
            return self._unet(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)


def _seen_through(
    networks: Sequence[tuple[Structure, Sequence[Tensor], float]], dropout: torch.Generator | None
) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Gives a forward pre-hook that changes the first input."""

    def through(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context, *rest = inputs
        hidden = context.float()
        for structure, parameters, strength in networks:
            hidden = hidden + structure.apply(parameters, hidden, dropout) * strength
        return (hidden.to(context.dtype), *rest)

    return through


def _attention_layers(unet: nn.Module) -> list[tuple[str, Any]]:
    """Gives the attention layers of the transformer blocks with their names; diffusers calls them attn1 and attn2."""
    return [(name, module) for name, module in unet.named_modules() if name.endswith(("attn1", "attn2"))]
