"""Learning-rate schedules as A1111 1.10.1 read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrato.training.rate_schedule import parse_rate_schedule, rate_at

CASES = json.loads((Path(__file__).parent / "data" / "rate_schedules.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_schedule_is_read_as_by_a1111(case: dict[str, Any]) -> None:
    stages = parse_rate_schedule(case["schedule"], case["max_steps"], first_step=case.get("cur_step", 0))
    assert [list(stage) for stage in stages] == case["expected"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_rates_change_where_they_did_in_a1111(case: dict[str, Any]) -> None:
    stages = parse_rate_schedule(case["schedule"], case["max_steps"], first_step=case.get("cur_step", 0))
    for step, rate in case["rate_changes"]:
        assert rate_at(stages, step) == (None if rate == "finished" else rate)
        if step > case.get("cur_step", 0):
            assert rate_at(stages, step - 1) != rate_at(stages, step)
