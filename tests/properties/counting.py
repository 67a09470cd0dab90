"""How much work a reader does, counted and not timed: characters that are touched, lines of the package that run."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import retrato

PACKAGE = str(Path(retrato.__file__).parent)


class CountedText(str):
    """A text that counts the characters that are read from it, slices and searches included."""

    read = 0

    def __getitem__(self, key: Any) -> str:
        found = super().__getitem__(key)
        self.read += len(found)
        return found

    def find(self, sub: str, start: int = 0, end: int = sys.maxsize) -> int:  # type: ignore[override]
        found = super().find(sub, start, end)
        self.read += (len(self) if found == -1 else found) - start + 1
        return found


class CountedPattern:
    """A pattern that charges each text for what it looks through: up to the end where nothing is found.

    Right for patterns that never go back over what they took. `first` is the character that a match begins with, if it
    is always the same: a match that fails there has looked at nothing else.
    """

    def __init__(self, pattern: re.Pattern[str], first: str = "") -> None:
        self.pattern, self.first = pattern, first

    def search(self, text: CountedText, start: int) -> re.Match[str] | None:
        return self._charged(text, start, self.pattern.search(text, start))

    def match(self, text: CountedText, start: int) -> re.Match[str] | None:
        if not text.startswith(self.first, start):
            text.read += 1
            return None
        return self._charged(text, start, self.pattern.match(text, start))

    def _charged(self, text: CountedText, start: int, found: re.Match[str] | None) -> re.Match[str] | None:
        text.read += (found.end() if found else len(text)) - start + 1
        return found


@contextmanager
def _counted_lines() -> Iterator[list[int]]:
    """Counts the lines of the package that run, each turn of a loop or comprehension included."""
    count = [0]

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def work(read: Callable[[CountedText], object], text: str) -> int:
    """Gives how many characters `read` touches of `text` and how many lines of the package it runs."""
    counted = CountedText(text)
    with _counted_lines() as lines:
        read(counted)
    return lines[0] + counted.read


def grows_no_faster(read: Callable[[CountedText], object], start: str, part: str) -> bool:
    """True where the work for `part` over and over is at most in proportion to its length, whatever stands first."""
    # From 70 repetitions on the brackets of `start` are closed, or the limit is reached: what is left is the slope.
    some, more, most = (work(read, start + part * times) for times in (70, 140, 280))
    return most - more <= 2.2 * max(more - some, 0) + 400
