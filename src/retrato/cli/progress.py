"""Shows the events of a training or a drawing while they pass by: bars with times on a terminal, lines elsewhere.

Knows nothing of what makes the events and of what is done with them.
"""

from collections.abc import Generator
from contextlib import closing
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from retrato.generation import Cell, Drawn, Sampled
from retrato.photos import PhotoReport, Refused
from retrato.training import Comparing, Evaluated, Extended, Picked, Prepared, Previewed, Scored, Stepped

Event = TypeVar("Event")


def watch(events: Generator[Event, None, None], console: Console) -> Generator[Event, None, None]:
    """Gives the events on, each shown on `console` first; however the watching ends, `events` is closed."""
    with closing(events), _Board(console) as board:
        for event in events:
            board.show(event)
            yield event


class _Board:
    """What is on the screen: one bar at a time, and the figures beside it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        fixed = Column(no_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=fixed),
            BarColumn(bar_width=12, table_column=fixed),
            MofNCompleteColumn(table_column=fixed),
            TimeRemainingColumn(table_column=fixed),
            TextColumn("{task.fields[facts]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: tuple[str, TaskID] | None = None
        self._held_out = ""

    def __enter__(self) -> "_Board":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, event: object) -> None:
        """Shows one event; those that say nothing to a person are passed over."""
        match event:
            case PhotoReport():
                self._line(f"checked {len(event.photos)} photos: all in all {event.verdict}")
            case Refused():
                self._line(f"left out: {event.reason}")
            case Prepared():
                self._line(
                    f"learning from {len(event.photos)} photos, {len(event.held_out)} held out, at most {event.steps} "
                    f"steps of {event.batch_size}, in {event.run_folder}"
                )
                for sentence in filter(None, [event.hint, *event.surprises]):
                    self._line(sentence)
            case Stepped():
                self._bar("learning", event.step, event.steps, self._figures(event))
                if event.step == event.steps or event.step % max(1, event.steps // 10) == 0:
                    self._quiet_line(f"step {event.step} of {event.steps}: {self._figures(event)}")
            case Evaluated():
                self._held_out = f" held-out {event.loss:.4f}"
            case Previewed():
                self._quiet_line(f"preview: {event.file}")
            case Comparing():
                self._bar("comparing", event.pictures, event.of, "pictures")
            case Scored():
                figures = " ".join(f"{name} {value:.2f}" for name, value in event.candidate.scores.items())
                self._quiet_line(f"candidate of step {event.candidate.step}: {figures}")
            case Extended():
                self._line(event.reason)
            case Picked():
                self._line(f"picked {event.reason}")
            case Sampled():
                drawing = min(event.first + len(event.latents), event.count)
                self._bar(f"drawing {drawing} of {event.count}", event.step, event.steps, "")
            case Cell():
                self._quiet_line(f"drawn {', '.join(event.labels)}")
            case Drawn():
                self._quiet_line(f"drawn {event.index + 1} of {event.count}")

    def _figures(self, event: Stepped) -> str:
        norm = sum(event.norms) / max(1, len(event.norms))
        return f"loss {event.loss:.4f}{self._held_out} norm {norm:.2f}"

    def _bar(self, what: str, done: int, total: int | None, facts: str) -> None:
        """Moves the bar; another kind of work gets a new one."""
        if self._task is None or self._task[0] != what:
            if self._task is not None:
                self._bars.remove_task(self._task[1])
            self._task = (what, self._bars.add_task(what, total=total, facts=facts))
        self._bars.update(self._task[1], completed=done, total=total, facts=facts)

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _quiet_line(self, text: str) -> None:
        """Prints only where no bar says it."""
        if not self._console.is_terminal:
            self._line(text)
