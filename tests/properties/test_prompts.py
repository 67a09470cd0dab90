"""What holds for every prompt: no surprise exceptions, schedules that end, escapes that work, linear work."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrato.errors import PromptError
from retrato.prompts import (
    WildcardFolder,
    check_prompt,
    choose_words,
    chunk_tokens,
    extract_tags,
    parse_attention,
    prompt_matrix,
    prompt_schedule,
    split_and,
)

from .counting import grows_no_faster, work

ATOMS = [
    *"()[]:|\\<>=a, \n",
    ":1.2)",
    ":0.5]",
    ": 3 ]",
    "::2]",
    "[a|",
    "BREAK",
    " AND ",
    "<lora:",
    "1.2.3",
    "é",
    "١",
    "{",
    "}",
    "2$$",
    "__",
    "${a",
]
PROMPTS = st.lists(st.sampled_from(ATOMS), max_size=40).map("".join) | st.text(max_size=60)
PATTERNS = st.lists(st.sampled_from(ATOMS), min_size=1, max_size=5)


def tokenize(text: str) -> list[int]:
    return [1 + ord(character) for character in text.lower() if not character.isspace()]


def chunked(prompt: str) -> None:
    chunk_tokens(prompt, tokenize, comma_token=1 + ord(","), embeddings={"a": 2, "aa": 3, "aaa,": 4, "(": 1})


READERS: dict[str, Callable[[str], object]] = {
    "attention": parse_attention,
    "schedule": lambda prompt: prompt_schedule(prompt, 4),
    "schedule of 2022": lambda prompt: prompt_schedule(prompt, 4, rules="2022"),
    "and": split_and,
    "tags": extract_tags,
    "chunks": chunked,
    "wildcards": lambda prompt: choose_words(prompt, WildcardFolder("absent"), seed=1),
    "matrix": prompt_matrix,
    "check": lambda prompt: check_prompt(prompt, embeddings=["realbenny-t2", "ana"]),
}


def complaint(read: Callable[[str], object], prompt: str) -> str:
    """Gives the PromptError's sentence, empty if there is none."""
    try:
        read(prompt)
    except PromptError as error:
        return str(error)
    return ""


@given(PROMPTS)
def test_nothing_but_a_prompt_error_is_raised(prompt: str) -> None:
    for read in READERS.values():
        assert "\n" not in complaint(read, prompt)


@given(PROMPTS, st.integers(1, 30), st.none() | st.integers(1, 30), st.sampled_from(["1.6", "2022"]))
def test_a_schedule_goes_up_and_ends_with_the_last_step(prompt: str, steps: int, hires: int | None, rules: Any) -> None:
    ends = [end for end, _ in prompt_schedule(prompt, steps, rules=rules, hires_steps=hires)]
    assert ends == sorted(set(ends))
    assert ends[-1] == (hires if hires is not None and rules == "1.6" else steps)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("()[]\\:1."), max_size=60))
def test_escaped_text_comes_back(text: str) -> None:
    escaped = re.sub(r"([()\[\]\\])", r"\\\1", text)
    assert parse_attention(escaped) == [(text, 1.0)]


@given(PROMPTS)
def test_text_without_marks_never_changes_on_the_way(prompt: str) -> None:
    plain = re.sub(r"[\[\]|\\]", "", prompt)
    assert prompt_schedule(plain, 7) == [(7, plain)]


@given(PROMPTS)
def test_chunks_keep_their_length_and_their_slots_inside(prompt: str) -> None:
    embeddings = {"a": 2, "aa": 5, ",": 1}
    for chunk in chunk_tokens(prompt, tokenize, comma_token=1 + ord(","), embeddings=embeddings, chunk_length=6):
        assert len(chunk.token_ids) == len(chunk.weights) <= 6
        places = [place for slot in chunk.slots for place in range(slot.offset, slot.offset + slot.vectors)]
        assert places == [place for place, token in enumerate(chunk.token_ids) if token == 0]


def counted(reader: str) -> Callable[[str], str]:
    return lambda prompt: complaint(READERS[reader], prompt)


def test_the_measure_sees_quadratic_work() -> None:
    def read(prompt: str) -> list[str]:
        return [prompt[at:] for at in range(len(prompt))]

    assert work(read, "a" * 160) > 15 * work(read, "a" * 40)
    assert not grows_no_faster(read, "", "a")


@pytest.mark.parametrize("reader", sorted(READERS))
@settings(max_examples=25, deadline=None)
@given(start=st.sampled_from(["", "(" * 60, "[a:", "<"]), pattern=PATTERNS)
def test_work_grows_no_faster_than_the_prompt(reader: str, start: str, pattern: list[str]) -> None:
    assert grows_no_faster(counted(reader), start, "".join(pattern))


@pytest.mark.parametrize("reader", sorted(READERS))
@pytest.mark.parametrize(
    "part", [" ", "a", "BREAK ", " :1", "(a)", "[a:b:2]", "[a|b]", "<lora:", ": ", "\\(", "a AND "]
)
def test_work_per_character_is_bounded(reader: str, part: str) -> None:
    prompt = part * (2000 // len(part))
    assert work(counted(reader), prompt) <= 60 * len(prompt)


@pytest.mark.parametrize("reader", sorted(READERS))
@pytest.mark.parametrize("part", ["(", "[", "[a:", "[a|", "(a:", "]", ":2]", "\\", "<a:", "{", "{a|", "__", "${"])
def test_hostile_depth_gives_a_result_or_one_sentence(reader: str, part: str) -> None:
    said = r"(the (bracket|brace) at character \d+ .*|the (wildcards|matrix) .*|.* is used and never set.*)?"
    assert re.fullmatch(said, complaint(READERS[reader], part * 10_000))
