"""Which photos are trained on and which are held out for evaluation and picking. Knows nothing of models."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from retrato.photos import Photo
from retrato.photos.duplicates import NEAR, fingerprint, groups
from retrato.photos.framing import framing
from retrato.training.randomness import generator


@dataclass(frozen=True, slots=True)
class Split:
    """Positions in the list of photos, both in rising order and without overlap; `held_out` may be empty."""

    trained: tuple[int, ...]
    held_out: tuple[int, ...]


def split_photos(photos: Sequence[Photo], held_out: int, seed: int) -> Split:
    """Gives at most `held_out` photos to evaluate with, the rest to train on; the same for the same photos and seed.

    Near-duplicates stay together, or a photo that was trained on would judge the training. As far as the framings
    (full, half, close) can be told, both sides have their share of each.
    """
    alike = groups([fingerprint(photo.image) for photo in photos], NEAR)
    order = torch.randperm(len(alike), generator=generator(seed, "held out")).tolist()
    waiting = [alike[index] for index in order]
    framings = [framing(photo.image, photo.mask) for photo in photos]
    shares = {kind: count * held_out / len(photos) for kind, count in Counter(framings).items()}
    chosen: list[int] = []
    while fitting := [group for group in waiting if len(group) <= held_out - len(chosen)]:
        taken = Counter(framings[index] for index in chosen)
        # The framing that lacks most of its share comes first; among equals, the one that chance put first.
        group = max(fitting, key=lambda group: shares[framings[group[0]]] - taken[framings[group[0]]])
        waiting.remove(group)
        chosen += group
    return Split(tuple(index for index in range(len(photos)) if index not in chosen), tuple(sorted(chosen)))
