import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from retrato.cli.progress import watch
from retrato.photos import Refused
from retrato.training import Candidate, Comparing, Evaluated, Extended, Picked, Prepared, Scored, Stepped

EVENTS = (
    Refused(Path("a.png"), "a.png is broken"),
    Stepped(1, 2, 0.5, 0.01, (1.0, 2.0), 0.1, 4),
    Evaluated(1, 0.25, True),
    Stepped(2, 2, 0.4, 0.01, (1.0, 2.0), 0.2, 8),
    Comparing(12, 24),
    Scored(Candidate(2, Path("x"), 0.25, {"identity": 0.5})),
    Extended(4, "training goes on", 0.5),
    Picked(Candidate(2, Path("x"), 0.25), "step 2 scores best"),
    "an event of another kind",
)


def events(closed: list[bool]) -> Iterator[object]:
    try:
        yield from EVENTS
    finally:
        closed.append(True)


def shown(**options: object) -> str:
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False, **options)
    closed: list[bool] = []
    assert tuple(watch(events(closed), console)) == EVENTS
    assert closed == [True]
    return console.file.getvalue()


def test_without_a_terminal_there_are_lines() -> None:
    lines = shown().splitlines()
    assert lines[0] == "left out: a.png is broken"
    assert lines[1] == "step 1 of 2: loss 0.5000 norm 1.50"
    assert lines[2] == "step 2 of 2: loss 0.4000 held-out 0.2500 norm 1.50"
    assert lines[3] == "candidate of step 2: identity 0.50"
    assert lines[4:] == ["training goes on", "picked step 2 scores best"]


def test_on_a_terminal_there_is_a_bar() -> None:
    text = shown(force_terminal=True)
    assert "left out: a.png is broken" in text
    assert "step 1 of 2" not in text
    assert "12/24" in text
    assert "picked step 2 scores best" in text


def test_whoever_stops_watching_closes_the_events() -> None:
    closed: list[bool] = []
    watched = watch(events(closed), Console(file=io.StringIO()))
    next(watched)
    watched.close()
    assert closed == [True]


def test_errors_come_through() -> None:
    def broken() -> Iterator[object]:
        yield EVENTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(watch(broken(), Console(file=io.StringIO())))


def test_what_would_help_and_what_may_surprise_is_said() -> None:
    console = Console(file=io.StringIO(), width=200, markup=False, highlight=False)
    hint, surprise = "no photo has a caption", "preview prompt, character 1: this ) closes nothing"
    prepared = Prepared((), (), {}, 9, 1, 0, Path("run"), {}, hint=hint, surprises=(surprise,))
    tuple(watch((each for each in [prepared]), console))
    assert console.file.getvalue().splitlines()[1:] == [hint, surprise]
