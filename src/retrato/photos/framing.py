"""Where the subject is and how much of a person a picture shows, as far as that can be told without finding a face.

It can where the picture came with an alpha channel, or where its background has one colour. Everywhere else the answer
is None: better no answer than a guess. Knows nothing of sets and advice.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrato.photos.measure import border

Framing = Literal["full", "half", "close"]
Box = tuple[int, int, int, int]

PLAIN = 0.9  # of the border in one colour
_TOLERANCE = 32  # of 255, in any channel
_HEAD_OF_CLOSE = 0.47  # widest head of a half-length picture, as part of its height


def subject(image: Image.Image, mask: Image.Image | None = None) -> NDArray[np.bool_] | None:
    """Gives which pixels [H, W] belong to the subject, None where nothing in the picture says so."""
    if mask is not None:
        inside: NDArray[np.bool_] = np.asarray(mask) > 127
    else:
        edge = border(image, _TOLERANCE)
        if edge.uniform < PLAIN:
            return None
        inside = np.abs(np.asarray(image, dtype=np.float64) - edge.colour).max(axis=2) > _TOLERANCE
    return inside if 0.02 <= inside.mean() <= 0.98 else None


def subject_box(inside: NDArray[np.bool_]) -> Box:
    """Gives (left, top, right, bottom) around the subject; rows and columns with under 1 % of it do not count."""
    across = np.flatnonzero(inside.mean(axis=0) > 0.01)
    down = np.flatnonzero(inside.mean(axis=1) > 0.01)
    if not across.size or not down.size:
        return (0, 0, inside.shape[1], inside.shape[0])
    return (int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1)


def framing(image: Image.Image, mask: Image.Image | None = None) -> Framing | None:
    """Gives full, half or close; None where the subject is not known.

    Full: much taller than wide, or standing clear of the bottom edge. Close: the head, which is the first bulge of
    the outline from above, is about half as wide as the picture is high. Half: everything between. Heads of drawn
    people are large, those of photographed ones small, so a loose portrait photo may count as half.
    """
    inside = subject(image, mask)
    if inside is None:
        return None
    left, top, right, bottom = subject_box(inside)
    height = inside.shape[0]
    slenderness = (bottom - top) / (right - left)
    if slenderness >= 2.4 or (bottom < height * 0.985 and slenderness >= 1.2):
        return "full"
    return "close" if _head_width(inside[top:bottom]) > _HEAD_OF_CLOSE * height else "half"


def _head_width(rows: NDArray[np.bool_]) -> float:
    """Gives the pixels across the first bulge from above, beyond which the outline narrows or stays as wide."""
    widths = rows.sum(axis=1)
    reach = max(2, len(widths) // 8)
    for at in range(reach // 2, len(widths)):
        if widths[at] >= widths[at : at + reach].max():
            return float(widths[at])
    return float(widths.max(initial=0))
