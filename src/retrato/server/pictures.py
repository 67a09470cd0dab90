"""Pictures as they travel in JSON: base64, with or without a `data:` address. Addresses of the web are not followed."""

import base64
import binascii
import hashlib
import io
import os
import re
import threading
from pathlib import Path

from PIL import Image

from retrato.errors import PhotoError
from retrato.files import write_atomic
from retrato.generation import read_infotext
from retrato.photos.decode import decode
from retrato.photos.encode import encode

# A picture may have 89 million pixels: of all requests together only so many are decoded and encoded at a time.
FEW_AT_ONCE = threading.BoundedSemaphore(2)
HASHED_AT_ONCE = 1_000_000  # pixels
_DATA = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,")


def read_base64(text: str, name: str = "the picture") -> bytes:
    """Gives the bytes of a picture file in base64; raises PhotoError."""
    if text.lstrip()[:8].lower().startswith(("http:", "https:", "file:", "ftp:")):
        raise PhotoError(f"{name} is an address: this server fetches nothing, send the picture itself in base64")
    found = _DATA.match(text)
    try:
        content = base64.b64decode(text[found.end() if found else 0 :], validate=False)
    except (binascii.Error, ValueError):
        raise PhotoError(f"{name} is not base64: send the bytes of a PNG, JPEG or WebP file in base64") from None
    if not content:
        raise PhotoError(f"{name} is empty: send the bytes of a PNG, JPEG or WebP file in base64")
    return content


def read_image(text: str, name: str = "the picture") -> Image.Image:
    """Gives the upright pixels of a picture in base64, within `FEW_AT_ONCE`; raises PhotoError."""
    return decode(read_base64(text, name), name).image


def store_upload(home: Path, text: str, name: str = "the picture") -> Path:
    """Keeps a picture that a request brought, pixels only (with its alpha), and gives its file.

    The same picture is kept once. Raises PhotoError.
    """
    return store_file(home, read_base64(text, name), name)


def store_file(home: Path, content: bytes, name: str = "the picture") -> Path:
    """Keeps the pixels of a picture's file, as `store_upload` does, and gives their own. Raises PhotoError."""
    folder = home / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FEW_AT_ONCE:
        pixels = decode(content, name)
        image = pixels.image
        if pixels.mask is not None:
            image.putalpha(pixels.mask)
        file = folder / f"{_digest(image)[:32]}.png"
        if file.exists():
            os.utime(file)  # it is as new as the other one: what is old is tidied away
        else:
            write_atomic(file, encode(image))
    return file


def _digest(image: Image.Image) -> str:
    """Gives the SHA-256 of the pixels and the size, some rows at a time: nothing large is copied."""
    found, rows = hashlib.sha256(), max(1, HASHED_AT_ONCE // image.width)
    for top in range(0, image.height, rows):
        found.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    found.update(repr(image.size).encode())
    return found.hexdigest()


def stored_text(content: bytes) -> str:
    """Gives the parameters text that a picture's file carries, empty where it has none; raises PhotoError."""
    try:
        return read_infotext(io.BytesIO(content)) or ""
    except PhotoError:
        raise PhotoError("the picture cannot be read: send a PNG, JPEG or WebP file") from None
