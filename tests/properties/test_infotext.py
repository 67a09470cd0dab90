"""Infotext, whatever it says."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrato.errors import RetratoError
from retrato.generation import format_infotext, infotext, parse_infotext, recall
from retrato.settings import GenerateSettings

from .counting import CountedPattern, CountedText, grows_no_faster

ATOMS = st.sampled_from(
    ['"', "\\", ":", ",", "\n", " ", "ab", "x", "Negative prompt:", "Size: ", "9x9", "((", "[", "Version: v1.", "é"]
)
HOSTILE = st.lists(ATOMS, max_size=60).map("".join)
LINE = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs")), min_size=1, max_size=30)


@given(st.text() | HOSTILE)
def test_reading_gives_strings_and_raises_nothing(text: str) -> None:
    fields = parse_infotext(text)
    assert all(isinstance(part, str) for pair in fields.items() for part in pair)
    assert {"Prompt", "Negative prompt", "Clip skip"} <= fields.keys()


@given(HOSTILE.map(lambda part: part * 200))
@settings(max_examples=20)
def test_long_hostile_text_is_read(text: str) -> None:
    assert isinstance(parse_infotext(text)["Prompt"], str)


@given(start=st.sampled_from(["", 'ab: "', "ab", 'ab: "\\']), part=st.lists(ATOMS, min_size=1, max_size=5).map("".join))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_work_grows_no_faster_than_the_line(monkeypatch: pytest.MonkeyPatch, start: str, part: str) -> None:
    with monkeypatch.context() as patch:
        for name, first in (("_KEY", ""), ("_SPACE", ""), ("_QUOTED", '"')):
            patch.setattr(infotext, name, CountedPattern(getattr(infotext, name), first))
        assert grows_no_faster(infotext._pairs, start, part)


def test_a_pattern_that_looks_to_the_end_each_time_is_seen() -> None:
    anywhere = CountedPattern(re.compile("z"))

    def read(text: CountedText) -> None:
        for start in range(len(text)):
            anywhere.search(text, start)

    assert not grows_no_faster(read, "", "a")


@given(LINE, LINE, LINE, st.integers(0, 2**63 - 2))
def test_what_is_written_is_read(prompt: str, negative: str, model: str, seed: int) -> None:
    told = GenerateSettings(prompt=prompt, negative_prompt=negative, seed=seed, width=64, height=72, guidance_scale=3.5)
    fields = parse_infotext(format_infotext(told, model=model, model_hash="0123456789"))
    assert (fields["Prompt"], fields["Negative prompt"], fields["Seed"]) == (prompt, negative, str(seed))
    assert (fields["Size-1"], fields["Size-2"], fields["CFG scale"]) == ("64", "72", "3.5")


@given(st.text() | HOSTILE | HOSTILE.map(lambda text: f"{text}\nSteps: 3, Sampler: Euler, Seed: 1, {text}"))
def test_what_a_picture_says_is_drawn_or_refused_in_one_sentence(text: str) -> None:
    recalled, sentence = recall(text), ""
    try:
        assert recalled.batch_settings.count in (1, recalled.together)
    except RetratoError as error:
        sentence = str(error)
    assert "\n" not in sentence
