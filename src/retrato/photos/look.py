"""One photo looked at: its figures, and what is wrong with it in sentences.

Knows nothing of the rest of its set, save what it is told.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos import duplicates
from retrato.photos.advice import Figures
from retrato.photos.clothes import clothes
from retrato.photos.faces import BEST_SIDE, Face, find_faces, why_missing
from retrato.photos.framing import Box, Framing, framing, subject
from retrato.photos.measure import Exposure, Floats, Pixels, border, exposure, light, scaled_size, sharpness
from retrato.photos.photo import Photo, Refused, read_photo

Verdict = Literal["good", "doubtful", "refused"]

BLURRED = 0.24  # see `sharpness`; a blur of sigma 2 in a picture of 512 pixels
DARK, BRIGHT, FLAT = 70, 185, 40  # luma of 255, see `Exposure`
SMALLEST_FACE = 24  # pixels at the training size: three cells of Stable Diffusion's latents
_OPAQUE, _EDGE = 250, 9  # of 255; pixels, so that a cut's own edge reaches no figure
_SECOND = 0.5  # of the height of the largest face; smaller ones stand in the background


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures that a verdict rests on. `faces` counts the large ones, None where none were looked for.

    `sharpness` is the face's where there is one that is large enough to tell, else the picture's. With a mask, it and
    `exposure` are those of what lies well inside. `face` is the largest, `face_height` its pixels in the file's picture
    and `trained_face` at the training size.
    """

    file: Path
    size: tuple[int, int]
    sharpness: float
    exposure: Exposure
    fingerprint: Floats
    figures: Figures
    faces: int | None = None
    face: Face | None = None
    face_height: int | None = None
    trained_face: int | None = None
    bytes: int = 0


def look(file: Path, size: int, faces: Literal["none", "quick", "thorough"]) -> Measured | Refused:
    """Gives the figures about one file at the training size, or why it cannot be used."""
    try:
        photo = read_photo(file, shorter_side=size if faces == "none" else max(size, BEST_SIDE))
        is_blind = faces == "none" or why_missing() is not None  # which is no fault of the photo
        found = None if is_blind else find_faces(photo.image, thorough=faces == "thorough")
        return replace(measure(photo, size, found), bytes=file.stat().st_size)
    except PhotoError as error:
        return Refused(file, str(error))
    except OSError:  # it was there a moment ago
        return Refused(file, f"{printable(file.name)} is not there any more: put the picture back")


def lost(file: Path) -> Refused:
    """Gives the refusal of a file on which a process died."""
    name = printable(file.name)
    return Refused(
        file, f"{name} ended the process that read it (too little memory, or a broken picture): leave it out"
    )


def measure(photo: Photo, size: int, faces: tuple[Face, ...] | None = None) -> Measured:
    """Gives the figures about a photo, on a copy of its pixels with `size` of them on the shorter side."""
    image, scale = _reduced(photo.image, size)
    mask = photo.mask.resize(image.size) if photo.mask else None
    face = faces[0] if faces else None
    box = _scaled(face.box, scale) if face else None
    part = box if box and box[3] - box[1] >= 32 else None
    figures = Figures(
        framing(image, mask, box),
        None if mask else border(image),
        light(*_part(image, mask, box)),
        clothes(image, box, None if box else subject(image, mask)),
        face.turn if face else None,
    )
    whole = photo.original_size[1] / photo.image.height
    return Measured(
        photo.path,
        photo.original_size,
        sharpness(*_part(image, mask, part)),
        exposure(*_part(image, mask)),
        duplicates.fingerprint(image),
        figures,
        None if faces is None else sum(each.height >= _SECOND * faces[0].height for each in faces),
        face,
        round(face.height * whole) if face else None,
        round(face.height * size / min(photo.image.size)) if face else None,
    )


def framing_of(photo: Photo) -> Framing | None:
    """Gives how much of the person a photo shows, by its face where one can be found, else by its outline."""
    faces = () if why_missing() else find_faces(photo.image)
    return framing(photo.image, photo.mask, faces[0].box if faces else None)


def problems_of(
    found: Measured, size: int, duplicate: str | None, stranger: float | None, want_face: bool
) -> tuple[str, ...]:
    """Gives what is wrong with a photo, in sentences.

    `duplicate` is the sentence about a better copy, `stranger` how far its face is from the others', and `want_face`
    says that other photos of the set have faces: drawings have none, and that is not what is wrong with each of them.
    """
    problems = [duplicate] if duplicate else []
    width, height = found.size
    if min(width, height) < size:
        problems.append(f"small: {width}x{height} pixels, less than the {size} it will be trained at")
    if found.exposure.bright < DARK:
        problems.append("too dark: even its bright parts are nearly black")
    elif found.exposure.dark > BRIGHT:
        problems.append("too bright: even its dark parts are nearly white")
    elif found.exposure.bright - found.exposure.dark < FLAT:
        problems.append("flat: hardly any difference between its light and dark parts")
    elif found.sharpness < BLURRED:
        where = "its face" if found.face else "it"
        problems.append(f"blurred: {where} has no sharp edge at the training size")
    if found.faces == 0 and want_face:
        problems.append("no face found: it is turned away, covered or too small")
    if found.faces is not None and found.faces > 1:
        problems.append(f"{found.faces} faces: crop it to the one person, or it teaches a mixture")
    if found.trained_face is not None and found.trained_face < SMALLEST_FACE:
        problems.append(f"small face: {found.trained_face} pixels high at the training size, crop closer")
    if stranger is not None:
        problems.append(f"another person? The face differs from the others by {stranger:.2f} (one person: up to 0.6)")
    return tuple(problems)


def _part(image: Image.Image, mask: Image.Image | None, box: Box | None = None) -> tuple[Image.Image, Pixels | None]:
    """Gives what lies in the box, and which of its pixels [H, W] lie well inside the mask; None where hardly any do."""
    part = image.crop(box) if box else image
    if mask is None:
        return part, None
    core = mask.point(lambda value: 255 if value > _OPAQUE else 0).filter(ImageFilter.MinFilter(_EDGE))
    inside: Pixels = np.asarray(core.crop(box) if box else core) > 0
    return part, inside if inside.mean() > 0.02 else None


def _reduced(image: Image.Image, shorter_side: int) -> tuple[Image.Image, float]:
    scale = min(1.0, shorter_side / min(image.size))
    if scale == 1:
        return image, scale
    return image.resize(scaled_size(image, scale), Image.Resampling.LANCZOS, reducing_gap=3.0), scale


def _scaled(box: Box, scale: float) -> Box:
    left, top, right, bottom = (round(value * scale) for value in box)
    return (left, top, max(left + 1, right), max(top + 1, bottom))
