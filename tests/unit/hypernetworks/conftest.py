"""Small hypernetworks with random weights."""

from collections.abc import Callable

import pytest
import torch

from retrato.hypernetworks import Hypernetwork, Structure
from retrato.hypernetworks.structure import all_shapes

Make = Callable[..., Hypernetwork]


@pytest.fixture
def make() -> Make:
    """Makes a hypernetwork for the widths 8 and 12."""

    def hypernetwork(name: str = "ana-h1", structure: Structure = Structure(), seed: int = 0, **facts: object):  # noqa: B008
        source = torch.Generator().manual_seed(seed)
        sizes = (8, 12)
        parameters = tuple(torch.randn(shape, generator=source) for shape in all_shapes(structure, sizes))
        return Hypernetwork(name, sizes, structure, parameters, **facts)

    return hypernetwork
