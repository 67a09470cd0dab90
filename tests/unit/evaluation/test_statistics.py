import pytest
import torch

from retrato.evaluation.statistics import (
    area_under,
    best_obedient,
    interval,
    mean_interval,
    over_people,
    resampled_scores,
)
from retrato.training.scores import Cells, Yardstick, score


def cells(mean: float, spread: float, count: int = 48) -> Cells:
    source = torch.Generator().manual_seed(1)
    return Cells(*(mean + spread * torch.randn(count, generator=source) for _ in range(2)))


def yardstick(count: int = 48) -> Yardstick:
    shows = torch.arange(count) % 2 == 0
    return Yardstick(Cells(torch.full((count,), 0.2), torch.full((count,), 0.6)), 0.8, 0.1, shows)


def test_the_interval_holds_the_score_and_shrinks_with_the_spread() -> None:
    wide = resampled_scores(cells(0.5, 0.1), yardstick(), 12, 0)
    narrow = resampled_scores(cells(0.5, 0.01), yardstick(), 12, 0)
    scores = score(cells(0.5, 0.1), yardstick())
    for at, name in enumerate(("identity", "prompt_fidelity", "harmonic")):
        low, high = interval(wide[:, at])
        assert low < scores[name] < high
        assert high - low > 5 * (interval(narrow[:, at])[1] - interval(narrow[:, at])[0])


def test_the_width_is_that_of_the_standard_error() -> None:
    low, high = interval(resampled_scores(cells(0.5, 0.1), yardstick(), 12, 0)[:, 1])
    assert (high - low) == pytest.approx(2 * 1.96 * 0.1 / 48**0.5 / 0.5, rel=0.3)


def test_seeds_of_one_prompt_are_no_prompts_of_their_own() -> None:
    """Twelve prompts of four equal seeds each are as uncertain as twelve pictures."""
    prompts = cells(0.5, 0.1, 12).fidelity
    four_of_each = Cells(prompts.repeat(4), prompts.repeat(4))
    low, high = interval(resampled_scores(four_of_each, yardstick(), 12, 0)[:, 1])
    assert (high - low) == pytest.approx(2 * 1.96 * float(prompts.std()) / 12**0.5 / 0.5, rel=0.2)


def test_equal_recipes_differ_by_nothing_in_every_draw() -> None:
    one, other = (resampled_scores(cells(0.5, 0.1), yardstick(), 12, 7) for _ in range(2))
    assert torch.equal(one, other)


def test_people_who_differ_widen_the_interval_and_trainings_of_one_person_do_not() -> None:
    low, high = torch.full((400, 3), 0.2), torch.full((400, 3), 0.8)
    two_people = over_people({"ana": [low], "rui": [high]}, 0)
    one_person = over_people({"ana": [low, high]}, 0)
    assert interval(two_people[:, 0]) == pytest.approx((0.5 - 0.3 * 9.168, 0.5 + 0.3 * 9.168), rel=1e-3)
    assert interval(one_person[:, 0]) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("count", [4, 8])
def test_intervals_of_few_people_hold_the_truth_as_often_as_they_say(count: int) -> None:
    """Of plain bootstrap intervals of four people 82 in 100 did."""
    source = torch.Generator().manual_seed(count)
    studies = torch.randn(300, count, generator=source)
    found = [
        (interval(over_people({str(at): [each.repeat(400, 3)] for at, each in enumerate(study)}, 0)[:, 0]),
         mean_interval(study.tolist()))
        for study in studies
    ]  # fmt: skip
    for way in zip(*found, strict=True):
        assert 0.92 <= sum(low < 0 < high for low, high in way) / len(studies) <= 0.985


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([], 0.0),
        ([(1.0, 1.0)], 1.0),
        ([(0.5, 0.5)], 0.25),
        ([(1.0, 0.5), (0.5, 1.0)], 0.75),
        ([(1.0, 0.5), (0.5, 1.0), (0.5, 0.5)], 0.75),
        ([(-1.0, 1.0), (2.0, 0.5)], 0.5),
    ],
)
def test_area(points: list[tuple[float, float]], area: float) -> None:
    assert area_under(points) == pytest.approx(area)


def test_the_best_likeness_counts_where_prompts_are_still_followed() -> None:
    points = [(1.05, 0.4), (0.9, 0.7), (0.89, 0.95)]
    assert best_obedient(points) == 0.7
    assert best_obedient(points[2:]) is None
