"""One photo made into working copies, in memory: cut, resized, masked, encoded. What a process of `prepare` does.

Knows nothing of the folder that they go to, of captions by a model and of other photos.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos.encode import encode
from retrato.photos.faces import BEST_SIDE, find_largest_box, why_missing
from retrato.photos.framing import Box, Framing, framing, subject
from retrato.photos.measure import scaled_size
from retrato.photos.photo import MASK_SUFFIX, Photo, Refused, read_mask, read_photo
from retrato.photos.square import crop_box, cut, shaped_size, split_boxes, square
from retrato.settings import PhotoSettings


@dataclass(frozen=True, slots=True)
class WorkingCopy:
    """One copy: `picture` and `mask` are PNG files, `box` is what it shows of the upright source, in its pixels."""

    picture: bytes
    mask: bytes | None
    box: Box
    framing: Framing | None
    is_mirrored: bool


@dataclass(frozen=True, slots=True)
class WorkingCopies:
    """All copies of one photo, the caption that lay beside it, and what should be known about them."""

    source: Path
    copies: tuple[WorkingCopy, ...]
    caption: str | None
    notes: tuple[str, ...]


def working_copies(source: Path, settings: PhotoSettings, faces: bool) -> WorkingCopies | Refused:
    """Gives the copies of one photo, or why it cannot be used; `faces`: look for them, where they can be found."""
    try:
        # Twice the size is enough to cut from, and a JPEG's decoder halves for free; a close face wants all there is.
        photo = read_photo(source, shorter_side=None if settings.face_share else settings.size * 2)
        mask = _given_mask(photo, settings)
        face = _face_box(photo.image, settings.crop == "face") if faces and not why_missing() else None
    except PhotoError as error:  # one bad picture never stops the rest
        return Refused(source, str(error))
    notes = []
    if settings.crop == "face" and face is None:
        notes.append(f"{printable(source.name)}: no face found, cut around what draws the eye instead")
    copies: list[WorkingCopy] = []
    for box in _boxes(photo.image, settings, face):
        whole = _in_the_file(box, photo)
        picture = _shaped(photo.image, box, settings)
        inner = _moved(face, box, picture.size) if face else None
        shown = _shaped(mask, box, settings) if mask else None
        of = framing(picture, shown, inner)
        if settings.mask and shown is None:
            shown = _drawn_mask(picture, inner)
            if shown is None:
                notes.append(f"{printable(source.name)}: nothing shows where the subject is, so it gets no mask")
        if not settings.mask:
            shown = None
        for is_mirrored in (False, True) if settings.flip else (False,):
            turned = ImageOps.mirror if is_mirrored else _unchanged
            copies.append(
                WorkingCopy(_png(turned(picture)), _png(turned(shown)) if shown else None, whole, of, is_mirrored)
            )
    return WorkingCopies(source, tuple(copies), photo.caption, tuple(notes))


def _in_the_file(box: Box, photo: Photo) -> Box:
    """Gives the box in the pixels of the file's picture, of which `photo` may hold a reduced copy."""
    width, height = photo.original_size
    across, down = width / photo.image.width, height / photo.image.height
    left, top, right, bottom = (round(value * (across, down)[at % 2]) for at, value in enumerate(box))
    return (left, top, min(right, width), min(bottom, height))


def _given_mask(photo: Photo, settings: PhotoSettings) -> Image.Image | None:
    """Gives the mask from the folder of masks, else the one that came with the photo."""
    if settings.mask_folder is None:
        return photo.mask
    folder, stem = Path(settings.mask_folder), photo.path.stem
    for name in (f"{stem}{MASK_SUFFIX}", photo.path.name, f"{stem}.png"):
        if mask := read_mask(folder / name, photo.image.size):
            return mask
    return photo.mask


def _face_box(image: Image.Image, thorough: bool) -> Box | None:
    """Gives the box of the largest face in the picture's own pixels."""
    scale = min(1.0, BEST_SIDE / min(image.size))
    size = scaled_size(image, scale)
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0) if scale < 1 else image
    found = find_largest_box(small, thorough=thorough)
    if found is None:
        return None
    left, top, right, bottom = (round(value / scale) for value in found)
    return (left, top, right, bottom)


def _boxes(image: Image.Image, settings: PhotoSettings, face: Box | None) -> list[Box]:
    boxes = split_boxes(image) if settings.split else []
    if boxes:
        return boxes
    wide, high = shaped_size(image.width, image.height, settings.size, settings.shape)
    return [crop_box(image, settings.crop, ratio=wide / high, face=face, face_share=settings.face_share)]


def _shaped(image: Image.Image, box: Box, settings: PhotoSettings) -> Image.Image:
    wide, high = box[2] - box[0], box[3] - box[1]
    if settings.shape == "square" and wide != high:  # crop none: all of the picture, on a square
        return square(image, settings.size, "none")
    if settings.shape == "square":
        return cut(image, box, settings.size)
    if settings.crop == "none":
        return cut(image, box, shaped_size(wide, high, settings.size, "keep"))
    return cut(image, box, shaped_size(wide, high, settings.size, settings.shape))


def _moved(face: Box, box: Box, size: tuple[int, int]) -> Box | None:
    """Gives the face's box in the pixels of the copy of `size` that shows `box`, None if less than half is in it."""
    scale = min(size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1]))
    shift = ((size[0] - (box[2] - box[0]) * scale) / 2, (size[1] - (box[3] - box[1]) * scale) / 2)
    left, top, right, bottom = (round((face[at] - box[at % 2]) * scale + shift[at % 2]) for at in range(4))
    inner = (max(0, left), max(0, top), min(size[0], right), min(size[1], bottom))
    if (inner[2] - inner[0]) * 2 < right - left or (inner[3] - inner[1]) * 2 < bottom - top:
        return None
    return inner


def _drawn_mask(picture: Image.Image, face: Box | None) -> Image.Image | None:
    """Gives where the subject is (L, 255 inside, with a soft edge): by its plain background, else around the face.

    Around the face: an ellipse for head and hair on a block for the shoulders, down to the picture's lower edge.
    """
    soft = max(picture.size) / 256
    inside = subject(picture)
    if inside is not None:
        return Image.fromarray(inside.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(soft))
    if face is None:
        return None
    mask = Image.new("L", picture.size, 0)
    left, top, right, bottom = face
    wide, high = right - left, bottom - top
    brush = ImageDraw.Draw(mask)
    brush.ellipse((left - 0.35 * wide, top - 0.6 * high, right + 0.35 * wide, bottom + 0.25 * high), fill=255)
    shoulders = (left - 0.9 * wide, bottom + 0.1 * high, right + 0.9 * wide, picture.height + high)
    brush.rounded_rectangle(shoulders, 0.6 * wide, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(0.08 * wide))


def _unchanged(image: Image.Image) -> Image.Image:
    return image


def _png(image: Image.Image) -> bytes:
    return encode(image, compress_level=4)
