"""The colour of what the person in a picture wears, where a face or an outline says where that is.

Knows nothing of sets.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrato.photos.framing import Box, neck_row, subject_box
from retrato.photos.measure import Colour


def clothes(image: Image.Image, face: Box | None, inside: NDArray[np.bool_] | None) -> Colour | None:
    """Gives the median colour (RGB, 0..255) below the face or the neck, None where too little of it shows.

    `face` is the box of the face, `inside` says which pixels [H, W] are the person's; either may be unknown.
    """
    pixels = np.asarray(image, dtype=np.float64)
    found = None
    if face is not None:
        left, top, right, bottom = face
        width, height = right - left, bottom - top
        below = slice(bottom + round(0.45 * height), bottom + round(1.45 * height))
        found = pixels[below, max(0, left - width // 4) : right + width // 4].reshape(-1, 3)
    elif inside is not None:
        left, top, right, bottom = subject_box(inside)
        neck = neck_row(inside[top:bottom].sum(axis=1))
        if neck is not None:
            body = slice(top + neck + (bottom - top - neck) // 3, top + neck + max(1, 2 * (bottom - top - neck) // 3))
            found = pixels[body][inside[body]]
    if found is None or len(found) < pixels.shape[0] * pixels.shape[1] // 400:
        return None
    red, green, blue = np.median(found, axis=0)
    return (float(red), float(green), float(blue))
