import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrato.errors import SettingsError
from retrato.training.rate_schedule import parse_rate_schedule, rate_at

stages = st.lists(st.tuples(st.floats(1e-9, 1.0), st.integers(1, 500)), min_size=1, max_size=6)


@given(stages, st.integers(1, 400))
def test_rate_is_one_of_the_given_ones_until_the_schedule_is_over(
    given_stages: list[tuple[float, int]], most: int
) -> None:
    text = ",".join(f"{rate!r}:{end}" for rate, end in given_stages)
    found = parse_rate_schedule(text, most)
    assert all(end <= most for _, end in found)
    rates = [rate_at(found, step) for step in range(most)]
    assert set(rates) <= {rate for rate, _ in given_stages} | {None}
    over = rates.index(None) if None in rates else most
    assert all(rate is None for rate in rates[over:])
    assert over >= min(given_stages[0][1], most)


@given(st.text(max_size=30))
def test_any_text_is_a_schedule_or_a_settings_error(text: str) -> None:
    try:
        found = parse_rate_schedule(text, 100)
    except SettingsError:
        return
    assert found


@given(st.integers(1, 10_000))
def test_a_single_rate_lasts_to_the_end(most: int) -> None:
    assert parse_rate_schedule("0.005", most) == [(0.005, most)]
    assert rate_at([(0.005, most)], most - 1) == pytest.approx(0.005)
