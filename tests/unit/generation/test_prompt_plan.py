import pytest
import torch

from retrato.embeddings import Embedding
from retrato.generation import prompt_plan as module
from retrato.generation.prompt_plan import plan_prompt
from retrato.model import Components
from retrato.settings import GenerateSettings

COLOURS = [f"colour {number}" for number in range(20)]


def test_many_texts_are_encoded_few_at_a_time_and_are_what_they_are_together(
    tiny_components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them takes two chunks, so all of them do, and one has vectors of its own."""
    longest = " ".join(["red"] * 80)
    settings = GenerateSettings(prompt=f"[ana|{longest}|{'|'.join(COLOURS)}]", steps=22)
    people = {"ana": Embedding("ana", (torch.ones(2, 32),))}
    rows: list[int] = []
    encoder = tiny_components.text_encoders[0]
    handle = encoder.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        ((found, _),) = plan_prompt(tiny_components, settings, people).parts
        assert rows[:3] == [16, 16, 12]  # and then the negative prompt
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 100)
        rows.clear()
        ((together, _),) = plan_prompt(tiny_components, settings, people).parts
        assert rows[0] == 44
    finally:
        handle.remove()
    assert found.names == together.names == ("ana",)
    for step in range(1, 23):
        assert found.at(step).states.shape == (1, 2 * 77, 32)
        torch.testing.assert_close(found.at(step).states, together.at(step).states)
    assert not torch.allclose(found.at(1).states, found.at(2).states)
