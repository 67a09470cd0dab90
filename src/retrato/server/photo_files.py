"""The files of one photo of a set: the picture, its mask, its caption, and what they were before they were cut.

A photo and its mask are cut together. What is hidden by a dot nobody learns from.
"""

import hashlib
import itertools
import json
import unicodedata
from pathlib import Path, PurePath
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.embeddings.embedding import is_device
from retrato.errors import PhotoError
from retrato.files import printable, visible, write_atomic
from retrato.photos.decode import MAX_BYTES, Pixels, decode
from retrato.photos.encode import encode
from retrato.photos.photo import MASK_SUFFIX, read_mask
from retrato.server.pictures import FEW_AT_ONCE

Cut = tuple[float, float, float]
SMALLEST_CUT = 0.1  # of the shorter side
# Pixels of the longer side of what is kept. As PNG it has 28 MB at most (a photo of more than 50 MB is not read), and a
# face that is a third as wide, cut out of it, still has the 1024 pixels that the largest models learn from.
LONGEST_SIDE = 3072
MOST_PHOTOS = 1000  # of a set: twenty are enough to learn from, and each is looked at when the set is checked
LONGEST_NAME = 120  # bytes, so that with a number, endings and dots it stays below the 255 of most systems
_MASK = ".mask"
_PIXELS = "pixels"  # the text in a photo that says which ones it has, so that none is decoded to be compared
_MARKS = frozenset(" .,()'@+&_-")


def name_for(file: str) -> tuple[str, bool]:
    """Gives what a photo is called here (no ending) that was sent as `file`, and whether that is a mask's name.

    Whatever it is called elsewhere, it can be a file on every system.
    """
    stem = PurePath(file.replace("\\", "/")).stem
    is_mask = stem.lower().endswith(_MASK)
    letters = unicodedata.normalize("NFC", stem[: -len(_MASK)] if is_mask else stem)
    words = "".join(map(_fit, letters)).split()
    name = " ".join(words).lstrip(" .-").encode()[:LONGEST_NAME].decode("utf-8", "ignore").rstrip(" .")
    if not any(map(str.isalnum, name)):
        name = "photo"
    return f"photo-{name}" if is_device(name) else name, is_mask


def _fit(letter: str) -> str:
    # Vowel signs and the like, without which Hindi, Thai or Tamil cannot be written, are no letters.
    if letter in _MARKS or letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc"):
        return letter
    return " " if letter.isspace() else "_"


def read_sent(content: bytes, file: str) -> Pixels:
    """Gives the pixels of a photo that was sent, reduced where it has more than are kept; raises PhotoError."""
    with FEW_AT_ONCE:
        pixels = decode(content, printable(PurePath(file).name or "the picture"))
        for image in (pixels.image, pixels.mask):
            if image is not None:
                image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return pixels


def keep_photo(folder: Path, name: str, sent: Pixels, caption: str = "") -> Path:
    """Writes a photo, its opacity as a mask, and its caption into `folder`, and gives its file.

    One that was sent before takes its own place again, whole; another one of that name gets a number, as telephones
    call all of theirs `image.jpg`. Raises PhotoError for another one in a set that holds MOST_PHOTOS.
    """
    pixels = _pixels(sent.image)
    places = (folder / f"{name}{f'-{number}' * (number > 1)}.png" for number in itertools.count(1))
    photo = next(place for place in places if _is_free_for(place, sent.image, pixels))
    if photo.exists():
        uncut(photo)
    elif sum(not path.name.endswith(MASK_SUFFIX) for path in visible(folder, "*.png")) >= MOST_PHOTOS:
        raise PhotoError(f"there are {MOST_PHOTOS} photos in this set, more are not taken: send them to another set")
    else:
        remove(photo)  # what is left of another one
    said = PngInfo()
    said.add_text(_PIXELS, pixels)
    write_atomic(photo, _png(sent.image, pnginfo=said))
    if sent.mask is not None:
        write_atomic(mask_of(photo), _png(sent.mask))
    if caption.strip():
        write_atomic(photo.with_suffix(".txt"), caption.strip() + "\n")
    return photo


def keep_mask(folder: Path, name: str, sent: Pixels) -> Path:
    """Writes the mask of the photo called `name`, cut as that is, and gives its file; raises PhotoError."""
    photo = folder / f"{name}.png"
    if not photo.exists():
        raise PhotoError(f"{name}{MASK_SUFFIX} is a mask, and there is no photo {name} here: send the photo first")
    cut = read_cut(photo)
    uncut(photo)
    write_atomic(mask_of(photo), _png(sent.mask or sent.image.convert("L")))
    if cut is not None:
        cut_to(photo, cut)
    return mask_of(photo)


def _is_free_for(place: Path, image: Image.Image, pixels: str) -> bool:
    """Says whether nothing lies in `place` but, cut or not, this very picture, which has these `pixels`.

    Only what may be the same is decoded: what is as large, and says that it has the same or says nothing.
    """
    if not place.exists():
        return True
    try:
        with Image.open(_whole(place)) as known:
            if known.info.get(_PIXELS, pixels) != pixels or sorted(known.size) != sorted(image.size):
                return False
        there = _decoded(_whole(place)).image
    except (PhotoError, OSError, Image.DecompressionBombError):  # put there by hand
        return False
    return there.size == image.size and there.tobytes() == image.tobytes()


def _pixels(image: Image.Image) -> str:
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def _png(image: Image.Image, **options: Any) -> bytes:
    """Gives a picture as PNG: a fifth of the usual time for an eighth more bytes."""
    return encode(image, compress_level=2, **options)


def cut_to(photo: Path, cut: Cut) -> None:
    """Cuts a photo and its mask to a square, and keeps the whole of both beside them; raises PhotoError and OSError.

    `cut` is the square's left, top and side, as shares of the whole's width, height and shorter side. Where the disk is
    full, the photo is whole again.
    """
    mask, pixels = mask_of(photo), _decoded(_whole(photo))
    image = pixels.image
    over = read_mask(_whole(mask), image.size) or pixels.mask
    side = round(min(max(cut[2], SMALLEST_CUT), 1.0) * min(image.size))
    left = min(max(round(cut[0] * image.width), 0), image.width - side)
    top = min(max(round(cut[1] * image.height), 0), image.height - side)
    box = (left, top, left + side, top + side)
    try:
        if not whole_of(photo).exists():
            write_atomic(whole_of(photo), photo.read_bytes())
        if over is not None:
            if not whole_of(mask).exists():
                write_atomic(whole_of(mask), _png(over))
            write_atomic(mask, _png(over.crop(box)))
        write_atomic(photo, _png(image.crop(box)))
        write_atomic(_told(photo), json.dumps([max(0.0, min(1.0, share)) for share in cut]))
    except OSError:
        uncut(photo)
        raise


def uncut(photo: Path) -> None:
    """Gives a photo and its mask back what was cut off them."""
    for path in (photo, mask_of(photo)):
        if whole_of(path).exists():
            whole_of(path).replace(path)
    _told(photo).unlink(missing_ok=True)


def read_cut(photo: Path) -> Cut | None:
    """Gives how a photo is cut, as in `cut_to`; None where it is whole."""
    if not _told(photo).exists():
        return None
    left, top, side = json.loads(_told(photo).read_text("utf-8"))
    return left, top, side


def remove(photo: Path) -> None:
    """Removes a photo with its mask, its caption and what was cut off it."""
    mask = mask_of(photo)
    for path in (photo, photo.with_suffix(".txt"), mask, whole_of(photo), whole_of(mask), _told(photo)):
        path.unlink(missing_ok=True)


def mask_of(photo: Path) -> Path:
    """Gives where the mask of a photo lies, if it has one."""
    return photo.with_name(f"{photo.stem}{MASK_SUFFIX}")


def whole_of(photo: Path) -> Path:
    """Gives where the whole of a photo, or of its mask, lies once that is cut."""
    return photo.with_name(f".{photo.stem}.whole.png")


def whole_size(photo: Path) -> tuple[int, int]:
    """Gives the width and height in pixels of a photo as it was before it was cut; raises PhotoError."""
    return _decoded(_whole(photo), shorter_side=32).size


def small(photo: Path, side: int, *, is_whole: bool = False) -> Image.Image:
    """Gives a copy of a photo that fits into a square of `side` pixels, upright; raises PhotoError."""
    image = _decoded(_whole(photo) if is_whole else photo, shorter_side=side).image
    image.thumbnail((side, side))
    return image


def _whole(photo: Path) -> Path:
    whole = whole_of(photo)
    return whole if whole.exists() else photo


def _decoded(file: Path, *, shorter_side: int | None = None) -> Pixels:
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    return decode(content, printable(file.name), shorter_side=shorter_side)


def _told(photo: Path) -> Path:
    """Gives where it says how a photo is cut."""
    return photo.with_name(f".{photo.stem}.cut.json")
