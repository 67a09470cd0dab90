"""Cuts pictures to squares: around the centre, around what draws the eye, or not at all; and long ones into several.

Knows nothing of files. Boxes are (left, top, right, bottom) in the picture's own pixels.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

from retrato.photos.framing import Box
from retrato.photos.measure import Floats, border, luma

Crop = Literal["center", "focal", "none"]

# A1111's weights of the two focal points that need no face finder (its `autocrop.py`, 1.6).
EDGE_WEIGHT, ENTROPY_WEIGHT = 0.5, 0.15
# A1111's rule for pictures to split (its preprocess tab, 1.6).
SPLIT_BELOW, SPLIT_OVERLAP = 0.5, 0.2


def square(image: Image.Image, size: int, crop: Crop = "center") -> Image.Image:
    """Gives the picture as a square of `size` pixels, resized with Lanczos.

    `center` and `focal` keep the largest square, around the middle or around the focal point. `none` keeps all of the
    picture and fills what is missing of the square with the colour of its border.
    """
    if crop != "none":
        return cut(image, square_box(image, crop), size)
    scale = size / max(image.size)
    whole = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )
    colour = border(image).colour if image.mode == "RGB" else (0.0, 0.0, 0.0)
    filled = Image.new(image.mode, (size, size), tuple(round(value) for value in colour[: len(image.getbands())]))
    filled.paste(whole, ((size - whole.width) // 2, (size - whole.height) // 2))
    return filled


def cut(image: Image.Image, box: Box, size: int) -> Image.Image:
    """Gives what lies in `box` as a square of `size` pixels."""
    return image.crop(box).resize((size, size), Image.Resampling.LANCZOS)  # resize's own box looks beyond its edges


def square_box(image: Image.Image, crop: Crop = "center") -> Box:
    """Gives the largest square in the picture, as near to its middle or focal point as it fits; `none`: the picture."""
    width, height = image.size
    if crop == "none":
        return (0, 0, width, height)
    side = min(width, height)
    across, down = focal_point(image) if crop == "focal" else (width / 2, height / 2)
    left = min(max(round(across - side / 2), 0), width - side)
    top = min(max(round(down - side / 2), 0), height - side)
    return (left, top, left + side, top + side)


def split_boxes(image: Image.Image) -> list[Box]:
    """Gives overlapping squares that cover a picture at least twice as long as wide, or none for any other."""
    short, long = sorted(image.size)
    if short / long > SPLIT_BELOW:
        return []
    count = math.ceil((long - short * SPLIT_OVERLAP) / (short * (1 - SPLIT_OVERLAP)))
    starts = [round(at * (long - short) / (count - 1)) for at in range(count)]
    if image.width > image.height:
        return [(start, 0, start + short, short) for start in starts]
    return [(0, start, short, start + short) for start in starts]


def focal_point(image: Image.Image) -> tuple[float, float]:
    """Gives (across, down) in pixels: the weighted middle of the picture's edges and of its richest part.

    Both come from a copy of at most 128 pixels, where grain and far-off leaves no longer count as detail.
    """
    scale = min(1.0, 128 / max(image.size))
    small = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
    )
    values = luma(small)
    edges = np.hypot(*(np.gradient(values, axis=axis) if values.shape[axis] > 1 else 0 * values for axis in (0, 1)))
    points = [(EDGE_WEIGHT, _centroid(edges**2)), (ENTROPY_WEIGHT, _centroid(_entropy(values) ** 2))]
    total = EDGE_WEIGHT + ENTROPY_WEIGHT
    across = sum(weight * point[0] for weight, point in points) / total
    down = sum(weight * point[1] for weight, point in points) / total
    return across * image.width, down * image.height


def _centroid(weights: Floats) -> tuple[float, float]:
    """Gives the middle of [H, W] weights in parts of the picture, (0.5, 0.5) where all are zero."""
    total = float(weights.sum())
    if total <= 0:
        return 0.5, 0.5
    across = (np.arange(weights.shape[1]) + 0.5) / weights.shape[1]
    down = (np.arange(weights.shape[0]) + 0.5) / weights.shape[0]
    return float(weights.sum(axis=0) @ across) / total, float(weights.sum(axis=1) @ down) / total


def _entropy(values: Floats, tile: int = 8, levels: int = 16) -> Floats:
    """Gives the entropy in bits of the brightness in each tile, [H / tile, W / tile]; the last ones may be smaller."""
    steps = np.clip(values * levels / 256, 0, levels - 1).astype(int)
    rows, columns = (math.ceil(length / tile) for length in steps.shape)
    found = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            part = steps[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
            share = np.bincount(part.ravel(), minlength=levels) / part.size
            share = share[share > 0]
            found[row, column] = -(share * np.log2(share)).sum()
    return found
