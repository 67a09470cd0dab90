"""What can be said about a set of photos before anything is learned from it: a verdict on each, on all, and advice.

The advice is the known one for textual inversion: about twenty pictures, 3 full body, 5 half body and 12 close-ups, in
different clothes, poses, light and places. Without a face finder it cannot say who is in a picture. What is measured on
each photo stands in `look`.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos import duplicates
from retrato.photos.advice import ENOUGH, set_advice
from retrato.photos.faces import strangers, why_missing
from retrato.photos.framing import Framing
from retrato.photos.look import Measured, Verdict, look, lost, problems_of
from retrato.photos.measure import Floats
from retrato.photos.parallel import spread
from retrato.photos.photo import Photo, Refused, list_photos

FEWEST = 3


@dataclass(frozen=True, slots=True)
class PhotoVerdict:
    """What was found out about one file: `problems` are sentences, `width` and `height` those of the upright picture.

    A refused file cannot be used (and has size 0 if it could not be read); a doubtful one can, but look at it first.
    `framing` is None where it cannot be told. `faces` is how many were found, None where none were looked for;
    `face_height` is that of the largest, in pixels of the picture.
    """

    file: Path
    verdict: Verdict
    problems: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    framing: Framing | None = None
    faces: int | None = None
    face_height: int | None = None


@dataclass(frozen=True, slots=True)
class PhotoReport:
    """Verdicts on the photos in order of their names, one on the set, and what to add or to drop, in sentences.

    `not_looked_for` says why no faces were looked for, None where they were.
    """

    photos: tuple[PhotoVerdict, ...]
    verdict: Verdict
    advice: tuple[str, ...]
    not_looked_for: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """One photo was looked at: `done` of `total`."""

    file: Path
    done: int
    total: int


def check_photos(folder: Path | str, *, size: int = 256, faces: bool = True, processes: int = 1) -> PhotoReport:
    """Gives the report on a folder of photos; `size` is the side in pixels of the pictures that will be trained on.

    One photo per process is in memory at a time. `faces`: look for them, if the `faces` extra is there. Raises
    PhotoError only where there is no folder or it holds no picture: whatever is wrong with the photos themselves stands
    in the report. For `processes` see `retrato.photos.parallel`.
    """
    *_, report = checking(folder, size=size, faces=faces, processes=processes)
    assert isinstance(report, PhotoReport)
    return report


def checking(
    folder: Path | str, *, size: int = 256, faces: bool = True, processes: int = 1
) -> Generator[Looked | PhotoReport, None, None]:
    """Does what `check_photos` does, and says after each photo how far it is; the report comes last."""
    not_looked_for = why_missing() if faces else "faces were not asked for"
    paths = list_photos(folder)
    found: dict[Path, Measured | Refused] = {}
    work = partial(look, size=size, faces="none" if not_looked_for else "quick")
    for each in spread(work, paths, processes, lost):
        found[each.file] = each
        yield Looked(each.file, len(found), len(paths))
    # Looking closely takes a second each, and in drawings there is nothing to see.
    if _are_photographs([each for each in found.values() if isinstance(each, Measured)]):
        hidden = [file for file, each in found.items() if isinstance(each, Measured) and each.faces == 0]
        for each in spread(partial(look, size=size, faces="thorough"), hidden, processes, lost):
            found[each.file] = each
            yield Looked(each.file, len(paths), len(paths))
    measured = [each for each in found.values() if isinstance(each, Measured)]
    refused = [each for each in found.values() if isinstance(each, Refused)]
    yield _report(measured, refused, size, not_looked_for)


def _report(
    measured: Sequence[Measured], refused: Sequence[Refused], size: int, not_looked_for: str | None
) -> PhotoReport:
    near = _neighbours(measured)
    have_faces = _are_photographs(measured)
    others = strangers([found.face for found in measured]) if have_faces else {}
    verdicts = [
        _verdict(found, problems_of(found, size, near.get(found.file), others.get(at), have_faces))
        for at, found in enumerate(measured)
    ]
    verdicts += [PhotoVerdict(each.file, "refused", (each.reason,)) for each in refused]
    reason = _untrainable([found.fingerprint for found in measured], refused)
    advice = set_advice(
        [found.figures for found in measured],
        doubtful=[printable(each.file.name, 40) for each in verdicts if each.verdict == "doubtful"],
        refused=[printable(each.file.name, 40) for each in refused],
    )
    if not_looked_for is None and measured and not have_faces:
        advice.append("Too few faces were found (in drawings hardly any is): nobody checked who is in the photos.")
    good = sum(each.verdict == "good" for each in verdicts)
    overall: Verdict = "refused" if reason else "good" if good >= max(ENOUGH, len(verdicts) / 2) else "doubtful"
    return PhotoReport(
        tuple(sorted(verdicts, key=lambda each: each.file.name)),
        overall,
        ((reason,) if reason else ()) + tuple(advice),
        not_looked_for,
    )


def require_trainable(photos: Sequence[Photo], refused: Sequence[Refused] = ()) -> None:
    """Raises PhotoError if nobody can be learned from these photos: fewer than three, or all copies of one or two.

    `refused` are the files that were left out before; the message names them, so that the reader knows why.
    """
    reason = _untrainable([duplicates.fingerprint(photo.image) for photo in photos], refused)
    if reason:
        raise PhotoError(reason)


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
    """Gives, for every photo that is nearly the same as a better one, the sentence that says so."""
    found = {}
    prints = [each.fingerprint for each in measured]
    for group in duplicates.groups(prints, duplicates.NEAR):
        best = max(group, key=lambda at: _worth(measured[at]))
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


def _are_photographs(measured: Sequence[Measured]) -> bool:
    """Says whether most have a face. Of drawings a few seem to, and a missing one says nothing against the others."""
    return sum(bool(each.faces) for each in measured) * 2 > len(measured)


def _worth(found: Measured) -> tuple[int, bool, int]:
    """Gives what makes one of several copies the better: more pixels, no losses, more bytes, which blur costs too."""
    return min(found.size), found.file.suffix.lower() in (".png", ".tif", ".tiff", ".bmp"), found.bytes


def _verdict(found: Measured, problems: tuple[str, ...]) -> PhotoVerdict:
    return PhotoVerdict(
        found.file,
        "doubtful" if problems else "good",
        problems,
        *found.size,
        framing=found.figures.framing,
        faces=found.faces,
        face_height=found.face_height,
    )
