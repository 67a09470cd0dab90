"""What an earlier `prepare` has begun in a folder, so that the next one does only what is new.

One line of JSON for each photo, written before its pictures are: a run that was killed leaves a photo begun, and the
next finishes it under the same names. Knows nothing of pictures.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrato.errors import PhotoError
from retrato.files import printable

NAME = ".retrato-prepare.jsonl"
WRITTEN = re.compile(r"(\d{5})-\d+-.*\.(png|txt)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Begun:
    """One photo: the number its pictures have, their names, and by what the file is known again."""

    source: str
    number: int
    pictures: tuple[str, ...]
    bytes: int
    changed_ns: int
    digest: str


class Journal:
    """The photos begun in `folder` with the settings `facts`; raises PhotoError if they were others before."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder = folder
        self._file = folder / NAME
        self._facts = json.loads(json.dumps(facts))
        self._begun: dict[str, Begun] = {}
        self._is_new = not self._file.exists()
        if not self._is_new:
            self._read()
        self._next = max([self._highest(), *(each.number for each in self._begun.values())], default=-1) + 1

    def find(self, source: Path) -> Begun | None:
        """Gives what was begun for a photo; raises PhotoError if its file is not what it was then."""
        begun = self._begun.get(source.name)
        if begun is None:
            return None
        now = known_by(source)
        if (now.bytes, now.changed_ns) != (begun.bytes, begun.changed_ns) and now.digest != begun.digest:
            names = ", ".join(printable(name, 60) for name in begun.pictures)
            raise PhotoError(
                f"{printable(source.name)} has changed since it was prepared as {names}, which are never written over: "
                "give the photo another name, or remove them with the journal to prepare all anew"
            )
        return begun

    def next_number(self) -> int:
        """Gives the number for the next photo; none is given twice."""
        self._next += 1
        return self._next - 1

    def add(self, source: Path, number: int, pictures: tuple[str, ...]) -> None:
        """Notes that a photo is begun, and has the note on disk when it returns."""
        known = known_by(source)
        begun = Begun(source.name, number, pictures, known.bytes, known.changed_ns, known.digest)
        lines = [json.dumps({"settings": self._facts})] if self._is_new else []
        lines.append(json.dumps(asdict(begun)))
        with self._file.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self._is_new = False
        self._begun[source.name] = begun

    def _read(self) -> None:
        for line in self._file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            try:
                content = json.loads(line)
            except ValueError:  # the line that a killed run was writing
                continue
            if "settings" in content:
                self._compare(content["settings"])
            else:
                begun = Begun(**{**content, "pictures": tuple(content["pictures"])})
                self._begun[begun.source] = begun

    def _compare(self, before: dict[str, Any]) -> None:
        different = sorted(key for key in {*before, *self._facts} if before.get(key) != self._facts.get(key))
        if different:
            key = different[0]
            raise PhotoError(
                f"{printable(self.folder)} was prepared with {key} {before.get(key)!r}, now it is "
                f"{self._facts.get(key)!r}: take the same settings to go on, or name another folder"
            )

    def _highest(self) -> int:
        if not self.folder.is_dir():
            return -1
        numbers = [int(found[1]) for name in os.listdir(self.folder) if (found := WRITTEN.fullmatch(name))]
        return max(numbers, default=-1)


@dataclass(frozen=True, slots=True)
class _Known:
    """A file's size, the time of its last change, and its content; that is read only when it is asked for."""

    file: Path
    bytes: int
    changed_ns: int

    @property
    def digest(self) -> str:
        with self.file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def known_by(source: Path) -> _Known:
    """Gives by what a file is known again; raises PhotoError where it is gone."""
    try:
        found = source.stat()
        return _Known(source, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise PhotoError(f"{printable(source.name)} is not there any more ({error.strerror}): put it back") from None
