import math
from collections.abc import Callable

import pytest
import torch

from retrato.errors import HypernetworkError
from retrato.hypernetworks import Hypernetwork, Structure

Make = Callable[..., Hypernetwork]


def test_owns_what_it_holds(make: Make) -> None:
    original = make()
    parameters = tuple(each.clone().double() for each in original.parameters)
    copy = Hypernetwork("b", (8, 12), Structure(), parameters)
    parameters[0].zero_()
    assert all(each.dtype == torch.float32 for each in copy.parameters)
    assert torch.equal(copy.parameters[0], original.parameters[0])
    assert copy.count == 2 * (8 * 16 * 2 + 16 + 8) + 2 * (12 * 24 * 2 + 24 + 12)


def test_norms_are_those_of_all_weights_of_a_network(make: Make) -> None:
    hypernetwork = make()
    key = torch.cat([each.flatten() for each in hypernetwork.parameters[:4]])
    assert hypernetwork.norms()[8][0] == pytest.approx(float(key.norm()), rel=1e-5)
    assert set(hypernetwork.norms()) == {8, 12}


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_refuses_numbers_that_are_none(make: Make, number: float) -> None:
    good = make()
    bad = (good.parameters[0] * number, *good.parameters[1:])
    with pytest.raises(HypernetworkError, match="NaN or infinity"):
        Hypernetwork("ana", good.sizes, good.structure, bad)


@pytest.mark.parametrize("name", ["../ana", "a:b", "", "CON"])
def test_refuses_names_that_are_none(make: Make, name: str) -> None:
    with pytest.raises(HypernetworkError, match="cannot be a name"):
        make(name)


def test_refuses_other_shapes_and_sizes(make: Make) -> None:
    good = make()
    with pytest.raises(HypernetworkError, match="shapes"):
        Hypernetwork("ana", (8, 13), good.structure, good.parameters)
    for sizes in ((), (8, 8), (0, 8), (8, 10_000)):
        with pytest.raises(HypernetworkError, match="sizes"):
            Hypernetwork("ana", sizes, good.structure, good.parameters)
