import pytest
import torch

from retrato.training.scores import Cells, Yardstick, earliest_within_error, harmonic_mean, score, standard_error

SHOWS = torch.tensor([True, True, False, True])
YARDSTICK = Yardstick(
    class_word=Cells(torch.full((4,), 0.2), torch.full((4,), 0.3)), ceiling=0.8, unrelated=0.1, shows_identity=SHOWS
)


def cells(likeness: float, fidelity: float, noise: float = 0.0, seed: int = 0) -> Cells:
    source = torch.Generator().manual_seed(seed)
    return Cells(
        likeness + noise * torch.randn(4, generator=source), fidelity + noise * torch.randn(4, generator=source)
    )


def test_the_scales_end_at_class_word_and_photos() -> None:
    assert score(cells(0.2, 0.3), YARDSTICK) == pytest.approx({"identity": 0, "prompt_fidelity": 1, "harmonic": 0})
    assert score(cells(0.8, 0.1), YARDSTICK) == pytest.approx(
        {"identity": 1, "prompt_fidelity": 0, "harmonic": 0}, abs=1e-6
    )
    assert score(cells(0.5, 0.2), YARDSTICK) == pytest.approx(
        {"identity": 0.5, "prompt_fidelity": 0.5, "harmonic": 0.5}
    )


def test_the_ends_of_the_scales_are_told() -> None:
    assert YARDSTICK.figures() == pytest.approx(
        {"class_word_identity": 0.2, "photos_identity": 0.8, "class_word_fidelity": 0.3, "unrelated_fidelity": 0.1}
    )


def test_likeness_is_not_judged_where_the_prompt_hides_it() -> None:
    hidden = cells(0.5, 0.3)
    hidden.likeness[2] = -1.0
    assert score(hidden, YARDSTICK)["identity"] == pytest.approx(0.5)


def test_a_scorer_that_cannot_tell_gives_no_huge_numbers() -> None:
    blind = Yardstick(YARDSTICK.class_word, ceiling=0.2, unrelated=0.3, shows_identity=SHOWS)
    found = score(cells(0.21, 0.31), blind)
    assert all(abs(value) <= 1 for value in found.values())


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.4, 5.0, 4 / 7), (-1.0, 1.0, 0.0), (1, 1, 1)]
)
def test_harmonic_mean_of_numbers_cut_to_the_scale(one: float, other: float, expected: float) -> None:
    assert harmonic_mean(one, other) == pytest.approx(expected)


def test_equal_cells_differ_by_nothing_and_noise_widens_the_error() -> None:
    one = cells(0.5, 0.2)
    assert standard_error(one, one, YARDSTICK) == 0
    little, much = (standard_error(one, cells(0.5, 0.2, noise), YARDSTICK) for noise in (0.01, 0.03))
    assert 0 < little < much


def test_the_earliest_as_good_as_the_best_wins() -> None:
    candidates = {0: cells(0.3, 0.2), 1: cells(0.60, 0.25, 0.02, seed=1), 2: cells(0.605, 0.25, 0.02, seed=2)}
    scores = {key: score(each, YARDSTICK)["harmonic"] for key, each in candidates.items()}
    best_of_all = max(scores, key=lambda key: scores[key])
    picked, best = earliest_within_error(candidates, YARDSTICK, [0, 1, 2])
    assert best == best_of_all
    assert picked == 1
    picked, _ = earliest_within_error({0: cells(0.3, 0.2), 1: cells(0.6, 0.25)}, YARDSTICK, [0, 1])
    assert picked == 1


def test_noise_in_prompt_fidelity_does_not_let_through_who_is_plainly_less_alike() -> None:
    early, best = cells(0.65, 0.27), cells(0.70, 0.27)
    early.fidelity.add_(torch.tensor([0.1, -0.1, 0.1, -0.1]))
    error = standard_error(best, early, YARDSTICK)
    assert score(best, YARDSTICK)["harmonic"] - score(early, YARDSTICK)["harmonic"] < error
    assert earliest_within_error({0: early, 1: best}, YARDSTICK, [0, 1]) == (1, 1)
    early.likeness.copy_(best.likeness)
    assert earliest_within_error({0: early, 1: best}, YARDSTICK, [0, 1])[0] == 0
