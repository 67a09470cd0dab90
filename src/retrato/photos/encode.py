"""Pictures as the bytes of a file."""

import io
from typing import Any

from PIL import Image


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Gives `image` as a file of this `format`, with what Pillow's writer of it takes."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
