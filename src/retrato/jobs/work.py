"""Does one job at a time: iterates the same generators as everybody else, and stores what they say.

Knows the studio and the queue; nothing of the network and of the gallery.
"""

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from retrato.errors import QueueError, RetratoError
from retrato.files import locked_file
from retrato.home import within
from retrato.jobs.captioning import caption, prepare
from retrato.jobs.drawing import draw, draw_sheet
from retrato.jobs.learning import keep_learned, learn
from retrato.jobs.queue import Job, JobEvent, JobQueue, Wish
from retrato.jobs.said import Said
from retrato.studio import Studio

logger = logging.getLogger("retrato")

Doing = Generator[Said, Wish | None, Mapping[str, Any]]


def work(
    studio: Studio, queue: JobQueue, job: Job, *, stopping: Callable[[], bool] = lambda: False
) -> Generator[JobEvent, None, None]:
    """Does a claimed job and yields each event once it is stored; the last one says how the job ended.

    Looks after each event whether somebody wants it cancelled, paused or skipped. Where `stopping` says yes, or the
    consumer stops, the job goes back into the queue, to go on where it stopped. Raises nothing: a failing job says so.
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
                if stopping():
                    break
                wish = queue.wish(job.id)
                if wish == "skip":
                    queue.grant(job.id)
                elif wish is not None:
                    ended = ("paused",) if wish == "pause" else ("cancelled",)
                    break
        if ended[0] == "cancelled":
            ended = ("cancelled", KEEPING[job.kind](studio, queue, job))
    except StopIteration as end:
        ended = ("done", end.value)
    except RetratoError as error:
        ended = ("failed", {"input_is_wrong": error.exit_code == 2}, within(studio.home, str(error)))
    except OSError as error:
        ended = ("failed", None, within(studio.home, f"{error.filename or 'a file'}: {error.strerror or error}"))
    except Exception as error:
        logger.exception("job %s failed", job.id)
        ended = ("failed", None, f"unexpected {type(error).__name__}: the log of the server says more")
    finally:
        queue.show(job.id, None)
        last = _finish(queue, job, *ended)
    yield last


def recover(queue: JobQueue, home: Path, device: str) -> list[Job]:
    """Puts the jobs back that were running on `device`, or on one that no worker is at any more, and gives them.

    The caller holds the `worker_lock` of `device`.
    """
    found = queue.recover(device)
    for other in queue.devices_at_work() - {device}:
        with contextlib.suppress(QueueError), worker_lock(home, other):
            found += queue.recover(other)
    return found


@contextlib.contextmanager
def worker_lock(home: Path, device: str) -> Iterator[None]:
    """Makes this the only worker for `device` in `home` while open; raises QueueError where there is another one.

    The lock ends with the process, however that ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    with locked_file(home / f".worker-{device.replace(':', '-')}.lock") as other:
        if other:
            raise QueueError(
                f"process {other} already works on the jobs in {home}: use that one, end it, or set RETRATO_HOME to "
                "another folder"
            )
        yield


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
    "draw": _nothing,
    "grid": _nothing,
    "train": keep_learned,
    "caption": _nothing,
    "prepare": _nothing,
}
