import dataclasses
import math

import pytest
import torch

from retrato.embeddings import Embedding, blend
from retrato.errors import EmbeddingError

ANA = Embedding("ana", (torch.tensor([[2.0, 4.0]]),), base_model="sd", base_model_hash="1")
BIA = Embedding("bia", (torch.tensor([[6.0, 0.0]]),), base_model="sd", base_model_hash="1")


def test_adds_up_by_weight():
    mixed = blend([ANA, BIA], [0.5, 0.25], "both")
    assert mixed.name == "both"
    assert mixed.vectors[0].tolist() == [[2.5, 2.0]]
    assert mixed.metadata == {"blend": "0.5 ana + 0.25 bia"}
    assert (mixed.base_model, mixed.base_model_hash, mixed.step) == ("sd", "1", None)


def test_what_all_were_learned_from_is_known():
    """So that a score on such a photo says that it was seen."""
    ana = dataclasses.replace(ANA, metadata={"photo_fingerprints": "b a", "read_at": "512", "clip_skip": "2"})
    bia = dataclasses.replace(BIA, metadata={"photo_fingerprints": "c b", "read_at": "512", "seed": "7"})
    mixed = blend([ana, bia], [0.5, 0.5], "both")
    assert mixed.metadata == {"blend": "0.5 ana + 0.5 bia", "photo_fingerprints": "a b c", "read_at": "512"}
    assert blend([ana, ana], [0.5, 0.5], "both").metadata["clip_skip"] == "2"
    smaller = dataclasses.replace(bia, metadata={"photo_fingerprints": "c", "read_at": "128"})
    assert blend([ana, smaller], [0.5, 0.5], "both").metadata == {"blend": "0.5 ana + 0.5 bia"}


def test_blends_each_encoder_of_a_pair():
    pair = Embedding("pair", (torch.ones(2, 3), torch.full((2, 5), 2.0)))
    mixed = blend([pair, pair], [1, -3], "other")
    assert [vectors.tolist() for vectors in mixed.vectors] == [[[-2.0] * 3] * 2, [[-4.0] * 5] * 2]


def test_forgets_a_base_model_that_differs():
    other = Embedding("eva", (torch.ones(1, 2),), base_model="sd2", base_model_hash="1")
    assert blend([ANA, other], [0.5, 0.5], "both").base_model is None


@pytest.mark.parametrize(
    ("embeddings", "weights", "reason"),
    [
        ([], [], "0 embeddings"),
        ([ANA], [1, 2], "1 embeddings and 2 weights"),
        ([ANA, BIA], [1, math.nan], "nan"),
        ([ANA, Embedding("wide", (torch.ones(1, 3),))], [1, 1], "ana holds 1 vectors of 2, wide holds 1 vectors of 3"),
        ([ANA, Embedding("two", (torch.ones(2, 2),))], [1, 1], "two holds 2 vectors of 2"),
        ([ANA, Embedding("pair", (torch.ones(1, 2),) * 2)], [1, 1], r"pair holds 1 vectors of 2 \+ 2"),
        ([ANA], [1e300], "infinity"),
    ],
)
def test_refuses_what_does_not_fit(embeddings, weights, reason):
    with pytest.raises(EmbeddingError, match=reason):
        blend(embeddings, weights, "both")
