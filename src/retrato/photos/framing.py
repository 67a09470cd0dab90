"""Where the subject is and how much of a person a picture shows.

A found face says so best. Without one, the outline does, where the picture came with an alpha channel or where its
background has one colour. Everywhere else the answer is None: better no answer than a guess. Knows nothing of sets.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrato.photos.measure import border

Framing = Literal["full", "half", "close"]
Box = tuple[int, int, int, int]

PLAIN = 0.9  # of the border in one colour
# Hair that reaches three edges leaves less of a plain background, but what it leaves is of exactly one colour, as only
# drawings and cut-outs have it; blown-out skies of photos have it on less of the border.
FLAT, _FLAT_TOLERANCE = 0.6, 2.0
_TOLERANCE = 32  # of 255, in any channel
# Height of a face (brow to chin, as detectors draw it) in parts of the picture's. It is about a tenth of a standing
# person's, so 0.18 of a picture to the hips and 0.35 of one to the chest, with some air above: 0.25 lies between.
_FACE_OF_CLOSE, _FACE_OF_HALF = 0.25, 0.1
_BODY_OF_CLOSE = 0.6  # visible body below the neck, in parts of its width: to the waist it is about 1
_NECK = 0.6  # most width of a neck, in parts of the head's
_HEAD_OF_CLOSE = 0.47  # widest head of a half-length picture, as part of its height


def subject(image: Image.Image, mask: Image.Image | None = None) -> NDArray[np.bool_] | None:
    """Gives which pixels [H, W] belong to the subject, None where nothing in the picture says so."""
    if mask is not None:
        inside: NDArray[np.bool_] = np.asarray(mask) > 127
    else:
        edge = border(image, _TOLERANCE)
        if edge.uniform < PLAIN and border(image, _FLAT_TOLERANCE).uniform < FLAT:
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


def framing(image: Image.Image, mask: Image.Image | None = None, face: Box | None = None) -> Framing | None:
    """Gives full, half or close; None where neither a face nor an outline tells.

    With the box of a `face`: by how much of the picture's height it takes. By the outline, full is much taller than
    wide, or stands clear of the bottom edge; close shows less of the body below the neck than 0.6 of the body's width.
    That holds for drawn people with large heads as for photographed ones. Where the outline has no neck, close is a
    head about half as wide as the picture is high. Half is everything between.
    """
    if face is not None:
        share = (face[3] - face[1]) / image.height
        return "close" if share >= _FACE_OF_CLOSE else "half" if share >= _FACE_OF_HALF else "full"
    inside = subject(image, mask)
    if inside is None:
        return None
    left, top, right, bottom = subject_box(inside)
    height = inside.shape[0]
    slenderness = (bottom - top) / (right - left)
    if slenderness >= 2.4 or (bottom < height * 0.985 and slenderness >= 1.2):
        return "full"
    widths = inside[top:bottom].sum(axis=1)
    neck = neck_row(widths)
    if neck is not None:
        body = widths[neck:]
        return "close" if len(body) < _BODY_OF_CLOSE * body.max() else "half"
    return "close" if _head_width(inside[top:bottom]) > _HEAD_OF_CLOSE * height else "half"


def neck_row(widths: NDArray[Any]) -> int | None:
    """Gives the row of the neck in an outline whose rows, from the crown down, are so wide; None where there is none.

    It is where the outline is narrowest compared with the head above and the shoulders below, if it is much narrower
    than the lesser of them.
    """
    above = np.maximum.accumulate(widths)
    below = np.maximum.accumulate(widths[::-1])[::-1]
    narrow = widths / np.maximum(np.minimum(above, below), 1)
    neck = int(narrow.argmin())
    return neck if widths.size and narrow[neck] <= _NECK else None


def _head_width(rows: NDArray[np.bool_]) -> float:
    """Gives the pixels across the first bulge from above, beyond which the outline narrows or stays as wide."""
    widths = rows.sum(axis=1)
    reach = max(2, len(widths) // 8)
    for at in range(reach // 2, len(widths)):
        if widths[at] >= widths[at : at + reach].max():
            return float(widths[at])
    return float(widths.max(initial=0))
