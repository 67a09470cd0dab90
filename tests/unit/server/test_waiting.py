"""Waiting for jobs on an event loop that others need."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retrato.database import FILE
from retrato.jobs import Job, JobQueue
from retrato.server.waiting import finished, follow


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    with closing(JobQueue(tmp_path)) as queue:
        yield queue


def test_the_loop_goes_on_while_somebody_else_writes(queue: JobQueue) -> None:
    """The lock is let go of by the loop itself: one that stood would wait until the queue gives up."""
    job, other = (queue.submit("draw", {}).id for _ in range(2))

    async def wait() -> str:
        with closing(sqlite3.connect(queue.home / FILE, isolation_level=None)) as elsewhere:
            elsewhere.execute("BEGIN IMMEDIATE")
            writing = threading.Thread(target=queue.cancel, args=(job,))
            writing.start()
            await asyncio.sleep(0.2)  # so that it holds what the queue's readers need
            first = asyncio.create_task(finished(queue, job))
            second = asyncio.ensure_future(anext(follow(queue, other)))
            await asyncio.sleep(0.2)
            assert writing.is_alive()
            elsewhere.execute("ROLLBACK")
            await asyncio.to_thread(writing.join)
        return f"{(await first).state} {(await second).kind}"

    assert asyncio.run(wait()) == "cancelled queued"


def test_only_what_happens_to_a_job_wakes_those_who_wait_for_it(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = (queue.submit("draw", {}).id for _ in range(2))
    asked: list[str] = []
    get = queue.get

    def asking(each: str) -> Job:
        asked.append(each)
        return get(each)

    monkeypatch.setattr(queue, "get", asking)

    async def wait() -> str:
        waiting = asyncio.create_task(finished(queue, job))
        while not asked:
            await asyncio.sleep(0.01)
        for step in range(20):
            await asyncio.to_thread(queue.record, other, "stepped", {"step": step})
        await asyncio.sleep(0.05)
        assert asked == [job]
        await asyncio.to_thread(queue.finish, job, "done")
        return (await waiting).state

    assert asyncio.run(wait()) == "done"
    assert asked == [job, job]


def test_whoever_follows_a_job_that_is_removed_hears_the_end(queue: JobQueue) -> None:
    """The stream had begun: all that could still be done was to break it off, with a traceback in the log."""
    job = queue.submit("draw", {}).id

    async def follows() -> list[str]:
        heard = []
        async for event in follow(queue, job):
            heard.append(event.kind)
            await asyncio.to_thread(queue.remove, job)
        return heard

    assert asyncio.run(follows()) == ["queued"]
