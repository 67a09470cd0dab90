"""The pictures that were drawn, and a full-text index of how: search by words, person, model, sampler and date.

The files are what counts: the index follows from them and can be made again (`scan`). Knows nothing of drawing.
"""

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from retrato.database import compact, open_database, transaction
from retrato.embeddings.embedding import mentioned, name_key
from retrato.errors import PhotoError, UnknownError
from retrato.generation import parse_infotext, read_infotext
from retrato.generation.infotext import written_fields
from retrato.photos.encode import encode

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
THUMBNAIL = 256  # pixels on the longer side

# Fields of a parameters text whose words are the program's and name nobody: somebody may be called `euler`.
WORDS_OF_THE_PROGRAM = frozenset(
    {
        *("Sampler", "Schedule type", "Hires sampler", "Hires schedule type", "Hires upscaler", "Version", "Engine"),
        *("RNG", "Emphasis", "Resize mode", "Mask mode", "Masked content", "Inpaint area", "VAE Encoder"),
        *("VAE Decoder", "Script", "X Type", "Y Type", "Z Type"),
    }
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the gallery; `file` is relative to the home folder, `made` in seconds since 1970."""

    id: int
    file: str
    made: float
    owner: str
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    model: str = ""
    sampler: str = ""
    width: int = 0
    height: int = 0
    people: tuple[str, ...] = ()
    infotext: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """Gives what its text says, by A1111's names; see `parse_infotext`."""
        return parse_infotext(self.infotext) if self.infotext else {}

    def shows(self, name: str) -> bool:
        """Says whether a person is named in its text, or was found in it when it was entered."""
        return any(name_key(name) == name_key(each) for each in self.people) or bool(_named(self.infotext, [name]))


COLUMNS = """
    id INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL UNIQUE, made REAL NOT NULL, size INTEGER NOT NULL,
    owner TEXT NOT NULL, prompt TEXT NOT NULL, negative TEXT NOT NULL, seed INTEGER, model TEXT NOT NULL,
    sampler TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, people TEXT NOT NULL, infotext TEXT NOT NULL
"""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pictures ({COLUMNS});
CREATE INDEX IF NOT EXISTS pictures_by_time ON pictures (made);
CREATE INDEX IF NOT EXISTS pictures_by_owner ON pictures (owner, made, id);
CREATE TABLE IF NOT EXISTS pictures_away (picture INTEGER PRIMARY KEY REFERENCES pictures (id) ON DELETE CASCADE);
CREATE VIRTUAL TABLE IF NOT EXISTS picture_words USING fts5 (
    prompt, negative, people, model, sampler, content='pictures', content_rowid='id',
    tokenize="unicode61 remove_diacritics 2 tokenchars '_'"
);
CREATE TRIGGER IF NOT EXISTS picture_added AFTER INSERT ON pictures BEGIN
    INSERT INTO picture_words (rowid, prompt, negative, people, model, sampler)
    VALUES (new.id, new.prompt, new.negative, new.people, new.model, new.sampler);
END;
CREATE TRIGGER IF NOT EXISTS picture_removed AFTER DELETE ON pictures BEGIN
    INSERT INTO picture_words (picture_words, rowid, prompt, negative, people, model, sampler)
    VALUES ('delete', old.id, old.prompt, old.negative, old.people, old.model, old.sampler);
END;
"""
# From a table that gave the id of a removed picture to the next one to one that never does. Foreign keys are off, as
# to drop a table is to delete its rows.
LASTING_IDS = f"""
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;
CREATE TABLE pictures_copy ({COLUMNS});
INSERT INTO pictures_copy SELECT * FROM pictures;
DROP TABLE pictures;
ALTER TABLE pictures_copy RENAME TO pictures;
{SCHEMA}
COMMIT;
PRAGMA foreign_keys = ON;
"""
# Which pictures can be found: those whose folder was there when it was last looked at.
THERE = "id NOT IN (SELECT picture FROM pictures_away)"


class Gallery:
    """The pictures of one home folder. All methods may be called from any thread.

    `owner` is whose pictures a method sees; None sees all.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = threading.RLock()
        self._database = open_database(home, SCHEMA, _with_lasting_ids)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    def add(self, file: Path, *, people: Iterable[str] = (), owner: str = "local") -> Picture:
        """Enters a picture below the home folder, with those of `people` (names) that its text mentions.

        A picture that is entered already is read anew. Raises PhotoError for a file that is no picture.
        """
        found = file.stat()
        infotext = read_infotext(file) or ""
        fields = parse_infotext(infotext) if infotext else {}
        with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
        seed = fields.get("Seed", "")
        values = {
            "file": file.relative_to(self.home).as_posix(),
            "made": found.st_mtime,
            "size": found.st_size,
            "owner": owner,
            "prompt": fields.get("Prompt", ""),
            "negative": fields.get("Negative prompt", ""),
            "seed": int(seed) if re.fullmatch(r"\d{1,18}", seed) else None,
            "model": fields.get("Model", ""),
            "sampler": fields.get("Sampler", ""),
            "width": width,
            "height": height,
            "people": "\n".join(_named(infotext, people)),
            "infotext": infotext,
        }
        names = ", ".join(values)
        with self._changing() as database:
            database.execute("DELETE FROM pictures WHERE file = ?", (values["file"],))
            row = database.execute(
                f"INSERT INTO pictures ({names}) VALUES ({', '.join(f':{name}' for name in values)}) RETURNING *",
                values,
            ).fetchone()
        return _picture(row)

    def scan(
        self,
        *,
        people: Iterable[str] = (),
        owner: str = "local",
        owners: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """Makes the index follow the folder `outputs`: enters what is new, drops what is gone; gives how many.

        `owners` says whose a file is, by its name below the home folder; `owner` has what nobody is known to own. What
        lay in a folder that is not there is not gone: the drive may come back, and only the index knows whose it is.
        Until then nobody finds it.
        """
        people = tuple(people)
        with self._reading() as database:
            rows = database.execute("SELECT file, size, owner FROM pictures").fetchall()
        known = {row["file"]: row["size"] for row in rows}
        owners = {row["file"]: row["owner"] for row in rows} | dict(owners)
        there: set[str] = set()
        changed = 0
        for path in sorted((self.home / "outputs").rglob("*")):
            if path.suffix.lower() not in ENDINGS or path.name.startswith(".") or not path.is_file():
                continue
            name = path.relative_to(self.home).as_posix()
            there.add(name)
            if known.get(name) == path.stat().st_size:
                continue
            try:
                self.add(path, people=people, owner=owners.get(name, owner))
            except (PhotoError, OSError):
                continue  # a picture that another process is just writing, or no picture at all
            changed += 1
        missing = known.keys() - there
        gone = {name for name in missing if (self.home / name).parent.is_dir()}
        with self._changing() as database:
            database.executemany("DELETE FROM pictures WHERE file = ?", [(name,) for name in gone])
            database.execute("DELETE FROM pictures_away")
            database.executemany(
                "INSERT INTO pictures_away SELECT id FROM pictures WHERE file = ?", [(name,) for name in missing - gone]
            )
        return changed + len(gone)

    def search(
        self,
        words: str = "",
        *,
        person: str | None = None,
        model: str | None = None,
        sampler: str | None = None,
        since: float | None = None,
        until: float | None = None,
        owner: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Picture]:
        """Gives the pictures that fit everything said, the latest first; `before` (an id) asks for the next page.

        Where that one was removed meanwhile, the page begins with the next one that is left.

        `words` are looked for in prompts and names, each as the beginning of a word and all of them; whatever else is
        in the text is no syntax. `since` and `until` are seconds since 1970.
        """
        query = " ".join(f'"{word}"*' for word in re.findall(r"\w+", words)[:32])
        if words.strip() and not query:
            return []
        clauses: list[tuple[str, object]] = [
            ("id IN (SELECT rowid FROM picture_words WHERE picture_words MATCH ?)", query or None),
            (
                "char(10) || people || char(10) LIKE '%' || char(10) || ? || char(10) || '%' ESCAPE '\\'",
                _literal(person),
            ),
            ("model = ?", model),
            ("sampler = ?", sampler),
            ("made >= ?", since),
            ("made < ?", until),
            ("owner = ?", owner),
            (
                "(made, id) < (SELECT made, iif(id = place, id, id + 1) FROM pictures, (SELECT ? AS place)"
                " WHERE id <= place ORDER BY id DESC LIMIT 1)",
                before,
            ),
        ]
        asked = [(clause, value) for clause, value in clauses if value is not None]
        where = " AND ".join([THERE, *(clause for clause, _ in asked)])
        with self._reading() as database:
            rows = database.execute(
                f"SELECT * FROM pictures WHERE {where} ORDER BY made DESC, id DESC LIMIT ?",
                (*(value for _, value in asked), limit),
            ).fetchall()
        return [_picture(row) for row in rows]

    def get(self, picture: int, *, owner: str | None = None) -> Picture:
        """Gives one picture with all its parameters; raises UnknownError."""
        with self._reading() as database:
            row = database.execute("SELECT * FROM pictures WHERE id = ?", (picture,)).fetchone()
        if row is None or owner not in (None, row["owner"]):
            raise UnknownError(f"there is no picture {picture} in the gallery: it was removed, or never there")
        return _picture(row)

    def choices(self, *, owner: str | None = None) -> dict[str, list[str]]:
        """Gives the people, models and samplers that one can search by."""
        with self._reading() as database:
            rows = database.execute(
                f"SELECT DISTINCT people, model, sampler FROM pictures WHERE {THERE} AND (? IS NULL OR owner = ?)",
                (owner, owner),
            ).fetchall()
        people = {name for row in rows for name in row["people"].split("\n")}
        found = {
            "people": people,
            "models": {row["model"] for row in rows},
            "samplers": {row["sampler"] for row in rows},
        }
        return {kind: sorted(names - {""}) for kind, names in found.items()}

    def file(self, picture: int, *, owner: str | None = None) -> Path:
        """Gives where a picture lies; raises UnknownError where it does no more."""
        path = self.home / self.get(picture, owner=owner).file
        if not path.is_file():
            raise UnknownError(f"picture {picture} is not on the disk any more: it was removed by another program")
        return path

    def owner_of(self, file: str) -> str | None:
        """Gives whose a picture is, by its name below the home folder; None where it is not entered."""
        with self._reading() as database:
            row = database.execute("SELECT owner FROM pictures WHERE file = ?", (file,)).fetchone()
        return row["owner"] if row else None

    def bytes_of(self, owner: str) -> int:
        """Gives how many bytes the pictures of an owner have together."""
        with self._reading() as database:
            (size,) = database.execute(
                "SELECT coalesce(sum(size), 0) FROM pictures WHERE owner = ?", (owner,)
            ).fetchone()
        return int(size)

    def thumbnail(self, picture: int, *, owner: str | None = None) -> bytes:
        """Gives a small WebP of a picture, with nothing in it but pixels."""
        with Image.open(self.file(picture, owner=owner), formats=("PNG", "JPEG", "WEBP")) as image:
            small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL))
        small.info = {}
        return encode(small, "WEBP", quality=80)

    def remove(self, picture: int, *, owner: str | None = None) -> Path:
        """Deletes a picture, file and entry, and gives where it was; raises UnknownError."""
        path = self.home / self.get(picture, owner=owner).file
        path.unlink(missing_ok=True)
        with self._changing() as database:
            database.execute("DELETE FROM pictures WHERE id = ?", (picture,))
        return path

    def of_person(self, name: str) -> list[Picture]:
        """Gives all pictures whose text names a person, whoever is in the library now; also those that are away."""
        with self._reading() as database:
            rows = database.execute("SELECT * FROM pictures ORDER BY id").fetchall()
        return [each for each in map(_picture, rows) if each.shows(name)]

    def hand_over(self, former: str, owner: str) -> None:
        """Gives `owner` the pictures of `former`."""
        with self._changing() as database:
            database.execute("UPDATE pictures SET owner = ? WHERE owner = ?", (owner, former))

    def compact(self) -> None:
        """Makes the index of words anew and the whole database smaller: of what was removed, no byte is left.

        The index marks words as deleted by writing them once more, so it has to be made from the pictures there are.
        """
        with self._lock:
            with transaction(self._database):
                self._database.execute("INSERT INTO picture_words (picture_words) VALUES ('rebuild')")
            compact(self._database)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._database

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._database):
            yield self._database


def _with_lasting_ids(database: sqlite3.Connection) -> None:
    """Sees to it that no picture gets the id of one that was removed: what still shows that one would show the new."""
    (made,) = database.execute("SELECT sql FROM sqlite_master WHERE name = 'pictures'").fetchone()
    if "AUTOINCREMENT" not in made:
        with database:  # whose end takes back what was not committed
            database.executescript(LASTING_IDS)


def _named(infotext: str, people: Iterable[str]) -> list[str]:
    """Gives those of `people` whom a parameters text mentions anywhere: a second pass has prompts, a sheet values."""
    fields = written_fields(infotext) if infotext else {}
    return mentioned("\n".join(said for key, said in fields.items() if key not in WORDS_OF_THE_PROGRAM), people)


def _literal(text: str | None) -> str | None:
    return None if text is None else re.sub(r"([\\%_])", r"\\\1", text)


def _picture(row: sqlite3.Row) -> Picture:
    return Picture(
        id=row["id"],
        file=row["file"],
        made=row["made"],
        owner=row["owner"],
        prompt=row["prompt"],
        negative_prompt=row["negative"],
        seed=row["seed"],
        model=row["model"],
        sampler=row["sampler"],
        width=row["width"],
        height=row["height"],
        people=tuple(row["people"].split("\n")) if row["people"] else (),
        infotext=row["infotext"],
    )
