"""Which photos of a set are nearly the same: bursts, mirrored copies, recompressed, resized or brightened ones.

Knows neither files nor verdicts: pictures in, groups of their positions out.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from retrato.photos.measure import Floats

# Distances of fingerprints, 0..2. Measured on photos and drawings: half the size 0.02, JPEG of quality 30 0.03, a fifth
# brighter 0.04..0.2, cropped by 2 % 0.09..0.15, by 5 % 0.2..0.35; different pictures of one style 0.5 and more.
SAME = 0.04
NEAR = 0.15

_SIDE, _WAVES = 32, 8


def fingerprint(image: Image.Image) -> Floats:
    """Gives a perceptual hash [8, 8, 3] of unit length: the lowest frequencies (DCT) of brightness and colour.

    Kept as numbers, not as the usual 64 bits of their signs: in a drawing with a plain background many of them are
    nearly zero, and their signs are chance. Overall contrast cancels, overall brightness counts little.
    """
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX).convert("YCbCr")
    values = np.asarray(small, dtype=np.float64) - 128
    waves = np.cos(np.pi / _SIDE * np.outer(np.arange(_WAVES), np.arange(_SIDE) + 0.5)) / 4
    waves[0] /= np.sqrt(2)
    low: Floats = np.einsum("fy,yxc,gx->fgc", waves, values, waves)
    low[0, 0, 0] *= 0.2
    return low / max(float(np.linalg.norm(low)), 1e-9)


def mirrored(one: Floats) -> Floats:
    """Gives the fingerprint of the mirror image: a reflection turns the sign of every other wave across."""
    return one * np.where(np.arange(_WAVES) % 2, -1.0, 1.0)[None, :, None]


def distance(one: Floats, other: Floats) -> float:
    """Gives how different two pictures are, 0 (the same) to 2, whichever way round they are."""
    return float(min(np.linalg.norm(one - other), np.linalg.norm(mirrored(one) - other)))


def is_mirror_image(one: Floats, other: Floats) -> bool:
    """Says whether `other` is closer to the mirror image of `one` than to `one` itself."""
    return bool(np.linalg.norm(mirrored(one) - other) < np.linalg.norm(one - other))


def groups(prints: Sequence[Floats], within: float) -> list[list[int]]:
    """Gives the positions in groups, each position once: pictures within that distance, directly or through others."""
    group_of = list(range(len(prints)))
    for second in range(len(prints)):
        for first in range(second):
            if group_of[first] != group_of[second] and distance(prints[first], prints[second]) <= within:
                old, new = group_of[second], group_of[first]
                group_of = [new if group == old else group for group in group_of]
    return [[at for at, group in enumerate(group_of) if group == name] for name in dict.fromkeys(group_of)]
