"""What a job says while it is done, as the queue stores it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """An event to store: its kind, plain data, and how far the job is (0 to 1) where that changed."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    progress: float | None = None


class Pace:
    """Thins out what is said at every step: a commit to the disk for each would slow small models down."""

    def __init__(self, seconds: float = 0.25) -> None:
        self._seconds = seconds
        self._last = -seconds

    def is_due(self) -> bool:
        """Says whether enough time went by since it last said yes."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
