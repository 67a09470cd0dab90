import pytest

from retrato.errors import SettingsError
from retrato.training.rate_schedule import parse_rate_schedule, rate_at


@pytest.mark.parametrize(
    "text", ["", " , ", "fast", "0.1:", ":100", "0.1:2.5", "0.1:ten", "0.1:2:3", "0.1:-2", "0.1 100", "0.1:0"]
)
def test_refuses_what_is_no_schedule_and_shows_one(text: str) -> None:
    with pytest.raises(SettingsError, match=r"0\.005:100, 1e-3:1000, 1e-5"):
        parse_rate_schedule(text, 100)


def test_names_the_part_that_is_wrong() -> None:
    with pytest.raises(SettingsError, match="'1e-3:soon'"):
        parse_rate_schedule("0.005:10, 1e-3:soon", 100)


def test_a_stage_ends_before_its_end_step() -> None:
    stages = parse_rate_schedule("0.3:2, 0.2:4", 100)
    assert [rate_at(stages, step) for step in range(5)] == [0.3, 0.3, 0.2, 0.2, None]


def test_an_end_before_the_last_one_makes_a_stage_of_one_step() -> None:
    stages = parse_rate_schedule("0.3:3, 0.2:1, 0.1:6", 100)
    assert [rate_at(stages, step) for step in range(7)] == [0.3, 0.3, 0.3, 0.2, 0.1, 0.1, None]
