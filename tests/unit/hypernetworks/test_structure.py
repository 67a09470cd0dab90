import itertools

import pytest
import torch
from torch import nn

from retrato.errors import HypernetworkError
from retrato.hypernetworks import Structure
from retrato.hypernetworks.structure import (
    ACTIVATIONS,
    INITIALISATIONS,
    Networks,
    all_shapes,
    initial_parameters,
    parse_numbers,
)

WIDTH = 6
MODULES = {"relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "swish": nn.Hardswish, "mish": nn.Mish, "tanh": nn.Tanh}


def as_module(structure: Structure) -> nn.Sequential:
    """The network as torch modules in a row, as A1111 builds it."""
    layers: list[nn.Module] = []
    last = len(structure.layers) - 2
    for number, (before, after) in enumerate(itertools.pairwise(int(WIDTH * each) for each in structure.layers)):
        layers.append(nn.Linear(before, after))
        if structure.activation != "linear" and (number < last or structure.activate_output):
            layers.append(MODULES[structure.activation]())
        if structure.layer_norm:
            layers.append(nn.LayerNorm(after))
        if structure.dropout and structure.dropout[number + 1]:
            layers.append(nn.Dropout(structure.dropout[number + 1]))
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize("layers", [(1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 1.5, 2.0, 1.0)])
@pytest.mark.parametrize("activation", ["linear", *MODULES])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("activate_output", [True, False])
@pytest.mark.parametrize("has_dropout", [True, False])
def test_does_what_the_same_modules_of_torch_do(
    layers: tuple[float, ...], activation: str, layer_norm: bool, activate_output: bool, has_dropout: bool
) -> None:
    dropout = (0.0, *[0.3] * (len(layers) - 2), 0.0) if has_dropout and len(layers) > 2 else ()
    structure = Structure(layers, activation, layer_norm, activate_output, dropout)
    module = as_module(structure)
    state = module.state_dict()
    assert [f"linear.{key}" for key in state] == structure.names()
    assert [tuple(value.shape) for value in state.values()] == structure.shapes(WIDTH)
    hidden = torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(structure.apply(list(state.values()), hidden), module(hidden))


def test_drop_out_leaves_out_its_share_and_keeps_the_mean() -> None:
    structure = Structure((1.0, 1.0, 1.0), dropout=(0.0, 0.25, 0.0))
    ones = torch.eye(WIDTH), torch.zeros(WIDTH)
    out = structure.apply([*ones, *ones], torch.ones(2000, WIDTH), torch.Generator().manual_seed(0))
    assert out.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float((out == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(structure.apply([*ones, *ones], torch.ones(5, WIDTH)), torch.ones(5, WIDTH))


def test_every_activation_keeps_the_shape() -> None:
    hidden = torch.linspace(-3, 3, 12).reshape(2, 6)
    assert all(activation(hidden).shape == hidden.shape for activation in ACTIVATIONS.values())


@pytest.mark.parametrize("how", INITIALISATIONS)
def test_initial_weights_come_from_the_source_alone(how: str) -> None:
    structure = Structure((1.0, 2.0, 1.0), "relu", layer_norm=True)
    one, again, other = (
        initial_parameters(structure, (64,), how, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert [tuple(each.shape) for each in one] == all_shapes(structure, (64,))
    assert all(torch.equal(left, right) for left, right in zip(one, again, strict=True))
    assert not torch.equal(one[0], other[0])
    assert all(not bias.any() for bias in one[1::2])
    # N(0, 0.01^2); var = 2 / (in + out); var = 2 / in
    expected = {"Normal": 0.01, "Xavier": (2 / (64 + 128)) ** 0.5, "Kaiming": (2 / 64) ** 0.5}
    assert float(one[0].std()) == pytest.approx(next(v for k, v in expected.items() if how.startswith(k)), rel=0.1)


def test_each_width_has_a_pair() -> None:
    structure = Structure()
    parameters = initial_parameters(structure, (4, 8), "Normal", torch.Generator().manual_seed(0))
    key, value = Networks(structure, (4, 8), parameters).pair(8)
    assert [tuple(each.shape) for each in key] == [tuple(each.shape) for each in value] == structure.shapes(8)
    assert key[0] is parameters[8]
    assert value[0] is parameters[12]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"layers": (1.0,)}, "starts and ends with 1"),
        ({"layers": (2.0, 1.0)}, "starts and ends with 1"),
        ({"layers": (1.0, *[2.0] * 20, 1.0)}, "at most 16"),
        ({"layers": (1.0, 0.0, 1.0)}, "above 0"),
        ({"layers": (1.0, 17.0, 1.0)}, "at most 16"),
        ({"activation": "prelu"}, "'prelu': those that can be used"),
        ({"dropout": (0.0, 1.0, 0.0)}, "below 1"),
        ({"dropout": (0.0, 0.1, 0.1)}, "the last of them 0"),
        ({"dropout": (0.0, 0.0)}, "each of the 3"),
    ],
)
def test_refuses_what_cannot_be_built(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(HypernetworkError, match=sentence):
        Structure(**options)


def test_reads_numbers() -> None:
    assert parse_numbers("1, 2,1.5", "it") == (1.0, 2.0, 1.5)
    for text in ("", "1,,2", "a", "nan", "1, inf"):
        with pytest.raises(HypernetworkError, match=r"it is .*: write numbers"):
            parse_numbers(text, "it")


def test_refuses_an_unknown_initialisation() -> None:
    with pytest.raises(HypernetworkError, match="'Zero': those that can be used are Normal"):
        initial_parameters(Structure(), (4,), "Zero", torch.Generator())
