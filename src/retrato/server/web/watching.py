"""A training as it is watched: its events, folded into what the page shows. Knows nothing of HTML and of the queue.

Folding goes on where it stopped, so that a page that watches a long run reads each event once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from retrato.jobs import JobEvent

MOST_POINTS = 400  # of a curve; beyond that every second one is dropped

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A candidate: its deterministic loss, and once it was drawn its scores; `event` is the one with its pictures.

    `first_scores` are those of the first round, whose pictures all candidates were drawn with.
    """

    step: int
    loss: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    event: int = 0
    pictures: int = 0
    is_average: bool = False
    first_scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a training said up to event number `after`."""

    job: str = ""
    after: int = 0
    step: int = 0
    steps: int = 0
    photos: int = 0
    held_out: int = 0
    learning_rate: float = 0.0
    loss: tuple[Point, ...] = ()
    held_out_loss: tuple[Point, ...] = ()
    previews: tuple[tuple[int, int], ...] = ()  # (step, event)
    checkpoints: tuple[Checkpoint, ...] = ()
    picked: int | None = None
    picked_is_average: bool = False
    compares: bool = False  # candidates, as nothing is learned at the moment
    hint: str = ""  # what would make it learn better
    surprises: tuple[str, ...] = ()  # in the previews' prompt
    extended: str = ""  # why it goes on after all of its steps
    reason: str = ""
    stop_reason: str = ""
    kept: int | None = None
    refused: tuple[str, ...] = ()


def fold(watched: Watched, events: Iterable[JobEvent]) -> Watched:
    """Gives `watched` after what the events say, in their order."""
    for event in events:
        watched = replace(_fold_one(watched, event), after=event.number)
    return watched


def _fold_one(seen: Watched, event: JobEvent) -> Watched:
    data = event.data
    match event.kind:
        case "prepared":
            begun = int(data["first_step"])
            kept = tuple(point for point in seen.loss if point[0] <= begun)
            return replace(
                seen,
                step=begun,
                steps=int(data["steps"]),
                photos=len(data["photos"]),
                held_out=len(data["held_out"]),
                loss=kept,
                held_out_loss=tuple(point for point in seen.held_out_loss if point[0] <= begun),
                hint=str(data.get("hint", "")),
                surprises=tuple(map(str, data.get("surprises", ()))),
            )
        case "stepped":
            return _stepped(seen, data)
        case "evaluated":
            point = (float(data["step"]), _number(data["loss"]))
            return replace(seen, held_out_loss=(*seen.held_out_loss, point))
        case "previewed":
            return replace(seen, previews=(*seen.previews, (int(data["step"]), event.number)))
        case "saved":
            others = tuple(each for each in seen.checkpoints if each.step != data["step"] or each.is_average)
            return replace(seen, checkpoints=(*others, Checkpoint(int(data["step"]))))
        case "comparing":
            return replace(seen, compares=True)
        case "scored":
            return replace(seen, checkpoints=_scored(seen.checkpoints, data["candidate"], event.number))
        case "extended":
            return replace(seen, compares=False, steps=int(data["steps"]), extended=str(data["reason"]))
        case "picked":
            checkpoints = _scored(seen.checkpoints, data["candidate"], 0)
            return replace(
                seen,
                checkpoints=checkpoints,
                picked=int(data["candidate"]["step"]),
                picked_is_average=bool(data["candidate"]["is_average"]),
                reason=str(data["reason"]),
            )
        case "finished":
            return replace(seen, stop_reason=str(data["stop_reason"]), step=int(data["steps_run"]))
        case "kept":
            return replace(seen, kept=int(data["step"]))
        case "refused":
            return replace(seen, refused=(*seen.refused, str(data["reason"])))
    return seen


def _stepped(seen: Watched, data: Any) -> Watched:
    step = int(data["step"])
    points = (*seen.loss, (float(step), _number(data["loss"])))
    return replace(
        seen,
        step=step,
        steps=int(data["steps"]),
        compares=False,
        learning_rate=float(data["learning_rate"]),
        loss=points if len(points) <= MOST_POINTS else (*points[:-1:2], points[-1]),
    )


def _scored(checkpoints: tuple[Checkpoint, ...], candidate: Any, event: int) -> tuple[Checkpoint, ...]:
    step, is_average = int(candidate["step"]), bool(candidate["is_average"])
    rounds = [_numbers(scores) for scores in (*candidate.get("earlier", ()), candidate["scores"])]
    before = next((each for each in checkpoints if (each.step, each.is_average) == (step, is_average)), None)
    before = before or Checkpoint(step)
    found = Checkpoint(
        step,
        candidate["loss"],
        rounds[-1] or before.scores,
        event or before.event,
        len(candidate["pictures"]) if event else before.pictures,
        is_average,
        rounds[0] or before.first_scores,
    )
    others = (each for each in checkpoints if (each.step, each.is_average) != (step, is_average))
    return tuple(sorted((*others, found), key=lambda each: (each.step, each.is_average)))


def _numbers(scores: Any) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if value is not None}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
