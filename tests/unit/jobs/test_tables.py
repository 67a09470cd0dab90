"""The tables of the queue, in SQLite alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from retrato.jobs.tables import LAST_EVENT, LAST_PLACE, SCHEMA


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA + SCHEMA)  # also where they are there already
        yield database


def add(database: sqlite3.Connection, job: str) -> None:
    database.execute(
        "INSERT INTO jobs (id, kind, owner, state, place, settings, options, created)"
        f" VALUES (?, 'draw', 'ana', 'queued', {LAST_PLACE}, '{{}}', '{{}}', 0)",
        (job,),
    )


def test_whoever_comes_last_stands_behind_everybody(database: sqlite3.Connection) -> None:
    for job in "abc":
        add(database, job)
    database.execute(f"UPDATE jobs SET place = {LAST_PLACE} WHERE id = 'a'")
    assert [row[0] for row in database.execute("SELECT id FROM jobs ORDER BY place")] == ["b", "c", "a"]


def test_what_came_last_is_known_by_its_number(database: sqlite3.Connection) -> None:
    for job, at in (("a", 9), ("b", 5)):
        add(database, job)
        database.execute("INSERT INTO events (job, kind, at, data) VALUES (?, 'queued', ?, '{}')", (job, at))
    assert [row[0] for row in database.execute(f"SELECT id FROM jobs ORDER BY {LAST_EVENT} DESC")] == ["b", "a"]
