"""`retrato doctor`: looks at machine, torch, model and database, and says the one thing to do about each fault."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import typer

from retrato.cli.options import Device, Dtype, Json, Model
from retrato.cli.screen import Screen
from retrato.database import FILE
from retrato.errors import RetratoError
from retrato.files import fault
from retrato.home import named_home
from retrato.model.doctor import Check, examine
from retrato.studio import Studio


def doctor(model: Model = "mini", device: Device = "auto", dtype: Dtype = "auto", json: Json = False) -> None:
    """Looks at everything that can keep retrato from working; exit code 1 where something does."""
    screen = Screen(json)
    checks: list[Check] = []
    for check in _looks(model, device, dtype):
        checks.append(check)
        screen.say(f"{'ok  ' if check.ok else 'BAD '} {check.name}: {check.found}")
        if check.fix:
            screen.say(f"     {'do' if not check.ok else 'note'}: {check.fix}")
    screen.finish({"checks": checks})
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _looks(model: str, device: str, dtype: str) -> Iterator[Check]:
    """The machine first: what is wrong there explains what is wrong later."""
    yield from examine(named_home(), device, dtype)
    yield from _model(model, device, dtype)
    yield _database()


def _model(model: str, device: str, dtype: str) -> Iterator[Check]:
    """Draws one small step: the whole way from the words to the picture."""
    from retrato.settings import GenerateSettings

    try:
        studio = Studio.open(model, device=device, dtype=dtype)
        (image,) = studio.draw(GenerateSettings(prompt="a person", steps=1, seed=1))
        people = studio.library
    except (RetratoError, OSError) as error:
        said = fault(error) if isinstance(error, OSError) else str(error)
        yield Check("model", False, said, "name another --model; `--model mini` is always there")
        return
    parts = [part for part in ("scorer", "captioner") if getattr(studio, part) is not None]
    brings = f", with {' and '.join(parts)}" if parts else ", without scorer and captioner"
    yield Check("model", True, f"{studio.components.name} draws {image.image.width}x{image.image.height}{brings}")
    skipped = [str(reason) for reason in people.skipped.values()]
    note = f"not for this model: {'; '.join(skipped[:3])}" if skipped else ""
    yield Check("people", True, f"{len(people)} in {people.folder}", note)


def _database() -> Check:
    """Opens a database as the server would, and only reads the home folder's own."""
    try:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
    except sqlite3.OperationalError:
        fix = "use a Python whose SQLite has FTS5, such as python.org's"
        return Check("database", False, f"SQLite {sqlite3.sqlite_version} without full-text search", fix)
    file = named_home() / FILE
    size = f"{file.stat().st_size / 1e6:.1f} MB" if file.is_file() else "not begun yet"
    try:
        if file.is_file():
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
                database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        fix = "put a copy of it back, or move it away: a new one finds the pictures again, but no jobs"
        return Check("database", False, f"{file}: {error}", fix)
    return Check("database", True, f"SQLite {sqlite3.sqlite_version}, {size}")
