"""What can be said about a set of photos before anything is learned from it: a verdict on each, on all, and advice.

The advice is the known one for textual inversion: about twenty pictures, 3 full body, 5 half body and 12 close-ups, in
different clothes, poses, light and places. Without a face finder it cannot say who is in a picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retrato.errors import PhotoError
from retrato.photos import duplicates
from retrato.photos.advice import ENOUGH, set_advice
from retrato.photos.framing import Framing, framing
from retrato.photos.measure import Border, Exposure, Floats, border, exposure, sharpness
from retrato.photos.photo import Photo, Refused, list_photos, printable, read_photo

Verdict = Literal["good", "doubtful", "refused"]

FEWEST = 3
BLURRED = 0.24  # see `sharpness`; a blur of sigma 2 in a picture of 512 pixels
DARK, BRIGHT, FLAT = 70, 185, 40  # luma of 255, see `Exposure`


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """What was found out about one file: `problems` are sentences, `width` and `height` those of the upright picture.

    A refused file cannot be used (and has size 0 if it could not be read); a doubtful one can, but look at it first.
    `framing` is None where it cannot be told.
    """

    file: Path
    verdict: Verdict
    problems: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    framing: Framing | None = None


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """Verdicts on the photos in order of their names, one on the set, and what to add or to drop, in sentences."""

    photos: tuple[PhotoVerdict, ...]
    verdict: Verdict
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures that a verdict rests on."""

    file: Path
    size: tuple[int, int]
    sharpness: float
    exposure: Exposure
    border: Border
    fingerprint: Floats
    framing: Framing | None


def check_photos(folder: Path | str, *, size: int = 256) -> PhotoReport:
    """Gives the report on a folder of photos; `size` is the side in pixels of the pictures that will be trained on.

    One photo is in memory at a time. Raises PhotoError only where there is no folder or it holds no picture: whatever
    is wrong with the photos themselves stands in the report.
    """
    measured: list[Measured] = []
    refused: list[Refused] = []
    for path in list_photos(folder):
        try:
            measured.append(measure(read_photo(path, shorter_side=size)))
        except PhotoError as error:
            refused.append(Refused(path, str(error)))
    near = _neighbours(measured)
    verdicts = [_verdict(found, near.get(found.file), size) for found in measured]
    verdicts += [PhotoVerdict(each.file, "refused", (each.reason,)) for each in refused]
    reason = _untrainable([found.fingerprint for found in measured], refused)
    advice = set_advice(
        [found.framing for found in measured],
        [found.border for found in measured],
        doubtful=[printable(each.file.name, 40) for each in verdicts if each.verdict == "doubtful"],
        refused=[printable(each.file.name, 40) for each in refused],
    )
    good = sum(each.verdict == "good" for each in verdicts)
    overall: Verdict = "refused" if reason else "good" if good >= max(ENOUGH, len(verdicts) / 2) else "doubtful"
    return PhotoReport(
        tuple(sorted(verdicts, key=lambda each: each.file.name)), overall, ((reason,) if reason else ()) + tuple(advice)
    )


def require_trainable(photos: Sequence[Photo], refused: Sequence[Refused] = ()) -> None:
    """Raises PhotoError if nobody can be learned from these photos: fewer than three, or all copies of one or two.

    `refused` are the files that were left out before; the message names them, so that the reader knows why.
    """
    reason = _untrainable([duplicates.fingerprint(photo.image) for photo in photos], refused)
    if reason:
        raise PhotoError(reason)


def measure(photo: Photo) -> Measured:
    """Gives the figures about one photo, on its pixels as they are: reduce it to the training size first."""
    image = photo.image
    return Measured(
        photo.path,
        photo.original_size,
        sharpness(image),
        exposure(image),
        border(image),
        duplicates.fingerprint(image),
        framing(image, photo.mask),
    )


def _untrainable(prints: Sequence[Floats], refused: Sequence[Refused]) -> str | None:
    """Gives the sentence that says why nobody can be learned, None if somebody can."""
    reasons = [each.reason for each in refused[:3]] + ["…"] * (len(refused) > 3)
    left_out = f" ({'; '.join(reasons)})" if reasons else ""
    if len(prints) < FEWEST:
        found = ("no usable photo", "one usable photo", "two usable photos")[len(prints)]
        return f"found {found}{left_out}, wanted at least {FEWEST} of one person, better 20: add some"
    different = len(duplicates.groups(prints, duplicates.SAME))
    if different == 1:
        return f"all {len(prints)} photos are the same picture, wanted at least {FEWEST} different ones: add others"
    if different < FEWEST:
        return f"the {len(prints)} photos are copies of {different} pictures, wanted at least {FEWEST}: add others"
    return None


def _neighbours(measured: Sequence[Measured]) -> dict[Path, str]:
    """Gives, for every photo that is nearly the same as a better one (larger, sharper), the sentence that says so."""
    found = {}
    prints = [each.fingerprint for each in measured]
    for group in duplicates.groups(prints, duplicates.NEAR):
        best = max(group, key=lambda at: (min(measured[at].size), measured[at].sharpness))
        for other in group:
            if other == best:
                continue
            how = "nearly the same picture as"
            if duplicates.distance(prints[best], prints[other]) <= duplicates.SAME:
                how = "the same picture as"
            if duplicates.is_mirror_image(prints[best], prints[other]):
                how = f"mirrored, {how}"
            found[measured[other].file] = f"{how} {printable(measured[best].file.name)}, which is the better one"
    return found


def _verdict(found: Measured, duplicate: str | None, size: int) -> PhotoVerdict:
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
        problems.append("blurred: it has no sharp edge at the training size")
    verdict: Verdict = "doubtful" if problems else "good"
    return PhotoVerdict(found.file, verdict, tuple(problems), width, height, found.framing)
