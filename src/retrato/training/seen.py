"""Which photos something was learned from, by their pixels: what its own file says, else what runs here wrote down.

Knows nothing of what follows from it.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from retrato.embeddings.embedding import FINGERPRINTS, READ_AT
from retrato.errors import EmbeddingError, HypernetworkError
from retrato.hypernetworks import Hypernetwork
from retrato.photos import Photo, read_photos
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training.learnable import Artefact, is_same, read_artefact
from retrato.training.run_folder import is_run_of

DIGITS = 8  # of a hash: enough to know a photo again by, and twenty of them are 180 bytes

Seen = Mapping[int | None, frozenset[str]]


def photo_hash(photo: Photo) -> str:
    """Gives what tells a photo's pixels, and its mask if it has one, from any others."""
    digest = hashlib.sha256(photo.image.tobytes())
    if photo.mask is not None:
        digest.update(photo.mask.tobytes())
    return digest.hexdigest()


def fingerprints(hashes: Iterable[str], read_at: int) -> dict[str, str]:
    """Gives what a file says about the photos of these hashes: the same in whatever order they come.

    `read_at` is the shorter side in pixels that they were read at: at another size a photo has other pixels.
    """
    return {FINGERPRINTS: " ".join(sorted({each[:DIGITS] for each in hashes})), READ_AT: str(read_at)}


def names_seen(artefact: Artefact, file: Path, photos: Path | str, runs: Path, size: int) -> list[str]:
    """Gives the names of those in the folder `photos` that `artefact` is known to have been trained or picked with.

    `file`, `runs` are as in `seen_photos`; `size` is the shorter side to read at where nobody knows which it was.
    """
    names: set[str] = set()
    for side, known in seen_photos(artefact, file, runs).items():
        as_then, _ = read_photos(photos, shorter_side=side or size)
        names |= {photo.path.name for photo in as_then if photo_hash(photo)[:DIGITS] in known}
    return sorted(names)


def seen_photos(artefact: Artefact, file: Path, runs: Path) -> Seen:
    """Gives the fingerprints of the photos that `artefact` was trained or picked with, as far as that is known.

    They stand under the shorter side that the photos were read at, None where an older run does not say it. A file of
    before there were fingerprints is known by its place, where there is a `file`, and by name or numbers among `runs`,
    the `textual_inversion` folder.
    """
    if said := _said(artefact.metadata):
        return said
    seen: dict[int | None, frozenset[str]] = {}
    for run in _runs_of(artefact, file, runs):
        for manifest in run.glob("checkpoints/*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, AttributeError, TypeError):
                facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
                side, hashes = facts.get("read_at"), facts["photos"].values()
                seen[side] = seen.get(side, frozenset()).union(each[:DIGITS] for each in hashes)
    return seen


def is_of_run(artefact: Artefact, run: Path) -> bool:
    """Says whether the run in that folder learned these very numbers: whatever they are called by now."""
    kind = HypernetworkSettings if isinstance(artefact, Hypernetwork) else TrainSettings
    folder = "hypernetworks" if kind is HypernetworkSettings else "embeddings"
    of_step = "*" if artefact.step is None else f"*-{artefact.step}*"
    for file in (*run.glob("*.safetensors"), *run.glob(f"{folder}/{of_step}.safetensors")):
        with contextlib.suppress(EmbeddingError, HypernetworkError, OSError):
            if is_same(artefact, read_artefact(file, kind, artefact.name)):
                return True
    return False


def _said(metadata: Mapping[str, str]) -> Seen:
    """Gives what a file says itself; other programs may have written anything there."""
    side = metadata.get(READ_AT, "")
    known = metadata.get(FINGERPRINTS, "").split()
    is_side = side.isascii() and side.isdecimal() and 0 < len(side) < 6 and int(side) > 0
    return {int(side): frozenset(known)} if known and is_side else {}


def _runs_of(artefact: Artefact, file: Path, runs: Path) -> Iterator[Path]:
    """Gives the folders of the runs that it comes from, or may come from by its name."""
    if file.is_file():
        yield from (file.parent, file.parent.parent)  # what was picked lies in the run, a candidate one folder deeper
    yield from (run for run in runs.glob("*/*") if is_run_of(run, artefact.name) or is_of_run(artefact, run))
