"""The infotext of AUTOMATIC1111 1.10.1, recorded from the real program: read alike, written alike.

Our values are all strings, where A1111 leaves the numbers of its own defaults.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from retrato.generation import format_infotext, parse_infotext
from retrato.generation.infotext import written_fields
from retrato.settings import GenerateSettings

CASES = json.loads((Path(__file__).parent / "data" / "infotext.json").read_text(encoding="utf-8"))["cases"]
# Taking the words of styles out of the prompts again is a matter of A1111's screen, and not of the text.
READ = [case for case in CASES if case["kind"] == "parse" and not case.get("styles")]
WRITTEN = [case for case in CASES if case["kind"] == "create"]


def name(case: dict[str, Any]) -> str:
    return str(case["id"])


def as_strings(fields: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in fields.items()}


@pytest.mark.parametrize("case", READ, ids=name)
def test_read(case: dict[str, Any]) -> None:
    found: dict[str, Any] = parse_infotext(case["text"])
    # So are fields to leave out.
    left = {key: value for key, value in found.items() if key not in case.get("skip_fields", ())}
    assert left == as_strings(case["expected"])


@pytest.mark.parametrize("case", READ, ids=name)
def test_what_was_written_is_told_from_what_was_filled_in(case: dict[str, Any]) -> None:
    # The size of old hires pictures is worked out, so it is not what was written.
    left_out = {"Prompt", "Negative prompt", *case.get("skip_fields", ())}
    worked_out = {"Size-1", "Size-2"} if "First pass size" in case["text"] else set()
    written, wanted = written_fields(case["text"]), case["explicit_fields"]
    assert written.keys() - left_out == wanted.keys()
    assert {key: written[key] for key in wanted.keys() - worked_out} == {
        key: wanted[key] for key in wanted.keys() - worked_out
    }


@pytest.mark.parametrize("case", WRITTEN, ids=name)
def test_written(case: dict[str, Any]) -> None:
    told = case["input"]
    settings = GenerateSettings(
        prompt=told["prompt"], negative_prompt=told["negative_prompt"], clip_skip=told["clip_skip"],
        steps=30, sampler="LMS", seed=3711471449, width=512, height=512,
    )  # fmt: skip
    resized = told.get("seed_resize_from_w")
    fields = {
        "CFG scale": told.get("cfg_scale", 7.0),
        "Face restoration": "CodeFormer" if told.get("restore_faces") else None,
        "VAE hash": told.get("sd_vae_hash"),
        "VAE": told.get("sd_vae_name"),
        "Variation seed": told["all_subseeds"][0] if told.get("subseed_strength") else None,
        "Variation seed strength": told.get("subseed_strength"),
        "Seed resize from": f"{resized}x{told['seed_resize_from_h']}" if resized else None,
        "ENSD": told["ensd"] or None,
        "RNG": None if told["rng"] == "GPU" else told["rng"],
        "Tiling": told.get("tiling"),
        **told.get("extra_generation_params", {}),
    }
    text = format_infotext(
        settings, model="v1-5-pruned-emaonly", model_hash="6ce0161689", version=told["version"], fields=fields
    )
    assert text == case["expected_text"]
    assert parse_infotext(text) == as_strings(case["parsed_back"])


def test_all_kinds_of_cases_are_there() -> None:
    assert len(READ) >= 20
    assert len(WRITTEN) >= 8
