import math
import re

import pytest

from retrato.training.report.curves import BOTTOM, LEFT, RIGHT, TOP, Scale, Series, as_text, chart, ticks


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 60, [0, 20, 40, 60]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.3777, 0.4024, [0.375, 0.38, 0.385, 0.39, 0.395, 0.4, 0.405]),
        (-0.3, 1.2, [-0.5, 0, 0.5, 1, 1.5]),
        (0, 400, [0, 100, 200, 300, 400]),
        (0, 1_000_000, [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]),
    ],
)
def test_ticks_are_round_and_reach_around_the_values(low: float, high: float, wanted: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(wanted)


@pytest.mark.parametrize("value", [0.0, 0.4, -3.0])
def test_ticks_of_a_single_value_have_it_between_them(value: float) -> None:
    found = ticks(value, value)
    assert found[0] < value < found[-1]


def test_ticks_are_written_with_equal_decimals() -> None:
    assert as_text([0.4, 0.405]) == ["0.400", "0.405"]
    assert as_text([0, 100]) == ["0", "100"]


def test_a_scale_maps_its_ends_and_its_middle() -> None:
    scale = Scale(10, 20, 100, 0)
    assert (scale(10), scale(20), scale(15)) == (100, 0, 50)


def test_points_lie_where_the_axes_say() -> None:
    drawn = chart("t", [Series("a", [(0, 0), (50, 0.5), (100, 1)], "first")], y_label="y", marked=50, mark_label="kept")
    wanted = [(LEFT, BOTTOM), ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2), (RIGHT, TOP)]
    points = re.search(r'<polyline points="([^"]+)"', drawn)
    assert points is not None
    assert points[1] == " ".join(f"{x:.2f},{y:.2f}" for x, y in wanted)
    assert re.findall(r'cx="([^"]+)" cy="([^"]+)"', drawn) == [(f"{x:.2f}", f"{y:.2f}") for x, y in wanted]
    assert f'x1="{(LEFT + RIGHT) / 2:.2f}" y1="{TOP - 9:.2f}" x2="{(LEFT + RIGHT) / 2:.2f}"' in drawn
    assert ">kept</text>" in drawn
    assert ">step</text>" in drawn
    assert ">y</text>" in drawn


def test_what_is_no_number_leaves_a_gap() -> None:
    points = [(1, 1.0), (2, 2.0), (3, math.nan), (4, 2.0), (5, 1.0)]
    drawn = chart("t", [Series("a", points, "first")], y_label="y")
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 4
    assert "nan" not in drawn


def test_one_point_is_a_dot() -> None:
    drawn = chart("t", [Series("a", [(5, 0.4)], "first")], y_label="y")
    assert "<polyline" not in drawn
    assert drawn.count("<circle") == 1


def test_without_numbers_it_says_so() -> None:
    assert "nothing was measured" in chart("Loss", [Series("a", [(1, math.nan)], "first")], y_label="y")
    assert "nothing was measured" in chart("Loss", [], y_label="y")


def test_labels_are_escaped_and_read_out() -> None:
    drawn = chart("t", [Series("<b>", [(1, 1.0), (2, 3.0)], "first")], y_label="<y>", marked=1, mark_label="<m>")
    assert 'aria-label="t: &lt;b&gt;: 1 (step 1) → 3 (step 2). &lt;m&gt;"' in drawn
    assert "<b>" not in drawn
    assert "<y>" not in drawn
