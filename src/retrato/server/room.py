"""How much of the disk an account's photos, pictures and trainings take, and whether that leaves room for more.

What is sent to be drawn over, and what is dropped and not yet kept, is nobody's: it goes by itself within a day.
"""

from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from retrato.errors import QueueError
from retrato.forget import owners_of_runs
from retrato.gallery import Gallery
from retrato.jobs import JobQueue
from retrato.training.run_folder import RUNS

GIGABYTE = 1_000_000_000


class Room:
    """What each account may take: so many `gigabytes`; None for as much as there is.

    Called with an owner it raises QueueError where they have taken that much.
    """

    def __init__(self, queue: JobQueue, gallery: Gallery, gigabytes: float | None) -> None:
        self._queue = queue
        self._gallery = gallery
        self._gigabytes = gigabytes

    def __call__(self, owner: str) -> None:
        """Raises QueueError where there is no room for anything more of `owner`'s."""
        if self._gigabytes is None:
            return
        taken = self.taken(owner) / GIGABYTE
        if taken >= self._gigabytes:
            raise QueueError(
                f"your photos, pictures and trainings take {taken:.3g} GB, {self._gigabytes:g} are the most: delete "
                "pictures or sets of photos, or forget somebody"
            )

    def taken(self, owner: str) -> int:
        """Gives how many bytes the photos, pictures and runs of `owner` have, as they are on the disk now."""
        home = self._queue.home
        whose = owners_of_runs(home, self._queue, self._queue.jobs(limit=-1))
        runs = [run for run in (home / RUNS).glob("*/*") if whose(run) == owner]
        return self._gallery.bytes_of(owner) + sum(map(_bytes_in, [home / "photos" / owner, *runs]))


def _bytes_in(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it was removed, or replaced, meanwhile
            found = path.lstat()
            size += found.st_size if S_ISREG(found.st_mode) else 0
    return size
