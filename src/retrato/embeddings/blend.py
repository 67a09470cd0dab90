"""Mixes several embeddings into one. Knows nothing of files and models."""

import math
from collections.abc import Sequence

import torch

from retrato.embeddings.embedding import CLIP_SKIP, FINGERPRINTS, READ_AT, Embedding
from retrato.errors import EmbeddingError


def blend(embeddings: Sequence[Embedding], weights: Sequence[float], name: str) -> Embedding:
    """Gives the weighted sum of `embeddings`, vector by vector, under `name`; weights are used as they are.

    All must have the same number of vectors and the same widths. Weights that add up to 1 keep the size of the vectors,
    a negative one moves away from a person. The mixture knows the photos that its parts were learned from. Raises
    EmbeddingError when they do not fit one another.
    """
    if not embeddings or len(embeddings) != len(weights):
        raise EmbeddingError(
            f"{len(embeddings)} embeddings and {len(weights)} weights were given: give each one a weight"
        )
    if not all(math.isfinite(weight) for weight in weights):
        raise EmbeddingError(f"the weights are {list(weights)}: use numbers, such as 0.5 and 0.5")
    first = embeddings[0]
    for other in embeddings[1:]:
        if (other.vectors_per_token, other.dims) != (first.vectors_per_token, first.dims):
            raise EmbeddingError(
                f"{_shape(first)}, {_shape(other)}: blend only those of one base model and one number of vectors"
            )
    vectors = tuple(
        torch.stack([weight * tensor for weight, tensor in zip(weights, tensors, strict=True)]).sum(dim=0)
        for tensors in zip(*(embedding.vectors for embedding in embeddings), strict=True)
    )
    mixture = " + ".join(f"{weight:g} {embedding.name}" for weight, embedding in zip(weights, embeddings, strict=True))
    same = len({(embedding.base_model, embedding.base_model_hash) for embedding in embeddings}) == 1
    return Embedding(
        name,
        vectors,
        base_model=first.base_model if same else None,
        base_model_hash=first.base_model_hash if same else None,
        metadata={"blend": mixture, **_known_of_all(embeddings)},
    )


def _known_of_all(embeddings: Sequence[Embedding]) -> dict[str, str]:
    """Gives the clip skip that all were learned with, and the photos of each, where all were read at one size."""
    skips = {embedding.metadata.get(CLIP_SKIP) for embedding in embeddings}
    (skip,) = skips if len(skips) == 1 else (None,)
    known = {CLIP_SKIP: skip} if skip else {}
    learned = [embedding.metadata for embedding in embeddings if READ_AT in embedding.metadata]
    if len({metadata[READ_AT] for metadata in learned}) == 1:
        photos = {photo for metadata in learned for photo in metadata.get(FINGERPRINTS, "").split()}
        known |= {FINGERPRINTS: " ".join(sorted(photos)), READ_AT: learned[0][READ_AT]}
    return known


def _shape(embedding: Embedding) -> str:
    widths = " + ".join(map(str, embedding.dims))
    return f"{embedding.name} holds {embedding.vectors_per_token} vectors of {widths}"
