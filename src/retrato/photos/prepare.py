"""Writes training pictures from a folder of photos: upright, square, of one size, with captions beside them.

The layout of names is A1111's (`00000-0-original.png` and `.txt`, preprocess tab of 1.6), so that other programs find
what they know. Originals are only read, and nothing that exists is written over. Knows no model: who wants automatic
captions passes the function that makes them.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from retrato.errors import PhotoError
from retrato.files import atomic_path, write_atomic
from retrato.photos.framing import Box, subject
from retrato.photos.photo import Photo, Refused, list_photos, printable, read_photo
from retrato.photos.square import Crop, cut, split_boxes, square, square_box
from retrato.settings import PhotoSettings

MASK_FOLDER = "masks"
_LONGEST_STEM = 200  # bytes; most file systems take names of 255
_WRITTEN = re.compile(r"\d{5}-\d+-.*\.(png|txt)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """One picture that was written: `file` from `source`, of which it shows `box` (left, top, right, bottom).

    `box` is in pixels of the upright source; `mask` is the picture in `masks/` that is white where the subject is.
    """

    file: Path
    source: Path
    caption: str | None
    box: Box
    mask: Path | None = None


def prepare(
    folder: Path | str,
    out: Path | str,
    settings: PhotoSettings,
    *,
    captioner: Callable[[Image.Image], str] | None = None,
) -> Iterator[PreparedPhoto | Refused]:
    """Gives, one by one, the pictures written to `out` and the files that could not be used.

    A caption in a .txt beside the photo always goes with it; `settings.caption` says where that of the others comes
    from. Masks are written where the photo's alpha channel or plain background shows the subject. Raises PhotoError
    at once, and writes nothing, if the photos or the folder to write to will not do or a setting needs what is missing.
    """
    folder, out = Path(folder), Path(out)
    crop = _supported(settings, captioner)
    sources = list_photos(folder)
    _require_free(folder, out)
    return _prepared(sources, out, settings, crop, captioner)


def _supported(settings: PhotoSettings, captioner: Callable[[Image.Image], str] | None) -> Crop:
    if settings.crop == "face":
        raise PhotoError(
            "crop is face, but this installation has no face finder: use center, or none to cut nothing off"
        )
    if settings.caption == "blip" and captioner is None:
        raise PhotoError("caption is blip, but no captioner was given: use filename or none, or write .txt files")
    return settings.crop


def _require_free(folder: Path, out: Path) -> None:
    """Raises PhotoError unless `out` is another folder, or none yet, without pictures of an earlier run."""
    source, target = (Path(os.path.realpath(path)) for path in (folder, out))
    if target == source or source in target.parents:
        raise PhotoError(f"{printable(out)} is the photos' own folder or lies in it: name one outside of it")
    if target.exists() and not target.is_dir():
        raise PhotoError(f"{printable(out)} is a file, wanted a folder to write to: name another one")
    taken = sorted(name for name in os.listdir(target) if _WRITTEN.fullmatch(name)) if target.exists() else []
    if taken:
        raise PhotoError(
            f"{printable(out)} already holds {len(taken)} prepared files such as {printable(taken[0])}, "
            "which are never written over: name another folder, or empty it"
        )


def _prepared(
    sources: list[Path],
    out: Path,
    settings: PhotoSettings,
    crop: Crop,
    captioner: Callable[[Image.Image], str] | None,
) -> Iterator[PreparedPhoto | Refused]:
    for index, source in enumerate(sources):
        try:
            photo = read_photo(source)
        except PhotoError as error:  # one bad picture never stops the rest
            yield Refused(source, str(error))
            continue
        boxes = (split_boxes(photo.image) if settings.split else []) or [square_box(photo.image, crop)]
        subindex = 0
        for box in boxes:
            picture = _shaped(photo.image, box, settings.size)
            mask = _mask(photo, picture, box) if settings.mask else None
            caption = _caption(photo, picture, settings, captioner)
            for mirrored in (False, True) if settings.flip else (False,):
                file = out / f"{index:05}-{subindex}-{_safe_stem(source)}.png"
                yield _write(PreparedPhoto(file, source, caption, box), picture, mask, mirrored)
                subindex += 1


def _shaped(image: Image.Image, box: Box, size: int) -> Image.Image:
    left, top, right, bottom = box
    if right - left == bottom - top:
        return cut(image, box, size)
    return square(image, size, "none")


def _mask(photo: Photo, picture: Image.Image, box: Box) -> Image.Image | None:
    """Gives where the subject is in the squared picture (L, 255 inside): by alpha channel or plain background."""
    if photo.mask is not None:
        return _shaped(photo.mask, box, picture.width)
    inside = subject(picture)
    if inside is None:
        return None
    return Image.fromarray(inside.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(picture.width / 256))


def _caption(
    photo: Photo, picture: Image.Image, settings: PhotoSettings, captioner: Callable[[Image.Image], str] | None
) -> str | None:
    if photo.caption:
        return photo.caption
    if settings.caption == "filename":
        words = re.sub(r"^[\d\s_-]+", "", photo.path.stem).replace("_", " ")
        return " ".join(words.encode("utf-8", "ignore").decode().split()) or None
    if settings.caption == "blip" and captioner is not None:
        return " ".join(captioner(picture).split()) or None
    return None


def _write(prepared: PreparedPhoto, picture: Image.Image, mask: Image.Image | None, mirrored: bool) -> PreparedPhoto:
    """Writes one picture and what goes with it; the picture last, so that where it is, all of it is."""
    file = prepared.file
    beside = file.with_suffix(".txt") if prepared.caption else None
    mask_file = file.parent / MASK_FOLDER / file.name if mask is not None else None
    for path in (file, beside, mask_file):
        if path is not None and os.path.lexists(path):
            raise PhotoError(f"{printable(path)} exists and is never written over: name another folder, or empty it")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # pictures of people are nobody else's business
        if beside is not None:
            write_atomic(beside, f"{prepared.caption}\n")
        if mask_file is not None and mask is not None:
            _save(ImageOps.mirror(mask) if mirrored else mask, mask_file)
        _save(ImageOps.mirror(picture) if mirrored else picture, file)
    except OSError as error:
        why = error.strerror or str(error)
        raise PhotoError(f"{printable(file)} cannot be written ({why}): what was written before it is whole") from error
    return replace(prepared, mask=mask_file)


def _save(picture: Image.Image, file: Path) -> None:
    with atomic_path(file) as temporary:
        picture.save(temporary, "PNG")


def _safe_stem(source: Path) -> str:
    """Gives the source's stem as every file system takes it: no control or reserved characters, at most 200 bytes."""
    stem = source.stem.encode("utf-8", "replace").decode()
    stem = "".join("_" if letter in '<>:"/\\|?*' or not letter.isprintable() else letter for letter in stem)
    return stem.encode()[:_LONGEST_STEM].decode("utf-8", "ignore").rstrip(" .") or "photo"
