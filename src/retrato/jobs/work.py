"""Does one job at a time: iterates the same generators as everybody else, and stores what they say.

Knows the studio and the queue; nothing of the network and of the gallery.
"""

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from retrato.errors import QueueError, RetratoError
from retrato.files import fault, locked_file
from retrato.home import within
from retrato.jobs.captioning import caption, prepare
from retrato.jobs.drawing import draw, draw_sheet, keep_unfinished
from retrato.jobs.job import Job, JobEvent, Wish
from retrato.jobs.learning import keep_learned, learn
from retrato.jobs.queue import JobQueue
from retrato.jobs.said import Said
from retrato.studio import Studio

logger = logging.getLogger("retrato")

Doing = Generator[Said, Wish | None, Mapping[str, Any]]


def work(
    studio: Studio, queue: JobQueue, job: Job, *, stopping: Callable[[], bool] = lambda: False
) -> Generator[JobEvent, None, None]:
    """Does a claimed job and yields each event once it is stored; the last one says how the job ended.

    Looks after each event whether somebody wants it cancelled, paused or skipped, and then whether `stopping` says yes:
    where it does, or the consumer stops, the job goes back into the queue, to go on where it stopped. A failing job
    says so; what is raised is what the queue raises where it cannot be written.
    """
    doing = DOINGS[job.kind](studio, queue, job)
    ended: tuple[Any, ...] = ("queued",)
    try:
        with contextlib.closing(doing):
            wish: Wish | None = None
            if queue.wish(job.id) == "cancel":  # it was paused, and what it learned is to be kept
                ended = ("cancelled",)
            while ended[0] != "cancelled":
                said = doing.send(wish)
                yield queue.record(job.id, said.kind, said.data, progress=said.progress)
                wish = queue.wish(job.id)
                if wish in ("cancel", "pause"):  # also where the worker is told to stop: nobody would hear it later
                    ended = ("paused",) if wish == "pause" else ("cancelled",)
                    break
                if stopping():
                    break
                if wish == "skip":
                    queue.grant(job.id)
        if ended[0] == "cancelled":
            ended = ("cancelled", KEEPING[job.kind](studio, queue, job))
    except StopIteration as end:
        ended = ("done", end.value)
    except Exception as error:
        ended = _failure(queue, job, error)
    finally:
        queue.show(job.id, None)
        last = _finish(queue, job, *ended)
    yield last


def fail(queue: JobQueue, job: Job, error: Exception) -> JobEvent:
    """Says that a running job failed because of `error`, in the sentence that `work` would have said."""
    return _finish(queue, job, *_failure(queue, job, error))


def recover(queue: JobQueue, *, is_restart: bool = True) -> list[Job]:
    """Puts the jobs back that were running when their worker ended, on whatever device, and gives them.

    The caller holds the `worker_lock`, so that nobody is at them. `is_restart`: the program ended, too; a job that it
    keeps ending at fails, see `JobQueue.recover`.
    """
    devices = sorted(queue.devices_at_work())
    return [job for device in devices for job in queue.recover(device, is_restart=is_restart)]


@contextlib.contextmanager
def worker_lock(home: Path) -> Iterator[None]:
    """Makes this the only worker in `home` while open; raises QueueError where there is another one.

    On whatever device that one is: it takes all jobs, and tidies up what only its own requests brought. The lock ends
    with the process, however that ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    with locked_file(home / ".worker.lock") as other:
        if other:
            raise QueueError(
                f"process {other} already works on the jobs in {home}: use that one, end it, or set RETRATO_HOME to "
                "another folder"
            )
        yield


def _failure(queue: JobQueue, job: Job, error: Exception) -> tuple[Any, ...]:
    """Gives how a job ends that `error` ended, as `_finish` takes it; what nobody foresaw goes to the log."""
    match error:
        case RetratoError():
            return "failed", {"input_is_wrong": error.exit_code == 2}, within(queue.home, str(error))
        case OSError():
            return "failed", None, within(queue.home, fault(error))
        case _:
            logger.error("job %s failed", job.id, exc_info=error)
            return "failed", None, f"unexpected {type(error).__name__}: the log of the server says more"


def _finish(
    queue: JobQueue, job: Job, state: Any, result: Mapping[str, Any] | None = None, error: str | None = None
) -> JobEvent:
    return queue.finish(job.id, state, result=result, error=error)


def _nothing(studio: Studio, queue: JobQueue, job: Job) -> None:
    """What was made before the end is in the events."""


DOINGS: Mapping[str, Callable[[Studio, JobQueue, Job], Doing]] = {
    "draw": draw,
    "grid": draw_sheet,
    "train": learn,
    "caption": caption,
    "prepare": prepare,
}
KEEPING: Mapping[str, Callable[[Studio, JobQueue, Job], Mapping[str, Any] | None]] = {
    "draw": keep_unfinished,
    "grid": _nothing,
    "train": keep_learned,
    "caption": _nothing,
    "prepare": _nothing,
}
