"""Where a command's words go: notes to stderr, results to stdout, or with --json one object to stdout alone.

Text is printed as it is: brackets in prompts and file names are no markup.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table


class Screen:
    """The two ways out of a command; `notes` is the console on stderr."""

    def __init__(self, as_json: bool) -> None:
        self.notes = _console(stderr=True)
        self._results = self.notes if as_json else _console(stderr=False)
        self._as_json = as_json

    def note(self, text: str) -> None:
        """Says what happens on the way."""
        self.notes.print(text, soft_wrap=True)

    def say(self, text: str) -> None:
        """Says what came out."""
        self._results.print(text, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Says what came out as a table."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self._results.print(table)

    def finish(self, values: Mapping[str, object]) -> None:
        """Prints what came out for programs, if they asked."""
        if self._as_json:
            print(json.dumps(plain(values), allow_nan=False))


def plain(value: object) -> object:
    """Gives `value` as JSON can hold it: paths as texts, dataclasses as objects, NaN and infinity as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)
