"""All that a prompt can become, against what dynamicprompts 0.31 gives for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrato.prompts import WildcardFolder, all_words, choose_words

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "wildcards.json").read_text("utf-8"))["cases"]
FOLDER = WildcardFolder(DATA / "wildcards")

# Where retrato differs on purpose: (what it gives instead, why).
DIFFERENT: dict[str, tuple[list[str], str]] = {
    "__weighed__": (["often", "seldom"], "weights in a file are weights, as in braces"),
    "${c=!{red|blue}}${c} and ${c}": (["blue and blue", "red and red"], "a variable set once has all its values"),
}


@pytest.mark.parametrize("case", CASES, ids=[case["prompt"] for case in CASES])
def test_all(case: dict[str, Any]) -> None:
    wanted = DIFFERENT[case["prompt"]][0] if case["prompt"] in DIFFERENT else case["expected"]
    assert sorted(all_words(case["prompt"], FOLDER, limit=100)) == wanted


@pytest.mark.parametrize("case", CASES, ids=[case["prompt"] for case in CASES])
def test_what_is_chosen_by_chance_is_one_of_all(case: dict[str, Any]) -> None:
    possible = all_words(case["prompt"], FOLDER, limit=100)
    chosen = {choose_words(case["prompt"], FOLDER, seed=seed) for seed in range(300)}
    if "${c={" in case["prompt"] or len(possible) < 10:
        assert chosen == set(possible)
    assert chosen <= set(possible)
