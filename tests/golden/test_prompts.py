"""The prompt language against what the real web UI does with the same prompts."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from retrato.model.text import apply_weights
from retrato.prompts import chunk_tokens, extract_tags, parse_attention, prompt_schedule, split_and

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "prompts.json").read_text("utf-8"))["cases"]

# Where retrato differs on purpose: (what it gives instead, why). See docs/prompts.md.
DIFFERENT: dict[str, tuple[Any, str]] = {
    "parse_prompt_attention-038": (
        [("one", 1.3), ("BREAK", -1.0), ("two", 1.3)],
        "the web UI encodes the word BREAK with weight -1.3; retrato starts a new chunk",
    ),
    "parse_prompt_attention-132": (
        [("a:1.5.5", 1.1)],
        "the web UI aborts with ValueError; retrato takes a number that is none for text",
    ),
}
# Prompts that made the web UI of October 2022 abort; retrato reads an empty alternative as no text.
ABORTED_IN_2022 = {"prompt_schedule-014", "prompt_schedule-015"}


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in CASES if case["kind"] == kind]


def same_weights(found: Sequence[tuple[str, float]], wanted: Sequence[Sequence[Any]]) -> bool:
    return [text for text, _ in found] == [text for text, _ in wanted] and all(
        math.isclose(weight, other, rel_tol=1e-9) for (_, weight), (_, other) in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("case", cases("parse_prompt_attention"))
def test_attention(case: dict[str, Any]) -> None:
    wanted = DIFFERENT[case["id"]][0] if case["id"] in DIFFERENT else case["expected"]
    assert same_weights(parse_attention(case["prompt"]), wanted)


@pytest.mark.parametrize("case", cases("prompt_schedule"))
def test_schedule(case: dict[str, Any]) -> None:
    rules = "2022" if case.get("use_old_scheduling") else "1.6"
    found = prompt_schedule(case["prompt"], case["steps"], rules=rules, hires_steps=case.get("hires_steps"))
    assert found == [tuple(entry) for entry in case["expected"]]


@pytest.mark.parametrize("case", cases("prompt_schedule"))
def test_schedule_of_2022(case: dict[str, Any]) -> None:
    if case.get("hires_steps"):
        pytest.skip("the web UI of October 2022 had one schedule for both passes")
    assert ("expected_error_webui_2022_10" in case) == (case["id"] in ABORTED_IN_2022)
    wanted = case.get("expected_webui_2022_10", case["expected"])
    assert prompt_schedule(case["prompt"], case["steps"], rules="2022") == [tuple(entry) for entry in wanted]


@pytest.mark.parametrize("case", cases("multicond"))
def test_split_and(case: dict[str, Any]) -> None:
    texts = case["expected"]["flat_prompts"]
    for prompt, indexes in zip(case["prompts"], case["expected"]["indexes"], strict=True):
        assert same_weights(split_and(prompt), [(texts[index], weight) for index, weight in indexes])


@pytest.mark.parametrize("case", cases("extra_networks"))
def test_tags(case: dict[str, Any]) -> None:
    (prompt,), (wanted_text,) = case["prompts"], case["expected"]["prompts"]
    text, tags = extract_tags(prompt)
    found: dict[str, list[Any]] = {}
    for tag in tags:
        found.setdefault(tag.kind, []).append((list(tag.positional), dict(tag.named)))
    assert text == wanted_text
    assert found == {
        kind: [(network["positional"], network["named"]) for network in networks]
        for kind, networks in case["expected"]["networks"].items()
    }


@pytest.mark.parametrize("case", cases("chunking"))
def test_chunks(case: dict[str, Any]) -> None:
    words = ["", ","]  # id 0 is a slot's, so the first word is none

    def tokenize(text: str) -> list[int]:
        found = re.findall(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]", text.lower())
        words.extend(sorted(set(found) - set(words)))
        return [words.index(word) for word in found]

    chunks = chunk_tokens(
        case["prompt"],
        tokenize,
        comma_token=1,
        embeddings=case["embeddings"],
        comma_backtrack=case["comma_padding_backtrack"],
        emphasis=case["emphasis"],
    )
    found = [
        {
            "length": 77,
            "tokens": [words[token] if token else 0 for token in chunk.token_ids],
            "multipliers": list(chunk.weights),
            "fixes": [[slot.offset, slot.name] for slot in chunk.slots],
        }
        for chunk in chunks
    ]
    assert found == case["expected"]["chunks"]


@pytest.mark.parametrize("case", cases("emphasis_apply"))
def test_emphasis(case: dict[str, Any]) -> None:
    states = torch.tensor(case["z"], dtype=torch.float64)
    found = apply_weights(states, torch.tensor(case["multipliers"], dtype=torch.float64), case["mode"])
    assert torch.allclose(found, torch.tensor(case["expected"], dtype=torch.float64), rtol=1e-9, atol=0)


def test_every_kind_of_case_is_tried() -> None:
    tried = {"parse_prompt_attention", "prompt_schedule", "multicond", "extra_networks", "chunking", "emphasis_apply"}
    assert {case["kind"] for case in CASES} == tried


def test_each_difference_has_a_case() -> None:
    assert set(DIFFERENT) | ABORTED_IN_2022 <= {case["id"] for case in CASES}
