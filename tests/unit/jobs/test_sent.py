"""What requests brought stays for as long as a job may begin with it, and no longer."""

import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from retrato.jobs import JobQueue, order_captions, order_drawing
from retrato.jobs.sent import tidy, unneeded_pictures
from retrato.settings import GenerateSettings


def sent(queue: JobQueue, name: str) -> Path:
    file = queue.home / "uploads" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(name.encode())
    return file


def folder_of(queue: JobQueue, job: str) -> Path:
    folder = queue.home / "jobs" / job
    folder.mkdir(parents=True)
    return folder


def test_what_requests_left_behind_goes_once_no_job_needs_it(queue: JobQueue) -> None:
    job = order_drawing(queue, GenerateSettings(prompt="x"), keep=False)
    kept, done, left = folder_of(queue, job.id), folder_of(queue, "f" * 16), sent(queue, "a.png")
    dropped = sent(queue, "page")  # the page's, which goes when it is read
    tidy(queue)
    assert [path.exists() for path in (kept, done, left, dropped)] == [True, False, False, True]


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled", "failed"])
def test_what_a_job_that_can_go_on_begins_with_stays(queue: JobQueue, state: str) -> None:
    pictures = [sent(queue, f"{name}.png") for name in ("picture", "mask", "described")]
    drawing = order_drawing(
        queue, GenerateSettings(prompt="x", init_image=str(pictures[0]), mask=str(pictures[1])), keep=False
    )
    folder, jobs = folder_of(queue, drawing.id), [drawing.id, order_captions(queue, pictures[2:]).id]
    for job in jobs if state != "queued" else []:
        queue.claim("cpu")
        queue.finish(job, cast("Any", state))
    tidy(queue)
    assert [path.exists() for path in (*pictures, folder)] == [True] * 4
    for job in jobs:
        if state != "queued":
            queue.resume(job)
        queue.claim("cpu")
        queue.finish(job, "done")
    assert len(unneeded_pictures(queue.home, queue.jobs())) == 3
    tidy(queue)
    assert [path.exists() for path in (*pictures, folder)] == [False] * 4


def test_a_home_that_was_moved_has_its_pictures(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    queue = JobQueue(home)
    order_drawing(queue, GenerateSettings(prompt="x", init_image=str(sent(queue, "a.png"))))
    queue.close()
    moved = home.rename(tmp_path / "moved")
    queue = JobQueue(moved)
    tidy(queue)
    assert (moved / "uploads" / "a.png").exists()
    queue.close()


def test_what_was_just_sent_waits_for_its_job(queue: JobQueue) -> None:
    old, new = sent(queue, "old.png"), sent(queue, "new.png")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    tidy(queue, older_than=3600)
    assert (old.exists(), new.exists()) == (False, True)
