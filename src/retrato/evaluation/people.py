"""Who is evaluated: folders of photos, and which of a person's photos are kept for the judgement.

Knows nothing of models.
"""

from dataclasses import dataclass
from pathlib import Path

from retrato.errors import PhotoError
from retrato.photos import Photo, read_photos
from retrato.photos.photo import SUFFIXES
from retrato.training.split import split_photos

LEAST_PHOTOS = 5  # three to train on, one to stop and pick by, one to judge by


@dataclass(frozen=True, slots=True)
class Person:
    """One person: `learned` are the photos that training gets, `judged_by` those that it never sees."""

    name: str
    learned: tuple[Photo, ...]
    judged_by: tuple[Photo, ...]


def find_people(folder: Path, held_out: int | None, seed: int, shorter_side: int | None = None) -> list[Person]:
    """Gives the person whose photos lie in `folder`, or, where it holds folders, one person for each of them.

    `held_out` photos of each (by default a quarter) are kept for the judgement, near-duplicates together and framings
    in their share (see `split.split_photos`). Raises PhotoError for a folder without photos and for too few of them.
    """
    if not folder.is_dir():
        raise PhotoError(f"there is no folder {folder}: name one with photos of a person, or with a folder for each")
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    has_photos = any(entry.suffix.lower() in SUFFIXES for entry in entries)
    if has_photos and folders:
        raise PhotoError(
            f"{folder} holds photos and folders: one person's photos, or a folder for each person, but not both"
        )
    return [_person(one, held_out, seed, shorter_side) for one in (folders or [folder])]


def _person(folder: Path, held_out: int | None, seed: int, shorter_side: int | None) -> Person:
    photos, _ = read_photos(folder, shorter_side=shorter_side)
    if len(photos) < LEAST_PHOTOS:
        raise PhotoError(f"{folder} has {len(photos)} usable photos: evaluation wants at least {LEAST_PHOTOS}")
    kept = len(photos) // 4 if held_out is None else held_out
    most = len(photos) - LEAST_PHOTOS + 1
    if kept > most:
        raise PhotoError(f"{folder} has {len(photos)} usable photos, so at most {most} can be held out, not {kept}")
    split = split_photos(photos, kept, seed)
    if not split.held_out:
        raise PhotoError(
            f"the photos in {folder} are all nearly alike: none can judge what was learned from the others"
        )
    return Person(
        name=folder.resolve().name,
        learned=tuple(photos[index] for index in split.trained),
        judged_by=tuple(photos[index] for index in split.held_out),
    )
