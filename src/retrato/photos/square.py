"""Which part of a picture to keep, as a square or as another shape: around the centre, what draws the eye, or a face.

And how to cut it out, and long ones into several. Knows nothing of files.
Boxes are (left, top, right, bottom) in the picture's own pixels.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

from retrato.photos.framing import Box
from retrato.photos.measure import Floats, border, luma, scaled_size

Crop = Literal["center", "focal", "face", "none"]
Shape = Literal["square", "bucket", "keep"]

# A1111's weights of the three kinds of focal point (its `autocrop.py`, 1.6).
FACE_WEIGHT, EDGE_WEIGHT, ENTROPY_WEIGHT = 0.9, 0.5, 0.15
# A1111's rule for auto-sized crops (its preprocess tab, 1.6): the largest of the sizes whose shape is that near.
BUCKET_ERROR = 0.1
# A1111's rule for pictures to split (its preprocess tab, 1.6).
SPLIT_BELOW, SPLIT_OVERLAP = 0.5, 0.2


def square(image: Image.Image, size: int, crop: Crop = "center") -> Image.Image:
    """Gives the picture as a square of `size` pixels, resized with Lanczos.

    `center` and `focal` keep the largest square, around the middle or around the focal point. `none` keeps all of the
    picture and fills what is missing of the square with the colour of its border.
    """
    if crop != "none":
        return cut(image, crop_box(image, crop), size)
    scale = size / max(image.size)
    whole = image.resize(scaled_size(image, scale), Image.Resampling.LANCZOS)
    colour = border(image).colour if image.mode == "RGB" else (0.0, 0.0, 0.0)
    filled = Image.new(image.mode, (size, size), tuple(round(value) for value in colour[: len(image.getbands())]))
    filled.paste(whole, ((size - whole.width) // 2, (size - whole.height) // 2))
    return filled


def cut(image: Image.Image, box: Box, size: int | tuple[int, int]) -> Image.Image:
    """Gives what lies in `box` as a square of `size` pixels, or as a picture of (width, height)."""
    size = (size, size) if isinstance(size, int) else size
    part = image.crop(box)  # resize's own box looks beyond its edges
    return part.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def crop_box(
    image: Image.Image, crop: Crop = "center", *, ratio: float = 1.0, face: Box | None = None, face_share: float = 0.0
) -> Box:
    """Gives the largest box of that width to height, as near to what `crop` says as it fits; `none`: the picture.

    `face` cuts around the box of the face, with some room above it; with `face_share` no more of the picture than makes
    the face that part of its height. It and `focal` do without a face where there is none.
    """
    width, height = image.size
    if crop == "none":
        return (0, 0, width, height)
    high = min(height, round(width / ratio))
    across, down = width / 2, height / 2
    if crop == "face" and face is not None:
        if face_share:
            high = min(high, round((face[3] - face[1]) / face_share))
        across, down = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2 + 0.2 * (face[3] - face[1])
    elif crop != "center":
        across, down = focal_point(image, face)
    wide = min(width, round(high * ratio))
    left = min(max(round(across - wide / 2), 0), width - wide)
    top = min(max(round(down - high / 2), 0), height - high)
    return (left, top, left + wide, top + high)


def shaped_size(width: int, height: int, size: int, shape: Shape) -> tuple[int, int]:
    """Gives the size that a picture of `width` x `height` is written at; none has more pixels than a square of `size`.

    `bucket`: one of a grid of sizes in steps of an eighth of `size`, between half and twice as wide as high. `keep`:
    its own shape, in steps of 8 pixels.
    """
    if shape == "square":
        return (size, size)
    if shape == "keep":
        scale = size / math.sqrt(width * height)
        return (max(8, int(width * scale / 8) * 8), max(8, int(height * scale / 8) * 8))
    step = max(8, size // 64 * 8)
    sides = range(size // 2 // step * step, size * 3 // 2 + 1, step)
    found = [(wide, high) for wide in sides for high in sides if wide * high <= size * size and 0.5 <= wide / high <= 2]
    wanted = width / height
    error = {each: abs(each[0] / each[1] - wanted) / max(1.0, wanted) for each in found}
    near = [each for each in found if error[each] <= BUCKET_ERROR] or [min(found, key=lambda each: error[each])]
    return max(near, key=lambda each: (each[0] * each[1], -error[each]))


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


def focal_point(image: Image.Image, face: Box | None = None) -> tuple[float, float]:
    """Gives (across, down) in pixels: the weighted middle of the face, the picture's edges and its richest part.

    The last two come from a copy of at most 128 pixels, where grain and far-off leaves no longer count as detail.
    """
    scale = min(1.0, 128 / max(image.size))
    small = image.resize(scaled_size(image, scale), Image.Resampling.BOX, reducing_gap=2.0)
    values = luma(small)
    edges = np.hypot(*(np.gradient(values, axis=axis) if values.shape[axis] > 1 else 0 * values for axis in (0, 1)))
    points = [(EDGE_WEIGHT, _centroid(edges**2)), (ENTROPY_WEIGHT, _centroid(_entropy(values) ** 2))]
    if face is not None:
        middle = ((face[0] + face[2]) / 2 / image.width, (face[1] + face[3]) / 2 / image.height)
        points.append((FACE_WEIGHT, middle))
    total = sum(weight for weight, _ in points)
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
