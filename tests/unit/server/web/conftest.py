"""A queue without a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrato.jobs import JobQueue


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[JobQueue]:
    queue = JobQueue(tmp_path)
    yield queue
    queue.close()
