"""One photo, and the photos of a folder: where the pictures, their captions and the refusals come from.

Originals are only ever read. Knows nothing of what the photos are used for.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos.decode import MAX_BYTES, decode

SUFFIXES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
    )
)
MAX_CAPTION_BYTES = 16_000
MASK_SUFFIX = ".mask.png"  # of the picture beside a photo that is white where the subject is
SMALLEST_SIDE = 32  # pixels; below, there is no face to learn


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture ready to be looked at.

    `image` is RGB, upright, in sRGB and holds nothing but pixels; `original_size` is the (width, height) of the upright
    picture in its file, larger than `image` where that was reduced; `caption` is what the .txt beside it says; `mask`
    is the picture `<name>.mask.png` beside it, else its alpha channel (mode L, 255 where the subject is), if it had one
    that says anything.
    """

    path: Path
    image: Image.Image
    original_size: tuple[int, int]
    caption: str | None = None
    mask: Image.Image | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be used; `reason` is one sentence that names it."""

    file: Path
    reason: str


def list_photos(folder: Path | str) -> list[Path]:
    """Gives the picture files of a folder, sorted by name: no hidden ones, no masks, none of subfolders, no .txt.

    Whether they can be read is `read_photo`'s to say; a link that leads nowhere is listed, so that somebody says so.
    Raises PhotoError where there is no folder or it holds no picture.
    """
    folder = Path(folder)
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        raise PhotoError(f"there is no folder {printable(folder)}: name the one that holds the photos") from None
    except NotADirectoryError:
        raise PhotoError(
            f"{printable(folder)} is a file, wanted a folder of photos: name the folder it is in"
        ) from None
    except (OSError, ValueError) as error:
        raise PhotoError(
            f"the folder {printable(folder)} cannot be read ({_reason(error)}): name another one"
        ) from None
    pictures = [folder / entry.name for entry in entries if _looks_like_a_picture(entry)]
    if not pictures:
        others = f"none of its {len(entries)} entries is" if entries else "it is empty, wanted"
        raise PhotoError(f"{printable(folder)} holds no photos: {others} a picture such as .jpg or .png")
    return pictures


def read_photo(path: Path | str, *, shorter_side: int | None = None) -> Photo:
    """Gives one photo; with `shorter_side`, reduced to that many pixels on its shorter side, never enlarged.

    Reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP of at most 50 MB and 89 megapixels, 32 pixels or more a side.
    Raises PhotoError with one sentence that names the file and says why it cannot be used.
    """
    path = Path(path)
    name = printable(path.name or path)
    pixels = decode(_read_bytes(path, name, MAX_BYTES), name, shorter_side=shorter_side)
    width, height = pixels.size
    if min(width, height) < SMALLEST_SIDE:
        wanted = f"wanted at least {SMALLEST_SIDE} on each side"
        raise PhotoError(f"{name} is {width}x{height} pixels, {wanted}: find a larger copy of it")
    mask = read_mask(path.parent / f"{path.stem}{MASK_SUFFIX}", pixels.image.size)
    return Photo(path, pixels.image, pixels.size, _read_caption(path), mask or pixels.mask)


def read_mask(path: Path, size: tuple[int, int]) -> Image.Image | None:
    """Gives a mask (L, 255 where the subject is) resized to `size`, None where there is no such file.

    A mask with an alpha channel is that channel. Raises PhotoError where it cannot be read, or has another shape.
    """
    if not os.path.lexists(path):
        return None
    name = printable(path.name)
    pixels = decode(_read_bytes(path, name, MAX_BYTES), name)
    mask = pixels.mask or pixels.image.convert("L")
    if abs(mask.width / mask.height / (size[0] / size[1]) - 1) > 0.05:
        raise PhotoError(
            f"the mask {name} is {mask.width}x{mask.height} pixels, another shape than its photo: make it as large"
        )
    return mask.resize(size, Image.Resampling.BILINEAR) if mask.size != size else mask


def read_photos(folder: Path | str, *, shorter_side: int | None = None) -> tuple[list[Photo], list[Refused]]:
    """Gives the photos of a folder in order of their names, and those that had to be refused; see `read_photo`.

    One bad picture does not stop the rest. Raises PhotoError where there is no folder or it holds no picture.
    """
    photos: list[Photo] = []
    refused: list[Refused] = []
    for path in list_photos(folder):
        try:
            photos.append(read_photo(path, shorter_side=shorter_side))
        except PhotoError as error:
            refused.append(Refused(path, str(error)))
    return photos, refused


def _looks_like_a_picture(entry: os.DirEntry[str]) -> bool:
    lower = entry.name.lower()
    if lower.startswith(".") or lower.endswith(MASK_SUFFIX) or os.path.splitext(lower)[1] not in SUFFIXES:
        return False
    try:
        return not entry.is_dir()
    except OSError:  # a link that runs in a circle
        return True


def _read_bytes(path: Path, name: str, most: int) -> bytes:
    """Gives the file's bytes at one moment, so that nothing changes between looking and decoding."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for ever.
        with open(path, "rb", opener=lambda file, flags: os.open(file, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise PhotoError(f"{name} is not a regular file, wanted a picture: take it out of the folder")
            if found.st_size > most:
                raise PhotoError(f"{name} holds {found.st_size:,} bytes, at most {most:,} are read: save it smaller")
            return file.read(most + 1)
    except FileNotFoundError:
        why = "is a link to a file that is not there" if path.is_symlink() else "is not there (any more)"
        raise PhotoError(f"{name} {why}: put the picture back, or take it off the list") from None
    except IsADirectoryError:
        raise PhotoError(f"{name} is a folder, wanted a picture: name a file in it") from None
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be read ({_reason(error)}): check the file and its permissions") from None


def _read_caption(path: Path) -> str | None:
    """Gives the text of the .txt beside the picture on one line, None where there is none or it is blank."""
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return None
    name = printable(beside.name)
    content = _read_bytes(beside, name, MAX_CAPTION_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PhotoError(f"the caption {name} is not UTF-8 text: save it as UTF-8, or remove it") from None
    return " ".join(text.split()) or None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link that leads back to itself"
    return (isinstance(error, OSError) and error.strerror) or str(error)
