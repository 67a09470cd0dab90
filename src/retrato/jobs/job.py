"""What a job and an event of it are, and how they are read from their rows."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from retrato.jobs.portable import unpacked

State = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Kind = Literal["draw", "grid", "train", "caption", "prepare"]
Wish = Literal["cancel", "pause", "skip"]

OPEN: tuple[State, ...] = ("queued", "running", "paused")


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do; `settings` are those of its kind, `options` what else it needs (photos, model, keep).

    `progress` runs from 0 to 1. `resumes` says that it was begun before and goes on. Times are seconds since 1970.
    """

    id: str
    kind: Kind
    owner: str
    state: State
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    progress: float
    resumes: bool
    created: float
    started: float | None = None
    ended: float | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None

    @property
    def is_open(self) -> bool:
        """Says whether something may still happen to it."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job; numbers count up over all jobs, so that whoever listens can go on after one."""

    number: int
    job: str
    kind: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)


def job_of(row: sqlite3.Row, home: Path) -> Job:
    """Reads a row of jobs; paths inside `home` are whole again."""
    return Job(
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        state=row["state"],
        settings=unpacked(json.loads(row["settings"]), home),
        options=unpacked(json.loads(row["options"]), home),
        progress=row["progress"],
        resumes=bool(row["resumes"]),
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        result=json.loads(row["result"]) if row["result"] else None,
        error=row["error"],
    )


def event_of(row: sqlite3.Row) -> JobEvent:
    """Reads a row of events."""
    return JobEvent(row["number"], row["job"], row["kind"], row["at"], json.loads(row["data"]))
