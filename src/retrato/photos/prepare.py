"""Writes training pictures from a folder of photos: upright, cut, of one size, with captions and masks beside them.

The layout of names is A1111's (`00000-0-original.png` and `.txt`, preprocess tab of 1.6), so that other programs find
what they know. Originals are only read, and nothing that exists is written over; a second run does only what is new.
Knows no model: who wants automatic captions passes the function that makes them.
"""

import io
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from retrato.errors import PhotoError
from retrato.files import printable, write_atomic
from retrato.photos.faces import why_missing
from retrato.photos.framing import Box, Framing
from retrato.photos.journal import NAME as JOURNAL
from retrato.photos.journal import WRITTEN, Begun, Journal
from retrato.photos.look import lost
from retrato.photos.parallel import spread
from retrato.photos.photo import MASK_SUFFIX, Refused, list_photos
from retrato.photos.words import caption_words, framed, name_words
from retrato.photos.working_copy import WorkingCopies, WorkingCopy, working_copies
from retrato.settings import PhotoSettings

Captioner = Callable[[Image.Image], str]

_LONGEST_NAME = 200  # bytes; most file systems take names of 255


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """One picture that was written: `file` from `source`, of which it shows `box` (left, top, right, bottom).

    `box` is in pixels of the upright source; `mask` is the picture beside `file` that is white where the subject is.
    `notes` are sentences about what was not as asked for. Of a picture that an earlier run wrote, `is_new` is False,
    and only `file` and `source` are known.
    """

    file: Path
    source: Path
    caption: str | None
    box: Box | None
    mask: Path | None = None
    framing: Framing | None = None
    notes: tuple[str, ...] = ()
    is_new: bool = True


def prepare(
    folder: Path | str,
    out: Path | str,
    settings: PhotoSettings,
    *,
    captioner: Captioner | None = None,
    processes: int = 1,
) -> Generator[PreparedPhoto | Refused, None, None]:
    """Gives, photo by photo, the pictures written to `out` and the files that could not be used.

    A caption in a .txt beside the photo goes with it as `settings.existing_caption` says; `settings.caption` says where
    that of the others comes from. What an earlier run with the same settings has written there is left as it is. Raises
    PhotoError at once, and writes nothing, if the photos or the folder to write to will not do or a setting needs what
    is missing. For `processes` see `retrato.photos.parallel`; each holds at most two photos.
    """
    folder, out = Path(folder), Path(out)
    _require_supported(settings, captioner)
    sources = list_photos(folder)
    _require_free(folder, out)
    journal = Journal(out, settings.model_dump())
    return _prepared(sources, journal, settings, captioner, processes)


def _require_supported(settings: PhotoSettings, captioner: Captioner | None) -> None:
    if settings.crop == "face" and (missing := why_missing()):
        raise PhotoError(f"crop is face, but {missing}; or use focal, center, or none to cut nothing off")
    if settings.face_share and settings.crop != "face":
        raise PhotoError(f"face_share is {settings.face_share}, which needs crop face: crop is {settings.crop}")
    if settings.caption == "blip" and captioner is None:
        raise PhotoError("caption is blip, but no captioner was given: use filename or none, or write .txt files")
    if settings.mask_folder is not None and not settings.mask:
        raise PhotoError("mask_folder is given without mask, so it would not be used: add mask")
    if settings.mask_folder is not None and not Path(settings.mask_folder).is_dir():
        raise PhotoError(f"there is no folder of masks {printable(settings.mask_folder)}: name the one that holds them")


def _require_free(folder: Path, out: Path) -> None:
    """Raises PhotoError unless `out` is another folder, or none yet, without pictures that no journal tells of."""
    source, target = (Path(os.path.realpath(path)) for path in (folder, out))
    if target == source or source in target.parents:
        raise PhotoError(f"{printable(out)} is the photos' own folder or lies in it: name one outside of it")
    if target.exists() and not target.is_dir():
        raise PhotoError(f"{printable(out)} is a file, wanted a folder to write to: name another one")
    taken = sorted(name for name in os.listdir(target) if WRITTEN.fullmatch(name)) if target.exists() else []
    if taken and not (target / JOURNAL).exists():
        raise PhotoError(
            f"{printable(out)} already holds {len(taken)} prepared files such as {printable(taken[0])}, "
            "which are never written over: name another folder, or empty it"
        )


def _prepared(
    sources: Sequence[Path],
    journal: Journal,
    settings: PhotoSettings,
    captioner: Captioner | None,
    processes: int,
) -> Generator[PreparedPhoto | Refused, None, None]:
    new: list[Path] = []
    for source in sources:
        try:
            begun = journal.find(source)
        except PhotoError as error:
            yield Refused(source, str(error))
            continue
        if begun is None or not all((journal.folder / name).exists() for name in begun.pictures):
            new.append(source)
        else:
            yield from (
                PreparedPhoto(journal.folder / name, source, None, None, is_new=False) for name in begun.pictures
            )
    faces = why_missing() is None and (
        settings.crop in ("face", "focal") or settings.mask or settings.caption == "blip"
    )
    work = partial(working_copies, settings=settings, faces=faces)
    for found in spread(work, new, processes, lost):
        if isinstance(found, Refused):
            yield found
            continue
        try:
            written = _write_all(found, journal, settings, captioner)
        except _Gone as error:
            yield Refused(found.source, str(error))
            continue
        yield from written


class _Gone(Exception):
    """The photo was taken away while it was worked on; the message says so."""


def _write_all(
    found: WorkingCopies, journal: Journal, settings: PhotoSettings, captioner: Captioner | None
) -> list[PreparedPhoto]:
    """Writes the copies of one photo under the names that the journal has for them, or new ones."""
    captions = [_caption(found, copy, settings, captioner) for copy in found.copies]
    _make_folder(journal.folder)
    begun = _begun(found, captions, journal, settings)
    written = []
    for at, (copy, name, caption) in enumerate(zip(found.copies, begun.pictures, captions, strict=True)):
        prepared = PreparedPhoto(
            journal.folder / name, found.source, caption, copy.box, None, copy.framing, found.notes if at == 0 else ()
        )
        written.append(_write(prepared, copy, settings.caption_in == "txt"))
    return written


def _begun(found: WorkingCopies, captions: Sequence[str | None], journal: Journal, settings: PhotoSettings) -> Begun:
    """Gives the journal's entry of a photo, made now unless a killed run has made it."""
    try:
        begun = journal.find(found.source)
        if begun is not None and len(begun.pictures) == len(found.copies):
            return begun
        number = journal.next_number()
        names = []
        for at, caption in enumerate(captions):
            last = caption if settings.caption_in == "name" and caption else found.source.stem
            names.append(f"{number:05}-{at}-{name_words(last, _LONGEST_NAME)}.png")
        for name in names:
            _require_new(journal.folder / name)
        journal.add(found.source, number, tuple(names))
    except PhotoError as error:
        if found.source.exists():
            raise
        raise _Gone(str(error)) from None
    except OSError as error:
        if not found.source.exists():
            raise _Gone(f"{printable(found.source.name)} is not there any more: put it back") from None
        raise _unwritable(journal.folder / JOURNAL, error) from error
    entry = journal.find(found.source)
    assert entry is not None
    return entry


def _caption(
    found: WorkingCopies, copy: WorkingCopy, settings: PhotoSettings, captioner: Captioner | None
) -> str | None:
    action = settings.existing_caption
    existing = None if action == "ignore" else found.caption
    if existing and action == "copy":
        return existing
    new = None
    if settings.caption == "filename":
        new = caption_words(found.source.stem)
    elif settings.caption == "blip" and captioner is not None:
        new = " ".join(captioner(Image.open(io.BytesIO(copy.picture))).split()) or None
        if settings.framing_words:
            new = framed(new, copy.framing)
    parts = (existing, new) if action == "prepend" else (new, existing)
    return ", ".join(part for part in parts if part) or None


def _write(prepared: PreparedPhoto, copy: WorkingCopy, caption_beside: bool) -> PreparedPhoto:
    """Writes one picture and what goes with it; the picture last, so that where it is, all of it is.

    What is there already was written by the run that this one goes on with, or changed by the user since: it stays.
    """
    file = prepared.file
    mask_file = file.with_name(f"{file.stem}{MASK_SUFFIX}") if copy.mask is not None else None
    beside = file.with_suffix(".txt")
    try:
        if prepared.caption and caption_beside and not os.path.lexists(beside):
            write_atomic(beside, f"{prepared.caption}\n")
        if mask_file is not None and copy.mask is not None and not os.path.lexists(mask_file):
            write_atomic(mask_file, copy.mask)
        if not os.path.lexists(file):
            write_atomic(file, copy.picture)
    except OSError as error:
        raise _unwritable(file, error) from error
    return replace(prepared, mask=mask_file)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # pictures of people are nobody else's business
    except OSError as error:
        raise _unwritable(folder, error) from error


def _require_new(path: Path) -> None:
    for each in (path, path.with_suffix(".txt"), path.with_name(f"{path.stem}{MASK_SUFFIX}")):
        if os.path.lexists(each):
            raise PhotoError(f"{printable(each)} exists and is never written over: name another folder, or empty it")


def _unwritable(path: Path, error: OSError) -> PhotoError:
    why = error.strerror or str(error)
    return PhotoError(f"{printable(path)} cannot be written ({why}): what was written before it is whole")
