"""What a page shows of a training follows from its events, read once each, also after it went on."""

import itertools
import math
from typing import Any

from retrato.jobs import JobEvent
from retrato.server.web.watching import MOST_POINTS, Watched, fold

PREPARED = {"first_step": 0, "steps": 100, "photos": ["a", "b", "c"], "held_out": ["a"]}
CANDIDATE = {"step": 20, "loss": 0.5, "scores": {}, "pictures": [], "is_average": False}


def events(*said: tuple[str, dict[str, Any]], first: int = 1) -> list[JobEvent]:
    return [JobEvent(number, "job", kind, 0.0, data) for number, (kind, data) in enumerate(said, start=first)]


def stepped(step: int, seconds: float = 0.0, loss: float | None = 0.4) -> tuple[str, dict[str, Any]]:
    return "stepped", {"step": step, "steps": 100, "loss": loss, "learning_rate": 0.005, "seconds": seconds}


def test_how_far_it_is_is_known() -> None:
    seen = fold(Watched("job"), events(("prepared", PREPARED), stepped(1), stepped(11)))
    assert (seen.step, seen.steps, seen.photos, seen.held_out, seen.after) == (11, 100, 3, 1, 3)


def test_what_would_make_it_learn_better_is_shown() -> None:
    said = {**PREPARED, "hint": "no photo has a caption"}
    assert fold(Watched("job"), events(("prepared", said))).hint == said["hint"]
    assert fold(Watched("job"), events(("prepared", PREPARED))).hint == "", "of a training that an older one began"


def test_what_may_surprise_in_the_previews_prompt_is_known() -> None:
    said = {**PREPARED, "surprises": ["preview prompt, character 1: this ( is never closed"]}
    assert fold(Watched("job"), events(("prepared", said))).surprises == tuple(said["surprises"])
    assert fold(Watched("job"), events(("prepared", PREPARED))).surprises == (), "of a training that an older one began"


def test_folding_in_two_parts_is_folding_at_once() -> None:
    said = events(
        ("prepared", PREPARED),
        *(stepped(step, float(step)) for step in range(1, 30)),
        ("evaluated", {"step": 20, "loss": 0.3, "best": True}),
        ("previewed", {"step": 20, "file": "x.png"}),
        ("saved", {"step": 20, "file": "x.safetensors"}),
    )
    assert fold(fold(Watched("job"), said[:13]), said[13:]) == fold(Watched("job"), said)


def test_a_candidate_is_saved_then_scored_then_picked() -> None:
    scores = {"scores": {"identity": 0.8, "harmonic": None}, "earlier": [{"identity": 0.9}]}
    scored = {**CANDIDATE, **scores, "pictures": ["a.png", "b.png"]}
    said = events(
        ("saved", {"step": 20, "file": "x"}),
        ("saved", {"step": 40, "file": "y"}),
        ("scored", {"candidate": scored}),
        ("picked", {"candidate": CANDIDATE, "reason": "the best"}),
    )
    seen = fold(Watched("job"), said)
    first, second = seen.checkpoints
    assert (first.step, first.scores, first.pictures, first.event) == (20, {"identity": 0.8}, 2, 3)
    assert (second.step, second.scores) == (40, {})
    assert first.first_scores == {"identity": 0.9}  # the only ones that all candidates can be compared by
    assert (seen.picked, seen.reason) == (20, "the best")


def test_a_training_that_goes_on_after_all_steps_learns_again_and_says_why() -> None:
    said = events(
        ("prepared", PREPARED),
        stepped(100),
        ("comparing", {"pictures": 12, "of": 24}),
        ("scored", {"candidate": {**CANDIDATE, "scores": {"identity": 0.3}, "pictures": ["a.png"]}}),
        ("extended", {"steps": 240, "reason": "too little", "learning_share": 0.7}),
        ("stepped", {**stepped(101)[1], "steps": 240}),
    )
    compared, extended, learns = (fold(Watched("job"), said[:count]) for count in (4, 5, 6))
    assert fold(Watched("job"), said[:3]).compares, "from the first picture on"
    assert (compared.compares, compared.extended) == (True, "")
    assert (extended.compares, extended.extended, extended.steps) == (False, "too little", 240)
    assert (learns.compares, learns.step, learns.steps, len(learns.checkpoints)) == (False, 101, 240, 1)


def test_a_run_that_goes_on_from_a_checkpoint_drops_what_came_after_it() -> None:
    said = events(
        ("prepared", PREPARED), *(stepped(step) for step in (10, 20, 30)), ("prepared", {**PREPARED, "first_step": 20})
    )
    assert [step for step, _ in fold(Watched("job"), said).loss] == [10, 20]


def test_a_long_run_keeps_few_points_and_its_ends() -> None:
    said = events(*(stepped(step) for step in range(1, 3001)))
    steps = [step for step, _ in fold(Watched("job"), said).loss]
    assert len(steps) <= MOST_POINTS
    assert steps[-1] == 3000
    assert all(one < other for one, other in itertools.pairwise(steps))


def test_a_loss_that_was_no_number_is_a_gap() -> None:
    (point,) = fold(Watched("job"), events(stepped(5, loss=None))).loss
    assert math.isnan(point[1])


def test_what_is_stopped_and_refused_is_said() -> None:
    seen = fold(
        Watched("job"), events(("refused", {"path": "x", "reason": "too small"}), ("kept", {"step": 9, "file": "f"}))
    )
    assert (seen.refused, seen.kept) == (("too small",), 9)
