"""Faces: where they are, which way they look, and how alike two of them are. Needs the `faces` extra.

The extra brings dlib and three of its models, all in the public domain (CC0), inside wheels: a CNN that finds faces,
five landmarks, and a network whose 128 numbers are near one another for pictures of one person. The package's fourth
model, 68 landmarks, was trained on pictures for research only, and is never opened. Knows nothing of sets and advice.
"""

import contextlib
import ctypes
import functools
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrato.errors import PhotoError
from retrato.files import WINDOWS
from retrato.photos.framing import Box
from retrato.photos.measure import Floats, scaled_size, sharpness

logger = logging.getLogger("retrato")

INSTALL = 'install it with: pip install "retrato[faces]"'
SAME_PERSON = 0.6  # distance of identities up to which dlib calls two faces one person's; holds for sharp faces
SHARP_ENOUGH = 0.12  # see `sharpness`, on a face of 150 pixels; below, and below 40 pixels, distances mean little
SMALLEST_FACE = 40
BEST_SIDE = 800  # pixels on the shorter side of a picture to look in: more take longer and show no more

_LOOKED_AT = 400  # pixels on the shorter side in which faces are looked for
_LONGEST = 900
_CLEAR = 90  # the height in pixels at which the CNN knows a face best
_DOUBTFUL = -0.2  # what the quick detector may be unsure of, as the CNN decides
_MOST_CANDIDATES = 6
# dlib's own quick detector as its `save` writes it: from this file it is there in 1 ms, unpacked by dlib in 300.
_QUICK = Path(__file__).with_name("frontal_faces.svm")


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a picture: `box` in its pixels, from the brows to the chin; `confidence` about 1 for a clear one.

    `turn` is where the nose is between the eyes, -0.5 looking far to the picture's left, 0 to the front, 0.5 right;
    `tilt` in degrees, clockwise. `identity` are 128 numbers, `is_clear` says whether their distances mean anything.
    """

    box: Box
    confidence: float
    turn: float
    tilt: float
    identity: Floats
    is_clear: bool

    @property
    def height(self) -> int:
        """Gives the height of the box in pixels."""
        return self.box[3] - self.box[1]


def why_missing() -> str | None:
    """Gives the sentence that says what to install before faces can be found, None if they can be.

    A face finder that is there and cannot be loaded is as good as none; that is logged too, once.
    """
    return _not_installed() or _not_loaded()


def _not_installed() -> str | None:
    missing = [name for name in ("dlib", "face_recognition_models") if importlib.util.find_spec(name) is None]
    return f"there is no face finder in this installation ({' and '.join(missing)}): {INSTALL}" if missing else None


@functools.cache
def _not_loaded() -> str | None:
    try:
        _finders()
    except PhotoError as error:
        logger.warning("no faces are looked for: %s", error)
        return str(error)
    return None


def find_faces(image: Image.Image, *, thorough: bool = False) -> tuple[Face, ...]:
    """Gives the faces in an RGB picture, the largest first; raises PhotoError where `why_missing` says something.

    A quick detector (HOG) proposes, the CNN decides on what it proposed. If nothing stands and the search is to be
    `thorough`, the CNN looks everywhere, which takes ten times as long. A second face in the background that only the
    CNN would see can be missed. Give it about BEST_SIDE pixels on the shorter side.
    """
    pixels = np.asarray(image.convert("RGB"))
    small, scale = _reduced(image)
    faces = [_face(image, pixels, box, confidence, scale) for box, confidence in _found(small, thorough)]
    return tuple(sorted(faces, key=lambda face: -face.height))


def find_largest_box(image: Image.Image, *, thorough: bool = False) -> Box | None:
    """Gives the box of the face that `find_faces` gives first, None where there is none; whose it is, is not asked."""
    small, scale = _reduced(image)
    boxes = [_in_full(box, scale, image.size) for box, _ in _found(small, thorough)]
    return max(boxes, key=lambda box: box[3] - box[1], default=None)


def identity_distance(one: Face, other: Face) -> float:
    """Gives how different two faces are: up to about 0.6 one person, 0.7 and more different people."""
    return float(np.linalg.norm(one.identity - other.identity))


def strangers(faces: Sequence[Face | None]) -> dict[int, float]:
    """Gives the positions of faces that are probably another person's, each with its distance from the others.

    The distance is the median to all other clear faces. Says nothing about faces that are not clear, and nothing at
    all where fewer than three are or where the set has no majority of one person.
    """
    clear = [at for at, face in enumerate(faces) if face is not None and face.is_clear]
    if len(clear) < 3:
        return {}
    known = np.array([face.identity for face in faces if face is not None and face.is_clear])
    distances = np.linalg.norm(known[:, None] - known[None], axis=2)
    middle = int((distances <= SAME_PERSON).sum(axis=1).argmax())
    family = distances[middle] <= SAME_PERSON
    if family.sum() * 2 <= len(clear):
        return {}
    found = {}
    for row, at in enumerate(clear):
        if not family[row]:
            typical = float(np.median(distances[row][family]))
            if typical > SAME_PERSON:
                found[at] = typical
    return found


@dataclass(frozen=True, slots=True)
class _Finders:
    """dlib's detectors; nothing in them changes."""

    quick: Any
    network: Any


@dataclass(frozen=True, slots=True)
class _Readers:
    """What dlib reads in a face that was found; nothing in them changes."""

    landmarks: Any
    identity: Any


@functools.cache  # once per process; what reads faces is only there where one was found
def _finders() -> _Finders:
    folder = _folder()
    with _readable(folder):
        import dlib

        network = dlib.cnn_face_detection_model_v1(_for_dlib(folder / "mmod_human_face_detector.dat"))
        return _Finders(_quick(dlib), network)


@functools.cache
def _readers() -> _Readers:
    folder = _folder()
    with _readable(folder):
        import dlib

        return _Readers(
            dlib.shape_predictor(_for_dlib(folder / "shape_predictor_5_face_landmarks.dat")),
            dlib.face_recognition_model_v1(_for_dlib(folder / "dlib_face_recognition_resnet_model_v1.dat")),
        )


def _quick(dlib: Any) -> Any:
    try:
        return dlib.fhog_object_detector(_for_dlib(_QUICK))
    except RuntimeError:  # a dlib that writes it in another way
        return dlib.get_frontal_face_detector()


def _for_dlib(path: Path) -> str | bytes:
    """Gives a path as dlib can open it: on Windows it takes the UTF-8 of a text for letters of the system's code page.

    So it gets those, as bytes; where the code page lacks a letter, the short name (8.3) that Windows keeps beside it.
    """
    name = str(path)
    if not WINDOWS or name.isascii():
        return name
    try:
        return name.encode("mbcs")
    except UnicodeEncodeError:
        return _short_name(name).encode("mbcs", "replace")


def _short_name(name: str) -> str:
    """Gives the name by which Windows knows a file beside its own, itself where the disk keeps none."""
    system: Any = vars(ctypes)["windll"].kernel32
    short = ctypes.create_unicode_buffer(1 << 15)
    return short.value if system.GetShortPathNameW(name, short, len(short)) else name


def _folder() -> Path:
    """Gives where the models are; raises PhotoError where they or dlib are missing."""
    if missing := _not_installed():
        raise PhotoError(missing)
    spec = importlib.util.find_spec("face_recognition_models")  # importing it would want setuptools
    return Path(((spec and spec.submodule_search_locations) or [""])[0]) / "models"


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except ImportError as error:  # it is there, but a library that it needs is not
        raise PhotoError(f"the face finder cannot be loaded ({error}): {INSTALL}") from None
    except RuntimeError as error:
        raise PhotoError(f"the face finder's models in {folder} cannot be read ({error}): {INSTALL}") from None


def _found(image: Image.Image, thorough: bool) -> list[tuple[Box, float]]:
    """Gives the boxes of the faces in a reduced picture, each with its confidence."""
    finders = _finders()
    boxes = _confirmed(finders, image)
    if thorough and not boxes:
        boxes = _by_network(finders, np.asarray(image), image.size)
    return boxes


def _reduced(image: Image.Image) -> tuple[Image.Image, float]:
    scale = min(1.0, _LOOKED_AT / min(image.size), _LONGEST / max(image.size))
    size = scaled_size(image, scale)
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), scale


def _confirmed(finders: _Finders, image: Image.Image) -> list[tuple[Box, float]]:
    """Gives the quick detector's faces that the CNN sees too, in its boxes."""
    found, scores, _ = finders.quick.run(np.asarray(image), 1, _DOUBTFUL)
    kept: list[tuple[Box, float]] = []
    for proposed, _ in sorted(zip(found, scores, strict=True), key=lambda each: -each[1])[:_MOST_CANDIDATES]:
        side = proposed.height() * 2.2
        middle = ((proposed.left() + proposed.right()) / 2, (proposed.top() + proposed.bottom()) / 2)
        corner = (round(middle[0] - side / 2), round(middle[1] - side / 2))
        scale = _CLEAR / proposed.height()
        part = image.crop((*corner, corner[0] + round(side), corner[1] + round(side)))
        part = part.resize((round(side * scale),) * 2, Image.Resampling.BICUBIC)
        for box, confidence in _by_network(finders, np.asarray(part), part.size):
            moved = tuple(round(value / scale) + corner[at % 2] for at, value in enumerate(box))
            box = _inside((moved[0], moved[1], moved[2], moved[3]), image.size)
            if not any(_overlap(box, other) > 0.3 for other, _ in kept):
                kept.append((box, confidence))
    return kept


def _by_network(finders: _Finders, pixels: NDArray[np.uint8], size: tuple[int, int]) -> list[tuple[Box, float]]:
    found = finders.network(np.ascontiguousarray(pixels), 0)
    boxes = [(each.rect.left(), each.rect.top(), each.rect.right() + 1, each.rect.bottom() + 1) for each in found]
    return [
        (_inside(box, size), float(each.confidence))
        for box, each in zip(boxes, found, strict=True)
        if _shows(box, size)
    ]


def _shows(box: Box, size: tuple[int, int]) -> bool:
    """Says whether at least half of a box lies in the picture."""
    left, top, right, bottom = _inside(box, size)
    return (right - left) * (bottom - top) * 2 >= (box[2] - box[0]) * (box[3] - box[1])


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, top = (min(max(box[at], 0), size[at] - 1) for at in (0, 1))
    return (left, top, max(left + 1, min(box[2], size[0])), max(top + 1, min(box[3], size[1])))


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / min(areas)


def _in_full(box: Box, scale: float, size: tuple[int, int]) -> Box:
    """Gives a reduced picture's box in the pixels of the one of `size`."""
    left, top, right, bottom = (round(value / scale) for value in box)
    return _inside((left, top, right, bottom), size)


def _face(image: Image.Image, pixels: NDArray[np.uint8], box: Box, confidence: float, scale: float) -> Face:
    import dlib

    models = _readers()
    full = _in_full(box, scale, image.size)
    shape = models.landmarks(pixels, dlib.rectangle(full[0], full[1], full[2] - 1, full[3] - 1))
    # Outer and inner corner of the eye on the picture's right, then on its left, then the base of the nose.
    points = np.array([(shape.part(at).x, shape.part(at).y) for at in range(5)], dtype=np.float64)
    first, second, nose = points[:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    line = first - second
    length = max(float(np.linalg.norm(line)), 1.0)
    turn = float((nose - (first + second) / 2) @ line) / length**2
    tilt = float(np.degrees(np.arctan2(line[1], line[0])))
    chip = dlib.get_face_chip(pixels, shape)
    identity = np.array(models.identity.compute_face_descriptor(chip))
    is_clear = full[3] - full[1] >= SMALLEST_FACE and sharpness(Image.fromarray(chip)) >= SHARP_ENOUGH
    return Face(full, confidence, turn, tilt, identity, is_clear)
