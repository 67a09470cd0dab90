"""Reads the labels off what a network has inside while it learns, so that what a picture shows reaches it early. Thrown away after."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini.labels import HEADS, MORE_HEADS, UNSEEN


class Readers(nn.Module):
    """Features [B, F] -> logits per head of HEADS and MORE_HEADS, one linear layer each.

    Give them all places, [B, places * channels]: a mouth is few of them, and an average over all places hides it.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        heads = HEADS | MORE_HEADS
        self.heads = nn.ModuleDict({head: nn.Linear(features, len(classes)) for head, classes in heads.items()})

    def loss(
        self, features: Tensor, wanted: dict[str, Tensor], weights: Mapping[str, float] = MappingProxyType({})
    ) -> Tensor:
        """Mean cross-entropy over the heads that have something to read in this batch; each counts once if `weights` say no more."""
        features = features.float()
        return torch.stack([
            weights.get(head, 1.0) * F.cross_entropy(layer(features).float(), wanted[head], ignore_index=UNSEEN)
            for head, layer in self.heads.items() if (wanted[head] != UNSEEN).any()
        ]).mean()  # fmt: skip


def wanted_of(labels: Sequence[dict[str, int]]) -> dict[str, Tensor]:
    """The class numbers [B] per head of some pictures' labels (`labels.all_labels`)."""
    return {head: torch.tensor([each[head] for each in labels]) for head in HEADS | MORE_HEADS}
