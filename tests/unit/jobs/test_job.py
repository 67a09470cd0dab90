"""What a job is."""

import pytest

from retrato.jobs import JobQueue
from retrato.jobs.job import OPEN, State


@pytest.mark.parametrize("state", ["queued", "running", "paused", "done", "failed", "cancelled"])
def test_open_is_what_something_may_still_happen_to(queue: JobQueue, state: State) -> None:
    job = queue.submit("draw", {"prompt": "a cat"}, owner="ana")
    if state != "queued":
        queue.claim("cpu")
    if state not in ("queued", "running"):
        queue.finish(job.id, state)
    found = queue.get(job.id)
    assert (found.state, found.is_open) == (state, state in OPEN)
    assert (found.owner, found.settings) == ("ana", {"prompt": "a cat"})


def test_an_event_is_read_as_it_was_recorded(queue: JobQueue) -> None:
    job = queue.submit("draw", {})
    said = queue.record(job.id, "drawn", {"file": "pictures/1.png", "labels": ["1", "3"]}, progress=0.5)
    assert queue.event(job.id, said.number) == said
