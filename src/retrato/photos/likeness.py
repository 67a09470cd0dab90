"""How near the faces in drawn pictures are to those in a person's photos, and what each distance is worth.

Only for photos: in drawings hardly any face is found. Needs the `faces` extra. Knows nothing of how pictures are drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from PIL import Image

from retrato.errors import PhotoError
from retrato.photos.faces import BEST_SIDE, Face, find_faces, identity_distance
from retrato.photos.photo import read_photo

Quality = Literal["clear", "unclear", "none"]


@dataclass(frozen=True, slots=True)
class FaceDistance:
    """How far the largest face of a picture is from those in the photos: the median, up to about 0.6 one person.

    `quality` is `clear`, or `unclear` where the face is too small or soft for the distance to mean much, or `none`
    where no face was found; then there is no distance.
    """

    distance: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class KnownFaces:
    """The clear faces in a person's photos, two at least, and how far they are from one another: the median."""

    faces: tuple[Face, ...]
    among_themselves: float

    def distance_to(self, picture: Image.Image) -> FaceDistance:
        """Gives how far a picture's largest face is from these."""
        found = find_faces(picture)
        if not found:
            return FaceDistance(None, "none")
        distance = median(identity_distance(found[0], face) for face in self.faces)
        return FaceDistance(distance, "clear" if found[0].is_clear else "unclear")


def known_faces(files: Sequence[Path]) -> KnownFaces:
    """Gives the faces in the photos `files`.

    Raises PhotoError with the reason where distances would mean nothing: no face finder is installed, most photos show
    no face (as with drawings), fewer than two show a clear one, or one cannot be read.
    """
    found = [face for face in map(_largest_face, files) if face is not None]
    if len(found) * 2 <= len(files):
        raise PhotoError(
            f"a face was found in {len(found)} of {len(files)} photos, and distances take most of them; in drawings "
            "hardly any is found, and nothing is missing there"
        )
    clear = [face for face in found if face.is_clear]
    if len(clear) < 2:
        raise PhotoError(
            f"{len(clear)} of {len(files)} photos shows a face that is large and sharp enough to compare, wanted two"
        )
    pairs = [identity_distance(one, other) for at, one in enumerate(clear) for other in clear[:at]]
    return KnownFaces(tuple(clear), median(pairs))


def _largest_face(file: Path) -> Face | None:
    """Gives the largest face in a photo, read anew as large as faces want it."""
    faces = find_faces(read_photo(file, shorter_side=BEST_SIDE).image)
    return faces[0] if faces else None
