"""Holds the artefact: a name, networks by width, where they come from. Knows nothing of files, models and training."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from retrato.embeddings import check_name
from retrato.errors import EmbeddingError, HypernetworkError
from retrato.hypernetworks.structure import Networks, Structure, all_shapes

MOST_SIZES = 16
WIDEST = 8192


@dataclass(frozen=True, eq=False)
class Hypernetwork:
    """A name, and what attention layers of certain widths should see in place of their context.

    `sizes` are those widths (A1111: 768, 320, 640, 1280). `parameters` are all weights in the order that
    `structure.Networks` says; the hypernetwork owns float32 copies on the CPU. `weight_init` says how they started.
    `step` counts optimizer steps.

    Raises HypernetworkError when the name, the shapes or the values (NaN, infinity) cannot be used.
    """

    name: str
    sizes: tuple[int, ...]
    structure: Structure
    parameters: tuple[Tensor, ...]
    step: int | None = None
    weight_init: str = "Normal"
    base_model: str | None = None
    base_model_hash: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "name", check_name(self.name, is_found=True))
        except EmbeddingError as error:
            raise HypernetworkError(str(error)) from None
        check_sizes(self.sizes)
        expected = all_shapes(self.structure, self.sizes)
        found = [tuple(tensor.shape) for tensor in self.parameters]
        if found != expected:
            raise HypernetworkError("its weights do not have the shapes that its structure says: it is damaged")
        owned = tuple(tensor.detach().to("cpu", torch.float32, copy=True).contiguous() for tensor in self.parameters)
        if not all(bool(tensor.isfinite().all()) for tensor in owned):
            raise HypernetworkError("it holds NaN or infinity, which would draw black pictures: take an earlier one")
        object.__setattr__(self, "parameters", owned)
        object.__setattr__(self, "metadata", dict(self.metadata))

    @property
    def networks(self) -> Networks:
        """Gives the networks without the facts about them."""
        return Networks(self.structure, self.sizes, self.parameters)

    @property
    def count(self) -> int:
        """Gives how many numbers there are to learn."""
        return sum(tensor.numel() for tensor in self.parameters)

    def norms(self) -> dict[int, tuple[float, float]]:
        """Gives, for each width, the length of all weights of the key network and of the value network."""
        return {size: lengths(self.networks, size) for size in self.sizes}


def lengths(networks: Networks, size: int) -> tuple[float, float]:
    """Gives the length of all weights of the key network for `size`, and that of the value network's."""
    key, value = (float(torch.stack([each.norm() for each in part]).norm()) for part in networks.pair(size))
    return key, value


def check_sizes(sizes: tuple[int, ...]) -> None:
    """Raises HypernetworkError unless `sizes` are different widths of attention layers."""
    if not sizes or len(sizes) > MOST_SIZES or len(set(sizes)) < len(sizes):
        raise HypernetworkError(
            f"{len(sizes)} sizes were found, a hypernetwork has 1 to {MOST_SIZES} different ones: it is something else"
        )
    if not all(1 <= size <= WIDEST for size in sizes):
        raise HypernetworkError(f"its sizes go beyond {WIDEST}, no attention layer is that wide: it is something else")
