"""What requests brought for their jobs to begin with, and left for somebody to take; it goes once no job needs it.

Knows nothing of requests.
"""

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from retrato.jobs.job import Job
from retrato.jobs.queue import JobQueue


def unneeded_pictures(home: Path, jobs: Iterable[Job]) -> list[Path]:
    """Gives the pictures sent to be drawn over or described with which none of `jobs` that may go on begins."""
    needed = set(pictures_of(home, [job for job in jobs if job.state != "done"]))
    return [path for path in sorted((home / "uploads").glob("*.png")) if path not in needed]


def pictures_of(home: Path, jobs: Iterable[Job]) -> list[Path]:
    """Gives the pictures sent to be drawn over or described with which any of `jobs` begins."""
    begun = list(jobs)
    named = {said for job in begun for said in job.settings.values() if isinstance(said, str)}
    named |= {file for job in begun for file in job.options.get("files", ())}
    sent = sorted((home / "uploads").glob("*.png"))
    return [path for path in sent if {str(path), str(path.resolve())} & named]


def tidy(queue: JobQueue, *, older_than: float = 0) -> None:
    """Removes those pictures, and the folders of jobs that are done.

    What was last touched less than `older_than` seconds ago stays: somebody may be about to use it.
    """
    jobs = queue.jobs(limit=-1)
    lasting = {job.id for job in jobs if job.state != "done"}
    folders = [path for path in (queue.home / "jobs").glob("*") if path.name not in lasting]
    for path in [*folders, *unneeded_pictures(queue.home, jobs)]:
        with suppress(FileNotFoundError):  # whoever asked for it has it
            if time.time() - path.stat().st_mtime >= older_than:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
