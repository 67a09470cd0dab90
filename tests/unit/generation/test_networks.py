from types import SimpleNamespace

import pytest

from retrato.errors import PromptError
from retrato.generation.networks import hypernet_tag, hypernetworks_of, require

LIBRARY = {"ana": SimpleNamespace(name="ana"), "bob": SimpleNamespace(name="bob")}


def test_names_and_strengths_come_in_the_prompts_order() -> None:
    found = hypernetworks_of("a <hypernet:bob:0.5>photo<hypernet:ana> of <hypernet:bob:-1>", LIBRARY)
    assert [(each.name, strength) for each, strength in found] == [("bob", 0.5), ("ana", 1.0), ("bob", -1.0)]
    assert hypernetworks_of("a photo", LIBRARY) == []


def test_a_tag_written_is_a_tag_read() -> None:
    assert hypernetworks_of(hypernet_tag("ana", 0.75), LIBRARY) == [(LIBRARY["ana"], 0.75)]
    assert hypernet_tag("ana") == "<hypernet:ana:1>"


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a <hypernet:ana:loud>", "strength of the hypernetwork ana is 'loud'"),
        ("a <hypernet:ana:nan>", "strength of the hypernetwork ana is 'nan'"),
    ],
)
def test_what_cannot_be_applied_is_refused(prompt: str, sentence: str) -> None:
    with pytest.raises(PromptError, match=sentence):
        hypernetworks_of(prompt, LIBRARY)


def test_what_is_not_there_is_passed_over_in_a_prompt_and_refused_in_the_settings() -> None:
    assert hypernetworks_of("a <lora:x:0.5> <hypernet:eve:1> <hypernet:ana>", LIBRARY) == [(LIBRARY["ana"], 1.0)]
    require("ana", LIBRARY)
    require(None, LIBRARY)
    with pytest.raises(PromptError, match="no hypernetwork 'eve', there are ana, bob"):
        require("eve", LIBRARY)
