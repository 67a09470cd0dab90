"""What may surprise in prompts, in Portuguese. The library makes the sentences, and its source says which there are."""

import ast
import inspect
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.embeddings import Embedding
from retrato.generation import check_prompts
from retrato.prompts import check
from retrato.server.web.site import Site
from retrato.server.web.spoken import pattern_of, spoken
from retrato.server.web.spoken_surprises import PARTS, SURPRISES
from retrato.settings import GenerateSettings
from retrato.training.drawing import ALONE

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")
KNOWN = cast("dict[str, Embedding]", {"ana": SimpleNamespace(metadata={"clip_skip": "2"})})
KNOWN |= cast("dict[str, Embedding]", {name: SimpleNamespace(metadata={}) for name in ("benny", "doctor-1")})
ENGLISH = {"the", "this", "is", "and", "of", "text", "with", "was", "did", "never", "everything"}
PROMPTS = (
    *("a ) hat", "(hat:1.1.1)", "a \\hat", "(hat:1,5)", "a (red hat", "a [red hat", "[a:b] (hat\\", "[red:blue:2:3]"),
    *("[a:b:0.5] | hat", "[a:b:90]", "[dog:1.2]", "<lora:x:1> hat", "<hypernet:baroqe> hat", "<hypernet:zzz> hat"),
    *("(a AND b)", "ana in a hat", "doctor-12", "bennny"),
)
NEGATIVE = ("a AND b", "<lora:x:1>", "a " + "\\a " * 30)


def said() -> list[str]:
    settings = [GenerateSettings(prompt=prompt) for prompt in PROMPTS]
    settings += [GenerateSettings(prompt="x", negative_prompt=prompt) for prompt in NEGATIVE]
    settings.append(GenerateSettings(prompt="a " + "\\a " * 30))
    for name in ("hires_prompt", "hires_negative_prompt"):
        settings += [GenerateSettings(prompt="x", hires=True, **{name: "a " + "\\a " * many}) for many in (1, 30)]
    networks = {"hypernet": ["baroque"]}
    sentences = [sentence for each in settings for sentence in check_prompts([each], KNOWN, networks)]
    sentences.append(f"prompt, character 1: <hypernet:zzz> does nothing: {ALONE}")
    of_previews = [each for each in sentences if each.startswith("prompt") or each == "and more in the prompt"]
    return [*sentences, *(each.replace("prompt", "preview prompt", 1) for each in of_previews)]


def test_everything_that_is_said_is_said_in_portuguese() -> None:
    for sentence in said():
        words = set(re.findall(r"\w+", spoken(SITE, sentence)))
        assert not ENGLISH & words, sentence


@pytest.mark.parametrize("english", [english for english, _ in (*SURPRISES, *PARTS)])
def test_each_row_is_of_something_that_is_said(english: str) -> None:
    ends = [sentence.partition(f"character {number}: ")[2] for sentence in said() for number in range(1, 99)]
    assert any(map(pattern_of(english).fullmatch, [*said(), *ends]))


def test_everything_that_may_be_said_has_a_row() -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(check))) if isinstance(node, ast.Call)]
    for call in calls:
        if getattr(call.func, "id", "") == "PromptWarning":
            parts = getattr(call.args[1], "values", [call.args[1]])
            sentence = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
            begins = sentence.replace("{}:{}", "{}").removesuffix("{}")  # a name at the end may be words of another row
            assert any(pattern_of(english).fullmatch(sentence) or english.startswith(begins) for english, _ in PARTS)


def test_the_control_stands_for_the_option() -> None:
    (sentence,) = check_prompts([GenerateSettings(prompt="ana")], KNOWN)
    assert spoken(SITE, sentence) == "ana foi aprendido com clip skip 2 e é desenhado com 1: use “Clip skip” 2"
