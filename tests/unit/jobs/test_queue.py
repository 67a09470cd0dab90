"""The queue alone: order, wishes, restarts, owners. No job is done here."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrato.database import FILE
from retrato.errors import QueueError, UnknownError
from retrato.jobs import Job, JobQueue


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    queue = JobQueue(tmp_path)
    yield queue
    queue.close()


def add(queue: JobQueue, count: int = 1, owner: str = "local") -> list[Job]:
    return [queue.submit("draw", {"prompt": f"{number}"}, owner=owner) for number in range(count)]


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


def test_jobs_are_claimed_in_the_order_they_came(queue: JobQueue) -> None:
    jobs = add(queue, 3)
    assert [claimed.id for _ in jobs if (claimed := queue.claim("cpu"))] == ids(jobs)
    assert queue.claim("cpu") is None


def test_a_job_that_was_accepted_is_there_after_a_crash(tmp_path: Path) -> None:
    jobs = add(JobQueue(tmp_path), 3)  # never closed
    assert ids(JobQueue(tmp_path).jobs()) == ids(jobs)


def test_the_newest_job_runs_or_waits_next_or_was_touched_last(queue: JobQueue) -> None:
    kinds = ("draw", "grid")
    assert queue.newest(kinds) is None
    paused, done, other = (queue.submit(kind, {}).id for kind in ("draw", "grid", "train"))
    queue.submit("draw", {}, options={"keep": False})  # a program's own
    queue.submit("draw", {}, owner="ana")
    queue.pause(paused)
    newest = lambda: found.id if (found := queue.newest(kinds, owner="local")) else None
    assert newest() == done  # it waits
    queue.claim("cpu")
    assert newest() == done
    queue.finish(done, "done")
    assert newest() == done  # though the paused one may still go on
    queue.pause(queue.resume(paused).id)
    assert newest() == paused
    assert (found := queue.newest(("train",)))
    assert found.id == other


def test_a_waiting_job_knows_how_many_come_first(queue: JobQueue) -> None:
    running, first, second = ids([*add(queue), *add(queue, 2, "ana")])
    queue.claim("cpu")
    assert [queue.ahead(job) for job in (running, first, second)] == [0, 1, 2]
    queue.move(second)
    assert [queue.ahead(job) for job in (first, second)] == [2, 1]
    queue.remove(first)
    assert queue.ahead(first) == 1  # gone: what runs


def test_the_order_can_be_changed(queue: JobQueue) -> None:
    one, two, three = ids(add(queue, 3))
    queue.move(three)
    assert ids(queue.jobs()) == [three, one, two]
    queue.move(three, before=two)
    assert ids(queue.jobs()) == [one, three, two]
    with pytest.raises(QueueError, match="does not wait"):
        queue.move(one, before="0" * 16)


def test_moving_overtakes_only_ones_own_jobs(queue: JobQueue) -> None:
    (anas,) = add(queue, owner="ana")
    rui_1, rui_2 = add(queue, 2, owner="rui")
    queue.move(rui_2.id, owner="rui")
    assert ids(queue.jobs()) == [anas.id, rui_2.id, rui_1.id]


def test_what_ran_when_the_worker_ended_is_claimed_first_and_once(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    jobs = add(queue, 3)
    queue.claim("cpu")
    restarted = JobQueue(tmp_path)
    (again,) = restarted.recover("cpu")
    assert again.id == jobs[0].id
    assert again.resumes
    assert [claimed.id for _ in jobs if (claimed := restarted.claim("cpu"))] == ids(jobs)
    assert restarted.claim("cpu") is None


def killed(queue: JobQueue, progress: float, *, is_restart: bool = True) -> Job:
    """The next job, after a worker got so far with it and ended."""
    job = queue.claim("cpu")
    assert job is not None
    queue.record(job.id, "trained", {}, progress=progress)
    (again,) = queue.recover("cpu", is_restart=is_restart)
    return again


def test_a_job_that_keeps_ending_the_program_is_not_taken_up_for_ever(queue: JobQueue) -> None:
    """As an assertion of a driver does, or a system that ends whoever takes too much memory."""
    (job, other) = add(queue, 2)
    assert [killed(queue, progress).state for progress in (0.2, 0.2, 0.1, 0.1, 0.1)] == [*["queued"] * 4, "failed"]
    found = queue.get(job.id)
    assert found.error is not None
    assert "ended 5 times in a row" in found.error
    assert found.ended is not None
    claimed = queue.claim("cpu")
    assert claimed is not None
    assert claimed.id == other.id
    queue.finish(other.id, "done")
    queue.resume(job.id)
    assert [killed(queue, 0.2).state for _ in range(5)] == [*["queued"] * 4, "failed"]


def test_a_job_that_gets_farther_each_time_goes_on(queue: JobQueue) -> None:
    add(queue)
    assert {killed(queue, step / 10).state for step in range(1, 8)} == {"queued"}


def test_a_queue_that_could_not_be_written_is_no_end_of_the_program(queue: JobQueue) -> None:
    add(queue)
    assert {killed(queue, 0.2, is_restart=False).state for _ in range(7)} == {"queued"}


def test_another_devices_jobs_are_left_alone(queue: JobQueue) -> None:
    add(queue)
    queue.claim("cuda")
    assert queue.recover("cpu") == []


def test_a_training_that_was_begun_is_cancelled_by_a_worker(queue: JobQueue) -> None:
    """Only that one can put what was learned into the library."""
    job = queue.submit("train", {}).id
    assert queue.cancel(job).state == "cancelled"
    queue.resume(job)
    queue.claim("cpu")
    queue.finish(job, "paused")
    assert queue.cancel(job).state == "queued"
    claimed = queue.claim("cpu")
    assert claimed is not None
    assert (claimed.id, queue.wish(job)) == (job, "cancel")
    queue.recover("cpu")
    assert (queue.get(job).state, queue.wish(job)) == ("queued", "cancel")
    queue.pause(job)
    queue.resume(job)
    assert queue.wish(job) is None


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_a_wish_survives_the_worker(queue: JobQueue, wish: str, state: str) -> None:
    (job,) = add(queue)
    queue.claim("cpu")
    getattr(queue, wish)(job.id)
    assert queue.wish(job.id) == wish
    queue.recover("cpu")
    assert queue.get(job.id).state == state
    assert queue.claim("cpu") is None


@pytest.mark.parametrize(
    ("kind", "wish", "state", "left"),
    [
        ("draw", "cancel", "cancelled", None),
        ("draw", "pause", "paused", None),
        ("draw", "skip", "queued", None),
        ("train", "cancel", "queued", "cancel"),  # only a worker can put what was learned into the library
        ("train", "pause", "paused", None),
    ],
)
def test_a_wish_that_nobody_has_heard_holds_when_the_job_is_put_back(
    queue: JobQueue, kind: Any, wish: str, state: str, left: str | None
) -> None:
    job = queue.submit(kind, {}).id
    queue.claim("cpu")
    getattr(queue, wish)(job)
    assert queue.finish(job, "queued").kind == state
    found = queue.get(job)
    assert (found.state, queue.wish(job), found.ended is not None) == (state, left, state == "cancelled")


def test_waiting_jobs_are_cancelled_and_paused_at_once(queue: JobQueue) -> None:
    one, two = ids(add(queue, 2))
    assert queue.cancel(one).state == "cancelled"
    assert queue.pause(two).state == "paused"
    assert queue.claim("cpu") is None
    with pytest.raises(QueueError, match="is cancelled, there is nothing to pause"):
        queue.pause(one)
    assert queue.resume(two).state == "queued"
    assert queue.resume(one).resumes
    with pytest.raises(QueueError, match="only one that was paused"):
        queue.resume(one)


def test_what_belongs_to_others_is_as_unknown_as_nothing(queue: JobQueue) -> None:
    (job,) = add(queue, owner="ana")
    assert queue.get(job.id, owner="ana").id == job.id
    for ask in (queue.get, queue.cancel, queue.pause, queue.resume, queue.skip, queue.move, queue.remove):
        with pytest.raises(UnknownError, match="there is no job"):
            ask(job.id, owner="rui")
    assert queue.jobs(owner="rui") == []
    assert queue.get(job.id).state == "queued"


def test_a_full_queue_takes_no_more(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, longest=2)
    add(queue, 2)
    with pytest.raises(QueueError, match="2 jobs are waiting"):
        add(queue)
    queue.claim("cpu")
    add(queue)


def test_nobody_fills_the_queue_for_everybody(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, longest=5, owners=2)
    for _ in range(2):
        queue.submit("draw", {}, owner="ana")
    with pytest.raises(QueueError, match="2 jobs of yours are waiting"):
        queue.submit("draw", {}, owner="ana")
    queue.submit("draw", {}, owner="rui")
    queue.claim("cpu")
    queue.submit("draw", {}, owner="ana")
    queue.close()


def test_whoever_goes_on_waits_behind_those_who_came_meanwhile(queue: JobQueue) -> None:
    paused, cancelled, first = ids(add(queue, 3))
    queue.pause(paused)
    queue.cancel(cancelled)
    (second,) = ids(add(queue, owner="ana"))
    queue.resume(cancelled)
    queue.resume(paused)
    assert ids(queue.jobs(states=("queued",))) == [first, second, cancelled, paused]


def test_going_on_takes_no_more_room_than_sending_anew(tmp_path: Path) -> None:
    """Paused jobs do not count, so that any number of them may lie there."""
    queue = JobQueue(tmp_path, longest=4, owners=2)
    paused = [queue.pause(add(queue, owner="ana")[0].id).id for _ in range(3)]
    for job in paused[:2]:
        queue.resume(job)
    with pytest.raises(QueueError, match="2 jobs of yours are waiting"):
        queue.resume(paused[2])
    assert queue.get(paused[2]).state == "paused"
    add(queue, 2, owner="rui")
    queue.share = 4
    with pytest.raises(QueueError, match="4 jobs are waiting"):
        queue.resume(paused[2])
    queue.close()


def test_what_a_crash_interrupted_keeps_its_place_however_long_the_queue(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, longest=1)
    (running,) = ids(add(queue))
    queue.claim("cpu")
    (waiting,) = ids(add(queue))
    queue.recover("cpu")
    assert ids(queue.jobs(states=("queued",))) == [running, waiting]
    queue.close()


def test_events_count_on_and_can_be_read_from_any_point(queue: JobQueue) -> None:
    (job,) = add(queue)
    queue.claim("cpu")
    drawn = queue.record(job.id, "drawn", {"file": "a.png"}, progress=0.5)
    queue.finish(job.id, "done", result={"images": []})
    kinds = [event.kind for event in queue.events(job.id)]
    assert kinds == ["queued", "running", "drawn", "done"]
    assert [event.kind for event in queue.events(job.id, after=drawn.number)] == ["done"]
    assert queue.events(job.id, kinds=("drawn",)) == [drawn]
    assert queue.event(job.id, drawn.number) == drawn
    with pytest.raises(UnknownError, match="no event"):
        queue.event(job.id, drawn.number + 100)
    ended = queue.get(job.id)
    assert (ended.progress, ended.result, ended.is_open) == (1, {"images": []}, False)


def test_listeners_hear_each_change_until_they_leave(queue: JobQueue) -> None:
    heard: list[int] = []
    leave = queue.subscribe(lambda: heard.append(1))
    (job,) = add(queue)
    queue.get(job.id)
    assert len(heard) == 1
    leave()
    queue.cancel(job.id)
    assert len(heard) == 1


def test_who_listens_to_a_job_hears_of_that_one_alone(queue: JobQueue) -> None:
    job, other = ids(add(queue, 2))
    heard: list[str] = []
    queue.subscribe(lambda: heard.append("job"), job=job)
    queue.subscribe(lambda: heard.append("other"), job=other)
    queue.pause(other)
    assert heard == ["other"]
    with pytest.raises(QueueError):
        queue.pause(other)
    queue.move(job)
    assert heard == ["other"]
    queue.remove(job)
    assert heard == ["other", "job"]


def test_a_worker_that_finds_nothing_does_not_wake_itself(queue: JobQueue) -> None:
    heard: list[int] = []
    queue.subscribe(lambda: heard.append(1))
    assert queue.claim("cpu") is None
    assert queue.recover("cpu") == []
    assert heard == []


def test_a_failed_change_changes_nothing(queue: JobQueue) -> None:
    (job,) = add(queue)
    with pytest.raises(TypeError):
        queue.record(job.id, "drawn", {"file": Path("a")}, progress=0.7)
    assert queue.get(job.id).progress == 0


def test_a_full_disk_and_one_that_is_only_read_are_told_as_such(queue: JobQueue) -> None:
    (pages,) = queue._database.execute("PRAGMA page_count").fetchone()
    queue._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="No space left") as full:
        queue.submit("draw", {"prompt": "x" * 100_000})
    queue._database.execute("PRAGMA query_only = 1")
    with pytest.raises(OSError, match="Read-only") as locked:
        queue.submit("draw", {})
    assert [each.value.errno for each in (full, locked)] == [errno.ENOSPC, errno.EROFS]
    assert {each.value.filename for each in (full, locked)} == {str(queue.home / FILE)}
    assert queue.jobs() == []


def test_running_jobs_are_not_removed(queue: JobQueue) -> None:
    (job,) = add(queue)
    queue.claim("cpu")
    with pytest.raises(QueueError, match="cancel it first"):
        queue.remove(job.id)
    queue.finish(job.id, "failed", error="no paper")
    queue.remove(job.id)
    assert queue.jobs() == []
    assert queue.events(job.id) == []


def test_of_what_is_over_each_owners_latest_is_remembered(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, history=2)
    anas, (ruis,) = add(queue, 5, owner="ana"), add(queue, owner="rui")
    queue.cancel(ruis.id)
    for _ in range(2):
        running = queue.claim("cpu")
        assert running is not None
        queue.finish(running.id, "done")
    queue.cancel(anas[2].id)
    assert ids(queue.jobs(owner="ana")) == ids([anas[3], anas[4], anas[2], anas[1]])
    assert queue.events(anas[0].id) == []
    assert ids(queue.jobs(owner="rui")) == [ruis.id]


def test_what_has_just_ended_is_remembered_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"now": 2e9}
    monkeypatch.setattr("time.time", lambda: clock["now"])
    queue, done = JobQueue(tmp_path, history=3), []
    for turn in range(5):
        done += ids(add(queue))
        queue.claim("cpu")
        queue.finish(done[-1], "done", result={"images": []})
        assert queue.get(done[-1]).state == "done"
        clock["now"] = 2e9 - 3600 * turn  # and further back each time
    assert ids(queue.jobs()) == done[:1:-1]  # the latest first


@pytest.mark.parametrize("jump", [-3600.0, 0.0, 3600.0])
def test_a_clock_that_is_set_changes_nothing_about_the_time_left(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clocks = {"time": 1e9, "monotonic": 50.0}
    for name in clocks:
        monkeypatch.setattr(f"time.{name}", lambda name=name: clocks[name])
    (job,) = add(queue)
    assert queue.seconds_left(job) is None
    queue.claim("cpu")
    assert queue.seconds_left(queue.get(job.id)) is None
    clocks["monotonic"] += 70  # the model is loaded, photos are read
    queue.record(job.id, "prepared", {}, progress=0.0)
    for tenth in range(1, 10):
        clocks["monotonic"] += 10
        clocks["time"] += 10 + (jump if tenth == 2 else 0)
        queue.record(job.id, "sampled", {}, progress=tenth / 10)
        assert queue.seconds_left(queue.get(job.id)) == pytest.approx(100 - 10 * tenth)
    queue.finish(job.id, "queued")
    clocks["monotonic"] += 5000  # it waits, and goes on from where it was
    queue.claim("cpu")
    assert queue.seconds_left(queue.get(job.id)) is None
    clocks["monotonic"] += 5
    queue.record(job.id, "sampled", {}, progress=0.95)
    assert queue.seconds_left(queue.get(job.id)) == pytest.approx(5)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "retrato.sqlite").write_text("no database" * 100)
    with pytest.raises(OSError, match="is not a database") as error:
        JobQueue(tmp_path)
    assert error.value.filename == str(tmp_path / "retrato.sqlite")
