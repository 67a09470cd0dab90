"""Where a command's words go: notes to stderr, results to stdout, or with --json one object to stdout alone.

Text is printed as it is: brackets in prompts and file names are no markup.
"""

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from retrato.plain import plain


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


def _console(*, stderr: bool) -> Console:
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)
