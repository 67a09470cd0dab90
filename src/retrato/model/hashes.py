"""The hashes by which people name a model: A1111's new one (10 digits) and the old one of 2022 (8 digits)."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

OLD_START, OLD_LENGTH = 0x100000, 0x10000


def model_hash(paths: Iterable[Path]) -> str:
    """Gives the first 10 hex digits of the sha256 of the files `paths`, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()[:10]


def old_model_hash(path: Path) -> str:
    """Gives the 8 digits that A1111 showed until the end of 2022: of 64 kB only, so that many models share them."""
    with path.open("rb") as file:
        file.seek(OLD_START)
        return hashlib.sha256(file.read(OLD_LENGTH)).hexdigest()[:8]
