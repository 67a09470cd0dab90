"""Waiting for the queue without holding a thread: many may watch, one works.

The queue is asked on threads, as it may wait for whoever writes to its file.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from fastapi.concurrency import run_in_threadpool

from retrato.errors import UnknownError
from retrato.jobs import Job, JobEvent, JobQueue


async def finished(queue: JobQueue, job: str) -> Job:
    """Gives the job once nothing more happens to it by itself: it is done, failed, cancelled or paused."""
    with _changes(queue, job) as changed:
        while (found := await run_in_threadpool(queue.get, job)).state in ("queued", "running"):
            await changed()
    return found


async def follow(queue: JobQueue, job: str, after: int = 0) -> AsyncIterator[JobEvent]:
    """Gives the job's events after number `after`, past and future ones, until it is over, paused or removed."""
    with _changes(queue, job) as changed:
        while True:
            try:
                # The state before the events: the last one comes with it.
                state = (await run_in_threadpool(queue.get, job)).state
            except UnknownError:
                return
            events = await run_in_threadpool(queue.events, job, after=after)
            for event in events:
                after = event.number
                yield event
            if events:
                continue
            if state not in ("queued", "running"):
                return
            await changed()


@contextmanager
def _changes(queue: JobQueue, job: str) -> Iterator[Callable[[], Awaitable[None]]]:
    """Gives what returns once something happened to a job since it returned last."""
    loop, flag = asyncio.get_running_loop(), asyncio.Event()

    def notify() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(flag.set)

    async def changed() -> None:
        await flag.wait()
        flag.clear()

    unsubscribe = queue.subscribe(notify, job=job)
    try:
        yield changed
    finally:
        unsubscribe()
