import dataclasses
from pathlib import Path

import pytest
import torch

from retrato.evaluation.measured import Compared, Measured, Point
from retrato.evaluation.report import notes
from retrato.evaluation.summary import at_equal_likeness, compare, to_quality
from retrato.settings import EvaluateSettings

TWO_ARE_FEW = 12.706 / 1.96 * 2**0.5  # what Student's t makes of the bootstrap of two people


def scores(identity: float, fidelity: float = 1.0) -> dict[str, float]:
    return {"identity": identity, "prompt_fidelity": fidelity, "harmonic": (identity + fidelity) / 2}


def measured(person: str, recipe: str, identity: float, learning: tuple[Point, ...] = ()) -> Measured:
    return Measured(
        person=person, recipe=recipe, seed=0, scores=scores(identity), intervals={}, satisfied=None, diversity=None,
        closest=0.5, rank1=None, steps=4, samples=400, picked_samples=400, seconds=8.0, learning=learning, weights=(),
        area=None, obedient=None, regret=None, embedding=Path("x"), pictures=(),
    )  # fmt: skip


def compared(*found: Measured, recipes: str = "retrato,a1111") -> Compared:
    return compare(
        people=tuple(dict.fromkeys(one.person for one in found)),
        measured=found,
        resampled=tuple(torch.tensor([list(one.scores.values())]).repeat(50, 1) for one in found),
        settings=EvaluateSettings(recipes=recipes),
        class_word_rank1=None,
        judge="a scorer",
        facts={},
        out=Path("out"),
        seconds=1.0,
    )


def curve(*identities: float, fidelity: float = 1.0) -> tuple[Point, ...]:
    return tuple(
        Point(100 * number, 2.0 * number, scores(identity, fidelity)) for number, identity in enumerate(identities, 1)
    )


def test_quality_is_reached_where_likeness_and_obedience_both_are() -> None:
    one = measured("ana", "retrato", 0.8, curve(0.1, 0.7, 0.9))
    assert to_quality(one, scores(0.75), 0.9) == (200, 4.0)
    assert to_quality(one, scores(0.75), 1.0) == (300, 6.0)
    assert to_quality(one, scores(0.95), 1.0) is None
    disobedient = dataclasses.replace(one, learning=curve(0.9, fidelity=0.5))
    assert to_quality(disobedient, scores(0.75, 0.9), 0.9) is None
    assert to_quality(one, scores(0.0), 0.9) is None
    assert to_quality(one, None, 0.9) is None


def test_the_reference_is_the_old_recipe_where_it_takes_part() -> None:
    found = compared(
        measured("ana", "retrato", 0.8, curve(0.4, 0.7, 0.8, 0.8)),
        measured("ana", "a1111", 0.6, curve(0.1, 0.2, 0.3, 0.6)),
    )
    ours, theirs = found.summaries
    assert found.reference == "a1111"
    assert (ours.to_quality, ours.reached) == ({"samples": 200, "seconds": 4.0}, 1)
    assert theirs.to_quality == {"samples": 400, "seconds": 8.0}


def test_obedience_is_compared_where_both_are_as_alike() -> None:
    def weighed(one: Measured, *points: tuple[float, float]) -> Measured:
        weights = tuple(Point(at, 0.0, scores(*each)) for at, each in zip((0.8, 1.0, 1.2), points, strict=True))
        return dataclasses.replace(one, weights=weights)

    theirs = weighed(measured("ana", "a1111", 0.6), (0.4, 1.0), (0.6, 0.8), (0.7, 0.5))
    ours = weighed(measured("ana", "retrato", 0.8), (0.6, 1.0), (0.8, 0.9), (0.9, 0.7))
    assert at_equal_likeness(ours, theirs) == pytest.approx(1.0 / 0.8)
    checkpoint = (Point(400, 1.0, scores(0.65, 0.9)),)
    assert at_equal_likeness(ours, dataclasses.replace(theirs, learning=checkpoint)) == pytest.approx(1.0 / 0.9)
    unlike = weighed(measured("ana", "retrato", 0.1), (0.1, 1.0), (0.2, 0.9), (0.3, 0.7))
    assert at_equal_likeness(unlike, theirs) is None
    deaf = weighed(measured("ana", "retrato", 0.9), (0.7, -0.1), (0.8, 0.0), (0.9, -0.2))
    assert at_equal_likeness(deaf, theirs) == 0.0, "alike, and obeys nothing"
    assert at_equal_likeness(ours, dataclasses.replace(theirs, weights=())) is None, "a quick evaluation has none"
    found = compared(ours, theirs)
    assert (found.summaries[0].as_alike, found.summaries[1].as_alike) == (1, 0)
    described = notes(dataclasses.replace(found, facts={"settings": {"quality": 0.9}}))
    assert any("retrato obeys prompts 1.25 times as well (1 of 1" in note for note in described)


def test_differences_are_to_the_first_recipe_and_failures_are_named() -> None:
    found = compared(
        measured("ana", "retrato", 0.8),
        measured("ana", "a1111", 0.6),
        measured("rui", "retrato", 0.7),
        measured("rui", "a1111", 0.1),
    )
    ours, theirs = found.summaries
    assert ours.scores["identity"] == pytest.approx(0.75)
    assert ours.difference == {}
    middle, low, high = theirs.difference["identity"]
    assert middle == pytest.approx(-0.4)
    assert low == pytest.approx(-0.4 - 0.2 * TWO_ARE_FEW, rel=1e-3)
    assert high == pytest.approx(-0.4 + 0.2 * TWO_ARE_FEW, rel=1e-3)
    assert (ours.failed, theirs.failed) == ((), ("rui",))
    assert ours.reached is None


def test_who_left_no_checkpoints_is_not_said_to_miss_the_quality() -> None:
    found = compared(measured("ana", "retrato", 0.9), measured("ana", "a1111", 0.8, curve(0.5, 0.8)))
    assert [one.reached for one in found.summaries] == [None, 1]


def test_what_was_spent_on_picking_is_told_beside_the_training() -> None:
    slow = dataclasses.replace(measured("ana", "retrato", 0.9), pick_seconds=30.0)
    (summary,) = compared(slow, recipes="retrato").summaries
    assert (summary.seconds, summary.pick_seconds) == (8.0, 30.0)


def test_few_people_and_a_judge_who_cannot_tell_them_apart_are_said() -> None:
    ana, rui = measured("ana", "retrato", 0.9), measured("rui", "retrato", 0.8)
    settings = {"settings": {"quality": 0.9}}
    few = dataclasses.replace(compared(ana, rui, recipes="retrato"), facts=settings)
    assert "2 people are few" in " ".join(notes(few))
    assert "hardly tell" not in " ".join(notes(few))
    blind = dataclasses.replace(few, measured=(ana, dataclasses.replace(rui, is_told_apart=False)))
    assert "can hardly tell rui from anybody" in " ".join(notes(blind))
