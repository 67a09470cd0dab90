"""Numbers about one picture: how large at a scale, how sharp, how well and how it is lit, what lies along its border.

Everything is measured on a copy of about the training size, so that a large photo which is soft only when enlarged
counts as sharp. Knows nothing of verdicts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[np.bool_]
Colour = tuple[float, float, float]

BORDER = 0.06  # of the shorter side


@dataclass(frozen=True, slots=True)
class Exposure:
    """Luma in 0..255: `dark` and `bright` are its 2nd and 98th percentile, between which nearly all pixels lie."""

    dark: float
    bright: float


@dataclass(frozen=True, slots=True)
class Border:
    """The left, top and right edge: `colour` is its median (RGB, 0..255), `uniform` the share of it near that."""

    colour: Colour
    uniform: float


@dataclass(frozen=True, slots=True)
class Light:
    """`luma` is the median brightness, 0..255; `warmth` how much more red than blue there is, in parts of it."""

    luma: float
    warmth: float


def scaled_size(image: Image.Image, scale: float) -> tuple[int, int]:
    """Gives the width and height of the picture at `scale`, in whole pixels and at least one."""
    return (max(1, round(image.width * scale)), max(1, round(image.height * scale)))


def luma(image: Image.Image) -> Floats:
    """Gives the picture's brightness [H, W] in 0..255 by Rec. 601, as `convert("L")` does."""
    return np.asarray(image.convert("L"), dtype=np.float64)


def sharpness(image: Image.Image, inside: Pixels | None = None) -> float:
    """Gives how sharp the picture's clearest edges are: about 0.6 in focus, 0.2 blurred by sigma 2, 0 without any edge.

    The variance of the Laplacian (Pech-Pacheco et al. 2000) alone says as much about contrast and content as about
    focus: a plain wall is not blurred. Divided by the energy of the gradient, over the strongest edges only, contrast
    and content cancel, a soft background behind a sharp face does not count, and one figure fits photos and drawings.
    A little smoothing first keeps camera noise from passing for sharpness. Only pixels `inside` [H, W] count, by
    default all.
    """
    values = _smoothed(luma(image))
    if min(values.shape) < 3:
        return 0.0
    left, right, above, below = values[1:-1, :-2], values[1:-1, 2:], values[:-2, 1:-1], values[2:, 1:-1]
    energy = ((right - left) / 2) ** 2 + ((below - above) / 2) ** 2
    laplacian = left + right + above + below - 4 * values[1:-1, 1:-1]
    if inside is not None:
        energy, laplacian = (each[inside[1:-1, 1:-1]] for each in (energy, laplacian))
    strong = energy >= max(float(np.quantile(energy, 0.98)), 4.0)
    if not strong.any():
        return 0.0
    return float(np.sqrt((laplacian[strong] ** 2).mean() / energy[strong].mean()))


def _smoothed(values: Floats) -> Floats:
    """Gives [H, W] filtered by 1-2-1 along both axes."""
    values = np.pad(values, 1, mode="edge")
    values = (values[:-2] + 2 * values[1:-1] + values[2:]) / 4
    return (values[:, :-2] + 2 * values[:, 1:-1] + values[:, 2:]) / 4


def exposure(image: Image.Image, inside: Pixels | None = None) -> Exposure:
    """Gives between which brightnesses nearly all of the picture lies, or of its pixels `inside` [H, W]."""
    dark, bright = np.percentile(luma(image)[inside] if inside is not None else luma(image), (2, 98))
    return Exposure(float(dark), float(bright))


def light(image: Image.Image, inside: Pixels | None = None) -> Light:
    """Gives how bright and how warm a picture, the face cut out of it, or its pixels `inside` [H, W] are lit."""
    values, brightness = np.asarray(image, dtype=np.float64), luma(image)
    if inside is not None:
        values, brightness = values[inside], brightness[inside]
    median = float(np.median(brightness))
    return Light(median, float(np.median(values[..., 0] - values[..., 2])) / max(median, 1.0))


def border(image: Image.Image, tolerance: float = 24.0) -> Border:
    """Gives the colour along the left, top and right edge; the bottom edge is where people stand in the picture.

    A pixel is near the median when no channel differs by more than `tolerance`.
    """
    values = np.asarray(image, dtype=np.float64)
    width = max(1, round(min(image.size) * BORDER))
    strips = (values[:width], values[width:, :width], values[width:, -width:])
    pixels = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    median = np.median(pixels, axis=0)
    near = np.abs(pixels - median).max(axis=1) <= tolerance
    return Border((float(median[0]), float(median[1]), float(median[2])), float(near.mean()))
