"""How the networks of a hypernetwork are built, and what they do to a tensor: x + strength * network(x).

A network is a row of fully connected layers, each followed by an activation, a layer norm and drop-out as the structure
says: A1111's `modules/hypernetworks/hypernetwork.py`. Weights come from outside. Knows nothing of files and models.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrato.errors import HypernetworkError

MOST_LAYERS = 16
LARGEST_FACTOR = 16.0
ONES = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Structure:
    """What all networks of a hypernetwork have in common.

    layers           width of the input, of each layer between and of the output, in multiples of the model's width
    activation       one of `ACTIVATIONS`, after each layer; not after the last one unless `activate_output`
    layer_norm       whether each layer is followed by a layer norm
    activate_output  see `activation`; files of 2022 have it
    dropout          share of numbers left out in training after each of `layers`, none at both ends; empty for none

    Raises HypernetworkError for a structure that A1111 could not build either.
    """

    layers: tuple[float, ...] = (1.0, 2.0, 1.0)
    activation: str = "linear"
    layer_norm: bool = False
    activate_output: bool = False
    dropout: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        shown = ", ".join(f"{factor:g}" for factor in self.layers[:MOST_LAYERS])
        if not 2 <= len(self.layers) <= MOST_LAYERS or (self.layers[0], self.layers[-1]) != ONES:
            raise HypernetworkError(
                f"the layer structure is {shown}: it starts and ends with 1 and has at most {MOST_LAYERS} numbers, "
                "such as 1, 2, 1"
            )
        if not all(0 < factor <= LARGEST_FACTOR for factor in self.layers):
            raise HypernetworkError(
                f"the layer structure is {shown}: each number is a multiple of the width, above 0 and at most "
                f"{LARGEST_FACTOR:g}"
            )
        if self.activation not in ACTIVATIONS:
            raise HypernetworkError(
                f"the activation is {self.activation[:40]!r}: those that can be used are {', '.join(ACTIVATIONS)}"
            )
        if self.dropout and not self._is_dropout_fitting():
            raise HypernetworkError(
                f"the drop-out is {', '.join(f'{share:g}' for share in self.dropout[:MOST_LAYERS])}: it takes one "
                f"number from 0 to below 1 for each of the {len(self.layers)} of the layer structure, the first and "
                "the last of them 0"
            )

    def shapes(self, width: int) -> list[tuple[int, ...]]:
        """Gives the shapes of one network's parameters for a tensor of `width`, in their order."""
        found: list[tuple[int, ...]] = []
        for before, after in self._pairs(width):
            found += [(after, before), (after,)]
            if self.layer_norm:
                found += [(after,), (after,)]
        return found

    def names(self) -> list[str]:
        """Gives the names of one network's parameters as A1111 writes them: `linear.<place in the row>.weight`."""
        found: list[str] = []
        place = 0
        for layer in range(len(self.layers) - 1):
            found += [f"linear.{place}.weight", f"linear.{place}.bias"]
            place += 2 if self._is_activated(layer) else 1
            if self.layer_norm:
                found += [f"linear.{place}.weight", f"linear.{place}.bias"]
                place += 1
            place += bool(self._dropout_after(layer))
        return found

    def initial(self, width: int, how: str, source: torch.Generator) -> list[Tensor]:
        """Gives one network's parameters before training, drawn from `source`; `how` is one of `INITIALISATIONS`.

        Layer norms start near zero, as A1111's, so the network starts by changing almost nothing.
        """
        found = []
        for number, shape in enumerate(self.shapes(width)):
            tensor = torch.zeros(shape)
            is_norm = self.layer_norm and number % 4 == 2
            if len(shape) == 2:
                INITIALISATIONS[how](tensor, self.activation, source)
            elif is_norm:
                nn.init.normal_(tensor, 0.0, 0.01, generator=source)
            found.append(tensor)
        return found

    def apply(self, parameters: Sequence[Tensor], hidden: Tensor, dropout: torch.Generator | None = None) -> Tensor:
        """Gives network(hidden) for `hidden` [..., width]; with `dropout`, numbers are left out as it draws them."""
        remaining = iter(parameters)
        for layer in range(len(self.layers) - 1):
            hidden = functional.linear(hidden, next(remaining), next(remaining))
            if self._is_activated(layer):
                hidden = ACTIVATIONS[self.activation](hidden)
            if self.layer_norm:
                hidden = functional.layer_norm(hidden, hidden.shape[-1:], next(remaining), next(remaining))
            share = self._dropout_after(layer)
            if share and dropout is not None:
                kept = torch.rand(hidden.shape, generator=_on(hidden.device, dropout), device=hidden.device) >= share
                hidden = hidden * kept.to(hidden.dtype) / (1 - share)
        return hidden

    def _pairs(self, width: int) -> Iterator[tuple[int, int]]:
        widths = [int(width * factor) for factor in self.layers]
        return itertools.pairwise(widths)

    def _is_activated(self, layer: int) -> bool:
        is_last = layer == len(self.layers) - 2
        return self.activation != "linear" and (self.activate_output or not is_last)

    def _dropout_after(self, layer: int) -> float:
        return self.dropout[layer + 1] if self.dropout else 0.0

    def _is_dropout_fitting(self) -> bool:
        ends = self.dropout[0], self.dropout[-1]
        return len(self.dropout) == len(self.layers) and ends == (0, 0) and all(0 <= each < 1 for each in self.dropout)


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks themselves: two for each width in `sizes`, one before the keys and one before the values.

    `parameters` holds all tensors in one row: sizes in order, of each the key network and then the value network.
    """

    structure: Structure
    sizes: tuple[int, ...]
    parameters: tuple[Tensor, ...]

    def pair(self, width: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Gives the parameters of the key network and of the value network for `width`, one of `sizes`."""
        each = len(self.structure.names())
        start = self.sizes.index(width) * 2 * each
        return self.parameters[start : start + each], self.parameters[start + each : start + 2 * each]


def all_shapes(structure: Structure, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Gives the shapes of all parameters of a hypernetwork, in the order of `Networks.parameters`."""
    return [shape for size in sizes for _ in range(2) for shape in structure.shapes(size)]


def initial_parameters(
    structure: Structure, sizes: Sequence[int], how: str, source: torch.Generator
) -> tuple[Tensor, ...]:
    """Gives all parameters of a hypernetwork before training; raises HypernetworkError for an unknown `how`."""
    if how not in INITIALISATIONS:
        raise HypernetworkError(
            f"the initialisation is {how[:40]!r}: those that can be used are {', '.join(INITIALISATIONS)}"
        )
    return tuple(tensor for size in sizes for _ in range(2) for tensor in structure.initial(size, how, source))


def parse_numbers(text: str, what: str) -> tuple[float, ...]:
    """Gives the numbers of a text such as `1, 2, 1`; raises HypernetworkError, which says `what` they should be."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(number) for number in found):
        raise HypernetworkError(f"{what} is {text[:60]!r}: write numbers with commas between, such as 1, 2, 1")
    return found


def _kaiming(activation: str) -> Literal["leaky_relu", "relu"]:
    return "leaky_relu" if activation == "leakyrelu" else "relu"


INITIALISATIONS: Mapping[str, Callable[[Tensor, str, torch.Generator], Tensor]] = MappingProxyType(
    {
        "Normal": lambda tensor, _, source: nn.init.normal_(tensor, 0.0, 0.01, generator=source),
        "XavierUniform": lambda tensor, _, source: nn.init.xavier_uniform_(tensor, generator=source),
        "XavierNormal": lambda tensor, _, source: nn.init.xavier_normal_(tensor, generator=source),
        "KaimingUniform": lambda tensor, activation, source: nn.init.kaiming_uniform_(
            tensor, nonlinearity=_kaiming(activation), generator=source
        ),
        "KaimingNormal": lambda tensor, activation, source: nn.init.kaiming_normal_(
            tensor, nonlinearity=_kaiming(activation), generator=source
        ),
    }
)
# A1111 takes any of torch's activations by its name in small letters. Left out: those with parameters of their own
# (prelu, multiheadattention), with arguments it never gives (threshold), that draw (rrelu) or change the width (glu).
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "linear": lambda x: x,
        "relu": functional.relu,
        "leakyrelu": functional.leaky_relu,
        "elu": functional.elu,
        "swish": functional.hardswish,  # so in A1111
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "celu": functional.celu,
        "gelu": functional.gelu,
        "hardshrink": functional.hardshrink,
        "hardsigmoid": functional.hardsigmoid,
        "hardswish": functional.hardswish,
        "hardtanh": functional.hardtanh,
        "logsigmoid": functional.logsigmoid,
        "mish": functional.mish,
        "relu6": functional.relu6,
        "selu": functional.selu,
        "silu": functional.silu,
        "softplus": functional.softplus,
        "softshrink": functional.softshrink,
        "softsign": functional.softsign,
        "tanhshrink": functional.tanhshrink,
    }
)


def _on(device: torch.device, source: torch.Generator) -> torch.Generator:
    """Gives `source`, or one on `device` that begins where it says: millions of numbers a step take a CPU seconds."""
    if device == source.device:
        return source
    return torch.Generator(device).manual_seed(int(torch.randint(2**62, (), generator=source)))
