import torch

from retrato.embeddings import Embedding
from retrato.generation import check_prompts, name_warnings
from retrato.generation.prompt_check import MOST_SENTENCES
from retrato.model import Components
from retrato.settings import GenerateSettings


def test_both_prompts_are_looked_at_and_each_thing_said_once() -> None:
    one = GenerateSettings(prompt="a (red", negative_prompt="a <lora:x>")
    sentences = check_prompts([one, one.changed(seed=4)], {})
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "prompt, character 3",
        "negative prompt, character 3",
    ]


def test_the_prompts_of_the_second_pass_are_looked_at_too() -> None:
    one = GenerateSettings(
        prompt="[a:b:25]", hires=True, hires_steps=8, hires_prompt="[a:b:25] [a:b:28] <lora:x>",
        hires_negative_prompt="<lora:x> [a:b:1.5]",
    )  # fmt: skip
    assert [sentence.partition(": write")[0] for sentence in check_prompts([one], {}, {"hypernet": []})] == [
        "prompt, character 1: this never changes: 25 is beyond 20 steps",
        "hires prompt, character 10: this never changes: 28 is beyond 28 steps",
        "hires prompt, character 19: <lora:x> does nothing: retrato knows no such tags (it knows <hypernet:...>)",
        "hires negative prompt, character 1: <lora:...> is text in the negative prompt: tags go into the prompt",
    ]
    assert check_prompts([one.changed(hires_prompt=None, hires_negative_prompt=None)], {}) == []  # it changes later


def test_there_is_an_end_to_it() -> None:
    assert len(check_prompts([GenerateSettings(prompt="\\a" * 8000)], {})) == MOST_SENTENCES + 1


def test_names_that_tokens_cannot_keep_apart(tiny_components: Components) -> None:
    names = ["benny-1", "benny-12", "ben", "ana"]
    assert name_warnings(tiny_components, names) == [
        "benny-1 is how benny-12 begins: write benny-12 in full, or rename one of them"
    ]


def test_who_was_learned_with_another_clip_skip_is_named() -> None:
    known = {
        name: Embedding(name, (torch.ones(1, 8),), metadata=metadata)
        for name, metadata in (
            ("ana", {"clip_skip": "2"}),
            ("rui", {}),  # of another program
            ("eva", {"clip_skip": "2"}),
            ("zoe", {"read_at": "512"}),
        )
    }
    drawn = GenerateSettings(prompt="ana and rui, smiling")
    assert check_prompts([drawn, drawn.changed(seed=2)], known) == [
        "ana was learned with clip skip 2 and is drawn with 1: take --clip-skip 2"
    ]
    assert check_prompts([drawn.changed(clip_skip=2)], known) == []
    assert check_prompts([drawn], known, heeds_clip_skip=False) == []
    assert len(check_prompts([drawn.changed(prompt="rui", hires=True, hires_prompt="ana")], known)) == 1
    assert check_prompts([drawn.changed(prompt="zoe", clip_skip=2)], known) == [
        "zoe was learned with clip skip 1 and is drawn with 2: take --clip-skip 1"
    ]
