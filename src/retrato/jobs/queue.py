"""The queue: what is to be done, in which order, how far it is and what happened so far, in SQLite.

Everything here survives the process. Knows nothing of how a job is done (see `work`) and of the network.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from retrato.database import open_database, transaction
from retrato.errors import QueueError, UnknownError
from retrato.jobs.job import Job, JobEvent, Kind, State, Wish, event_of, job_of
from retrato.jobs.portable import packed
from retrato.jobs.tables import LAST_EVENT, LAST_PLACE, SCHEMA

LOCAL = "local"  # who asks where nobody has to say who they are
LONGEST_QUEUE = 1000
LONGEST_HISTORY = 1000
MOST_DEATHS = 5
ENDS_THE_PROGRAM = (
    f"the program ended {MOST_DEATHS} times in a row while it was at this job: nothing it had made is lost; end what "
    "else fills the memory, or ask for less (smaller pictures, smaller batches), and let it go on"
)
# Of these a worker keeps what was done, also when they are cancelled while they wait.
KEPT: tuple[Kind, ...] = ("train",)


class JobQueue:
    """The jobs of one home folder. All methods may be called from any thread.

    `owner` is whose jobs a method sees: another owner's are as unknown as none. None sees all. At most `longest` jobs
    wait, an equal share for each of so many `owners`; of those that are over, the latest `history` of each owner are
    remembered.
    """

    def __init__(
        self, home: Path, *, longest: int = LONGEST_QUEUE, owners: int = 1, history: int = LONGEST_HISTORY
    ) -> None:
        self.home = home
        self.longest = longest
        self.share = max(1, longest // owners)
        self.history = history
        self.admits: Callable[[str], None] = lambda owner: None  # raises QueueError where `owner` may order nothing
        self._lock = threading.RLock()
        self._database = open_database(home, SCHEMA)
        self._listeners: dict[object, tuple[str | None, Callable[[], None]]] = {}
        self._touched: set[str] = set()  # jobs that the transaction said something of
        self._previews: dict[str, bytes] = {}
        self._begun: dict[str, tuple[float, float]] = {}  # running jobs: when by `monotonic`, and how far

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    # --- what people do -------------------------------------------------------------------------------------------

    def submit(
        self, kind: Kind, settings: Mapping[str, Any], *, owner: str = LOCAL, options: Mapping[str, Any] | None = None
    ) -> Job:
        """Puts a job at the end of the queue and gives it; it is on disk then. Raises QueueError."""
        self.admits(owner)
        with self._changing() as database:
            self._expect_room(owner)
            job = secrets.token_hex(8)
            said = [json.dumps(packed(each, self.home)) for each in (settings, options or {})]
            database.execute(
                "INSERT INTO jobs (id, kind, owner, state, place, settings, options, created)"
                f" VALUES (?, ?, ?, 'queued', {LAST_PLACE}, ?, ?, ?)",
                (job, kind, owner, *said, time.time()),
            )
            self._record(job, "queued", {})
        return self.get(job)

    def get(self, job: str, *, owner: str | None = None) -> Job:
        """Gives a job; raises UnknownError."""
        with self._reading() as database:
            row = database.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None or owner not in (None, row["owner"]):
            raise UnknownError(f"there is no job {job[:32]!r}: it was never sent, or it was removed")
        return job_of(row, self.home)

    def jobs(
        self, *, owner: str | None = None, states: tuple[State, ...] | None = None, limit: int = 1000
    ) -> list[Job]:
        """Gives the jobs: what runs, what waits in its order, then what is over, the latest first."""
        marks = ",".join("?" * len(states)) if states else ""
        where = [clause for clause in ("owner = ?" if owner else "", f"state IN ({marks})" if states else "") if clause]
        with self._reading() as database:
            rows = database.execute(
                f"SELECT * FROM jobs {'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY CASE state"
                " WHEN 'running' THEN 0 WHEN 'queued' THEN 1 WHEN 'paused' THEN 2 ELSE 3 END,"
                f" CASE WHEN ended IS NULL THEN place ELSE -{LAST_EVENT} END LIMIT ?",
                (*([owner] if owner else []), *(states or ()), limit),
            ).fetchall()
        return [job_of(row, self.home) for row in rows]

    def newest(self, kinds: tuple[Kind, ...], *, owner: str | None = None) -> Job | None:
        """Gives the job of `kinds` that runs or waits next, else the one to which something happened last.

        Drawings whose pictures only their sender wants (see `order_drawing`) are passed over.
        """
        with self._reading() as database:
            row = database.execute(
                f"SELECT * FROM jobs WHERE kind IN ({','.join('?' * len(kinds))}){' AND owner = ?' if owner else ''}"
                " AND coalesce(json_extract(options, '$.keep'), 1) ORDER BY"
                " CASE state WHEN 'running' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END,"
                f" CASE state WHEN 'queued' THEN place ELSE -{LAST_EVENT} END LIMIT 1",
                (*kinds, *([owner] if owner else [])),
            ).fetchone()
        return job_of(row, self.home) if row else None

    def ahead(self, job: str) -> int:
        """Gives how many jobs, of whomever, are done before a waiting one begins."""
        with self._reading() as database:
            (count,) = database.execute(
                "SELECT count(*) FROM jobs WHERE id != ?1 AND (state = 'running' OR"
                " (state = 'queued' AND place < (SELECT place FROM jobs WHERE id = ?1)))",
                (job,),
            ).fetchone()
        return int(count)

    def events(
        self, job: str, *, after: int = 0, kinds: tuple[str, ...] | None = None, limit: int = 1000
    ) -> list[JobEvent]:
        """Gives what happened to a job after event number `after`, in order; only events of `kinds`, where given."""
        marks = f" AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        with self._reading() as database:
            rows = database.execute(
                f"SELECT * FROM events WHERE job = ? AND number > ?{marks} ORDER BY number LIMIT ?",
                (job, after, *(kinds or ()), limit),
            ).fetchall()
        return [event_of(row) for row in rows]

    def latest(self, job: str, kinds: tuple[str, ...]) -> JobEvent | None:
        """Gives the last event of one of `kinds`, None where there was none."""
        with self._reading() as database:
            row = database.execute(
                f"SELECT * FROM events WHERE job = ? AND kind IN ({','.join('?' * len(kinds))})"
                " ORDER BY number DESC LIMIT 1",
                (job, *kinds),
            ).fetchone()
        return event_of(row) if row else None

    def event(self, job: str, number: int) -> JobEvent:
        """Gives one event of a job; raises UnknownError."""
        found = self.events(job, after=number - 1, limit=1)
        if not found or found[0].number != number:
            raise UnknownError(f"job {job[:32]!r} has no event {number}: ask for its events")
        return found[0]

    def move(self, job: str, *, before: str | None = None, owner: str | None = None) -> Job:
        """Puts a waiting job before another one, by default first; raises QueueError for one that waits no more.

        Among several owners, everybody moves within the places that their own jobs have.
        """
        with self._changing() as database:
            self._expect(job, "queued", owner)
            mine = self.jobs(owner=owner, states=("queued",), limit=self.longest)
            others = [each.id for each in mine if each.id != job]
            if before is not None and before not in others:
                raise QueueError(f"job {before[:32]!r} does not wait in the queue: name one that does")
            at = others.index(before) if before is not None else 0
            order = [*others[:at], job, *others[at:]]
            marks = ",".join("?" * len(order))
            rows = database.execute(f"SELECT place FROM jobs WHERE id IN ({marks}) ORDER BY place", order).fetchall()
            for each, row in zip(order, rows, strict=True):
                database.execute("UPDATE jobs SET place = ? WHERE id = ?", (row["place"], each))
        return self.get(job)

    def cancel(self, job: str, *, owner: str | None = None) -> Job:
        """Ends a job: a waiting one at once, a running one after its step. What it made or learned is kept."""
        return self._wish(job, "cancel", owner)

    def pause(self, job: str, *, owner: str | None = None) -> Job:
        """Stops a job so that `resume` goes on with it; raises QueueError for one that is over."""
        return self._wish(job, "pause", owner)

    def skip(self, job: str, *, owner: str | None = None) -> Job:
        """Lets a running drawing leave out the pictures it is at and go on with the next ones."""
        return self._wish(job, "skip", owner)

    def resume(self, job: str, *, owner: str | None = None) -> Job:
        """Puts a paused, cancelled or failed job at the end of the queue, to go on where it stopped.

        Raises QueueError for one in any other state, and where `submit` would.
        """
        self.admits(self.get(job, owner=owner).owner)
        with self._changing() as database:
            found = self.get(job, owner=owner)
            if found.state not in ("paused", "cancelled", "failed"):
                raise QueueError(f"job {job} is {found.state}: only one that was paused, cancelled or failed can go on")
            self._expect_room(found.owner)
            database.execute(
                "UPDATE jobs SET state = 'queued', wish = NULL, ended = NULL, error = NULL, result = NULL, resumes = 1,"
                f" place = {LAST_PLACE} WHERE id = ?",
                (job,),
            )
            self._record(job, "queued", {"resumes": True})
        return self.get(job)

    def remove(self, job: str, *, owner: str | None = None) -> None:
        """Drops a job that is over, with its events; its files stay."""
        with self._changing() as database:
            if self.get(job, owner=owner).state == "running":
                raise QueueError(f"job {job} is running: cancel it first")
            self._touched.add(job)
            database.execute("DELETE FROM jobs WHERE id = ?", (job,))

    # --- what the worker does -------------------------------------------------------------------------------------

    def recover(self, device: str, *, is_restart: bool = True) -> list[Job]:
        """Puts the jobs back that were running on `device` when its worker ended; call it before the first `claim`.

        The caller makes sure that no other worker is at it (see `worker_lock`). What was wished for them holds; one of
        KEPT that was to be cancelled waits for a worker to do so. At the MOST_DEATHS-th `is_restart` in a row at which
        a job is no farther than before it fails, as it may be what ends the program.
        """
        with self._changing() as database:
            rows = database.execute("SELECT * FROM jobs WHERE state = 'running' AND device = ?", (device,)).fetchall()
            for row in rows:
                state, wish = _left(row)
                deaths = self._deaths(row) if is_restart else 0
                error = ENDS_THE_PROGRAM if state == "queued" and deaths >= MOST_DEATHS else None
                state = "failed" if error else state
                ended = time.time() if state in ("cancelled", "failed") else None
                database.execute(
                    "UPDATE jobs SET state = ?, wish = ?, resumes = 1, ended = ?, error = ? WHERE id = ?",
                    (state, wish, ended, error, row["id"]),
                )
                said = {"error": error} if error else {"resumes": True, "deaths": deaths, "at": row["progress"]}
                self._record(row["id"], state, said)
        return [self.get(row["id"]) for row in rows]

    def devices_at_work(self) -> set[str]:
        """Gives the devices that running jobs are marked with, also those whose worker ended."""
        with self._reading() as database:
            return {row["device"] for row in database.execute("SELECT device FROM jobs WHERE state = 'running'")}

    def claim(self, device: str) -> Job | None:
        """Gives the next waiting job, marked as running on `device`; None where nothing waits."""
        with self._changing() as database:
            row = database.execute(
                "UPDATE jobs SET state = 'running', device = ?, started = coalesce(started, ?) WHERE id ="
                " (SELECT id FROM jobs WHERE state = 'queued' ORDER BY place LIMIT 1) RETURNING *",
                (device, time.time()),
            ).fetchone()
            if row is None:
                return None
            self._record(row["id"], "running", {"resumes": bool(row["resumes"])})
            self._begun[row["id"]] = (time.monotonic(), row["progress"])
        return job_of(row, self.home)

    def record(self, job: str, kind: str, data: Mapping[str, Any], *, progress: float | None = None) -> JobEvent:
        """Stores an event, and how far the job is (0 to 1) where that is known."""
        with self._changing() as database:
            if progress is not None:
                if progress <= self._begun.get(job, (0.0, -1.0))[1]:  # what comes before the first progress is no pace
                    self._begun[job] = (time.monotonic(), progress)
                database.execute("UPDATE jobs SET progress = ? WHERE id = ?", (min(1.0, max(0.0, progress)), job))
            return self._record(job, kind, data)

    def hand_over(self, former: str, owner: str, moved: Mapping[str, str]) -> None:
        """Gives `owner` the jobs of `former`; `moved` says where folders lie now, both below the home folder."""
        with self._changing() as database:
            database.execute("UPDATE jobs SET owner = ? WHERE owner = ?", (owner, former))
            for old, new in moved.items():
                for end in ('"', "/"):  # as JSON writes them, see `packed`
                    pair = [json.dumps(path)[:-1] + end for path in (old, new)]
                    database.execute(
                        "UPDATE jobs SET settings = replace(settings, ?, ?), options = replace(options, ?, ?)", pair * 2
                    )

    def was_handed_over(self) -> bool:
        """Says whether `mark_handed_over` was ever called in this home folder."""
        with self._reading() as database:
            return bool(database.execute("PRAGMA user_version").fetchone()[0])

    def mark_handed_over(self) -> None:
        """Remembers that `hand_over` was called, or had no reason to be."""
        with self._changing() as database:
            database.execute("PRAGMA user_version = 1")

    def wish(self, job: str) -> Wish | None:
        """Gives what somebody wants of a running job."""
        with self._reading() as database:
            row = database.execute("SELECT wish FROM jobs WHERE id = ?", (job,)).fetchone()
        return cast("Wish | None", row and row["wish"])

    def show(self, job: str, picture: bytes | None) -> None:
        """Keeps the latest look at a picture in the making, in memory only; None when there is nothing to see."""
        with self._lock:
            if picture is None:
                self._previews.pop(job, None)
            else:
                self._previews[job] = picture

    def preview(self, job: str) -> bytes | None:
        """Gives what `show` keeps."""
        with self._lock:
            return self._previews.get(job)

    def seconds_left(self, job: Job) -> float | None:
        """Gives how long a running job will take if it goes on as since its work began; None where that is not known.

        Goes by a clock that nobody sets.
        """
        with self._lock:
            begun, progress = self._begun.get(job.id, (0.0, 1.0))
        if job.state != "running" or job.progress <= progress:
            return None
        return (time.monotonic() - begun) * (1 - job.progress) / (job.progress - progress)

    def grant(self, job: str) -> None:
        """Takes off the wish to skip, which was fulfilled; not another one that came meanwhile."""
        with self._changing() as database:
            database.execute("UPDATE jobs SET wish = NULL WHERE id = ? AND wish = 'skip'", (job,))

    def finish(
        self, job: str, state: State, *, result: Mapping[str, Any] | None = None, error: str | None = None
    ) -> JobEvent:
        """Says how a running job ended; `queued` puts it back, to go on where it stopped.

        What was wished for one that is put back holds, as in `recover`: nobody else will look at it.
        """
        with self._changing() as database:
            wish: Wish | None = None
            if state == "queued":
                state, wish = _left(database.execute("SELECT kind, wish FROM jobs WHERE id = ?", (job,)).fetchone())
            ended = None if state in ("queued", "paused") else time.time()
            database.execute(
                "UPDATE jobs SET state = ?, wish = ?, ended = ?, result = ?, error = ?, resumes = ?,"
                " progress = CASE ? WHEN 'done' THEN 1 ELSE progress END WHERE id = ?",
                (
                    *(state, wish, ended, None if result is None else json.dumps(result)),
                    *(error, state != "done", state, job),
                ),
            )
            self._begun.pop(job, None)
            event = self._record(job, state, {"error": error} if error else dict(result or {}))
            self._drop_oldest(job)
            return event

    # --- listening ------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None], *, job: str | None = None) -> Callable[[], None]:
        """Calls `listener` after every change, on the thread that made it; gives the function that ends this.

        With `job` only where that had an event or was removed. The listener must return at once and may not call the
        queue. Waits for no writer.
        """
        key = object()
        self._listeners[key] = job, listener  # one step, which needs no lock
        return lambda: self._listeners.pop(key, None) and None

    # --- inside ---------------------------------------------------------------------------------------------------

    def _wish(self, job: str, wish: Wish, owner: str | None) -> Job:
        with self._changing() as database:
            found = self.get(job, owner=owner)
            if found.state == "running":
                kept = "coalesce(wish, ?)" if wish == "skip" else "?"  # a skip takes no other wish back
                database.execute(f"UPDATE jobs SET wish = {kept} WHERE id = ?", (wish, job))
            elif wish == "cancel" and found.state in ("queued", "paused") and found.resumes and found.kind in KEPT:
                database.execute("UPDATE jobs SET state = 'queued', wish = ? WHERE id = ?", (wish, job))
                self._record(job, "queued", {"resumes": True})
            elif wish == "skip" or not (found.state == "queued" or (found.state == "paused" and wish == "cancel")):
                raise QueueError(f"job {job} is {found.state}, there is nothing to {wish}: look at its result")
            else:
                state: State = "paused" if wish == "pause" else "cancelled"
                ended = time.time() if state == "cancelled" else None
                database.execute("UPDATE jobs SET state = ?, ended = ? WHERE id = ?", (state, ended, job))
                self._record(job, state, {})
                self._drop_oldest(job)
        return self.get(job)

    def _drop_oldest(self, job: str) -> None:
        """Forgets what an owner's jobs before the latest ones said; `job` is one of theirs. What they made stays.

        The latest are those that said something last, so `job`, which has just done so, is never among the forgotten.
        """
        self._database.execute(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE owner = (SELECT owner FROM jobs WHERE id = ?)"
            f" AND ended IS NOT NULL ORDER BY {LAST_EVENT} DESC LIMIT -1 OFFSET ?)",
            (job, self.history),
        )

    def _deaths(self, row: sqlite3.Row) -> int:
        """Gives how often in a row the program has ended at a job that got no farther, the last time included."""
        last = self.latest(row["id"], ("queued",))
        data = last.data if last else {}
        return data.get("deaths", 0) + 1 if row["progress"] <= data.get("at", 0.0) else 1

    def _expect_room(self, owner: str) -> None:
        waiting, own = self._database.execute(
            "SELECT count(*), coalesce(sum(owner = ?), 0) FROM jobs WHERE state = 'queued'", (owner,)
        ).fetchone()
        if waiting >= self.longest:
            raise QueueError(f"{waiting} jobs are waiting, more are not taken: try again later")
        if own >= self.share:
            raise QueueError(f"{own} jobs of yours are waiting, more are not taken: try again later")

    def _expect(self, job: str, state: State, owner: str | None) -> None:
        found = self.get(job, owner=owner)
        if found.state != state:
            raise QueueError(f"job {job} is {found.state}, not {state}: nothing was changed")

    def _record(self, job: str, kind: str, data: Mapping[str, Any]) -> JobEvent:
        self._touched.add(job)
        at = time.time()
        cursor = self._database.execute(
            "INSERT INTO events (job, kind, at, data) VALUES (?, ?, ?, ?)", (job, kind, at, json.dumps(data))
        )
        return JobEvent(int(cursor.lastrowid or 0), job, kind, at, data)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._database

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Holds one transaction; the outermost one commits, and tells the listeners where anything has changed."""
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            before = self._database.total_changes
            self._touched.clear()
            with transaction(self._database):
                yield self._database
            heard: set[str | None] = {None, *self._touched} if self._database.total_changes > before else set()
            # A worker that finds nothing to claim must not wake itself, nor a job those who listen to another.
            listeners = [listener for job, listener in list(self._listeners.values()) if job in heard]
        for listener in listeners:
            listener()


def _left(row: sqlite3.Row) -> tuple[State, Wish | None]:
    """Gives what becomes of a job that its worker leaves before the end, and the wish that a worker has yet to hear."""
    if row["wish"] == "cancel" and row["kind"] in KEPT:
        return "queued", "cancel"
    return ("cancelled" if row["wish"] == "cancel" else "paused" if row["wish"] == "pause" else "queued"), None
