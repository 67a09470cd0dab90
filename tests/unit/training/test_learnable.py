import dataclasses
from pathlib import Path

import pytest
import torch

from retrato.embeddings import Embedding
from retrato.errors import HypernetworkError
from retrato.hypernetworks import Hypernetwork
from retrato.model import Components, encode, token_chunks
from retrato.model.attention import attention_widths
from retrato.settings import HypernetworkSettings, LearnSettings, TrainSettings
from retrato.training.drawing import draw_cells
from retrato.training.learnable import (
    Learnable,
    learnable_of,
    read_artefact,
    subject_of,
    vocabulary_norms,
    write_artefact,
)
from retrato.training.recipes import HYPERNETWORK_RECIPES, RECIPES, resolve

EMBEDDING = TrainSettings(name="ana-t1", seed=3)
HYPERNETWORK = HypernetworkSettings(name="ana-h1", seed=3, layer_structure="1, 1.5, 2, 1", dropout="0, 0.5, 0, 0")


def learnable(components: Components, settings: LearnSettings) -> Learnable:
    recipes = HYPERNETWORK_RECIPES if isinstance(settings, HypernetworkSettings) else RECIPES
    return learnable_of(components, settings, resolve(settings, recipes["retrato"], 8))


def answer(components: Components, what: Learnable, step: int | None = None, moved: float = 0.0) -> torch.Tensor:
    """What the U-Net says while it is in the model, `moved` away from where it starts."""
    parameters = tuple(each + moved for each in what.start)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), what.entered(parameters, step) as encode:
        states = encode([f"a photo of {what.subject}"]).states
        return components.unet(latents, torch.tensor(500), encoder_hidden_states=states).sample


def hooks(components: Components) -> list[object]:
    return [
        hook
        for module in components.modules
        for part in module.modules()
        for hook in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    ]


@pytest.mark.parametrize("settings", [EMBEDDING, HYPERNETWORK], ids=["embedding", "hypernetwork"])
def test_what_is_learned_changes_the_answer_and_leaves_no_trace(
    tiny_components: Components, settings: LearnSettings
) -> None:
    what = learnable(tiny_components, settings)
    assert torch.equal(answer(tiny_components, what), answer(tiny_components, what))
    before = hooks(tiny_components)  # transformers leaves some of its own
    assert not torch.equal(answer(tiny_components, what), answer(tiny_components, what, moved=0.1))
    assert hooks(tiny_components) == before


@pytest.mark.parametrize("settings", [EMBEDDING, HYPERNETWORK], ids=["embedding", "hypernetwork"])
def test_gradients_reach_every_parameter_and_nothing_else(tiny_components: Components, settings: LearnSettings) -> None:
    what = learnable(tiny_components, settings)
    leaves = tuple((each + 0.01).requires_grad_(True) for each in what.start)
    with what.entered(leaves, None) as encode:
        states = encode([f"a photo of {what.subject}"]).states
        answered = tiny_components.unet(torch.ones(1, 4, 8, 8), torch.tensor(500), encoder_hidden_states=states).sample
    found = torch.autograd.grad(answered.square().sum(), leaves)
    assert all(float(each.abs().sum()) > 0 for each in found)
    assert all(weight.grad is None for module in tiny_components.modules for weight in module.parameters())


@pytest.mark.parametrize("settings", [EMBEDDING, HYPERNETWORK], ids=["embedding", "hypernetwork"])
def test_it_is_learned_by_the_text_encoders_layer_that_clip_skip_says(
    tiny_components: Components, settings: LearnSettings
) -> None:
    states = {}
    for skip in (1, 2):
        what = learnable(tiny_components, settings.changed(clip_skip=skip))
        with what.entered(what.start, None) as encode_texts:
            states[skip] = encode_texts([f"a photo of {what.subject}"]).states
        taken = {} if isinstance(settings, HypernetworkSettings) else {what.subject: len(what.start[0])}
        chunks = token_chunks(tiny_components, f"a photo of {what.subject}", taken)
        expected = encode(tiny_components, [chunks], dict.fromkeys(taken, what.start), clip_skip=skip)
        assert torch.equal(states[skip], expected.states)
    assert not torch.equal(states[1], states[2])


@pytest.mark.parametrize("settings", [EMBEDDING, HYPERNETWORK], ids=["embedding", "hypernetwork"])
def test_what_is_saved_comes_back_and_can_be_drawn(
    tiny_components: Components, settings: LearnSettings, tmp_path: Path
) -> None:
    what = learnable(tiny_components, settings)
    artefact = what.artefact(what.start, 7, {"initializer_text": "old man"})
    file = write_artefact(artefact, tmp_path / f"{'n' * 64}-7.safetensors")
    back = read_artefact(file, type(settings), settings.name)
    assert (back.name, back.step, back.base_model_hash) == (settings.name, 7, tiny_components.hash)
    kept = back.vectors if isinstance(back, Embedding) else back.parameters
    assert all(torch.equal(one, other) for one, other in zip(kept, what.start, strict=True))
    subject = subject_of(back, "person")
    if isinstance(back, Hypernetwork):
        assert subject.prompt("a photo of [name], smiling") == "a photo of an old man, smiling<hypernet:ana-h1:1>"
        assert subject.hypernetworks["ana-h1"] is back
    else:
        assert subject.prompt("a photo of [name], smiling") == "a photo of ana-t1, smiling"
        assert subject.embeddings["ana-t1"] is back


def test_a_name_with_brackets_draws_the_very_same_person(tiny_components: Components) -> None:
    """So a browser calls the second copy of a file; unescaped brackets would be weights, and the name no name."""
    what = learnable(tiny_components, EMBEDDING)
    plan = dataclasses.replace(RECIPES["retrato"].pick, steps=1)
    artefact = what.artefact(tuple(each + 1 for each in what.start), 1, {})
    subjects = [subject_of(dataclasses.replace(artefact, name=name), "person") for name in ("ana-t1", "ana-t1 (1)")]
    assert subjects[1].prompt("a photo of [name]") == r"a photo of ana-t1 \(1\)"
    plain, bracketed = (draw_cells(tiny_components, plan, [0], subject)[0] for subject in subjects)
    assert bracketed.image.tobytes() == plain.image.tobytes()


def test_an_embedding_starts_near_its_words_in_every_text_encoder(tiny_xl_components: Components) -> None:
    what = learnable(tiny_xl_components, EMBEDDING)
    assert [each.shape for each in what.start] == [(3, 32), (3, 48)]
    assert what.units == vocabulary_norms(tiny_xl_components)
    assert len(what.lengths(what.start)) == 6
    assert what.subject == "ana-t1"


def test_norms_are_those_of_each_text_encoders_vocabulary(tiny_xl_components: Components) -> None:
    for norm, encoder in zip(vocabulary_norms(tiny_xl_components), tiny_xl_components.text_encoders, strict=True):
        table = encoder.get_input_embeddings().weight
        assert norm == pytest.approx(sum(float(row.norm()) for row in table) / len(table), rel=1e-4)


def test_a_hypernetwork_takes_all_widths_of_the_model_unless_told(tiny_components: Components) -> None:
    what = learnable(tiny_components, HYPERNETWORK)
    widths = attention_widths(tiny_components.unet)
    assert len(what.start) == len(widths) * 2 * 3 * 2
    assert len(what.lengths(what.start)) == 2 * len(widths)
    assert what.subject == "a person"
    some = learnable(tiny_components, HYPERNETWORK.changed(sizes="32"))
    assert some.start[0].shape == (48, 32)


def test_drop_out_is_drawn_for_the_step_and_off_in_evaluation(tiny_components: Components) -> None:
    what = learnable(tiny_components, HYPERNETWORK.changed(weight_init="XavierNormal"))
    first, again, other = (answer(tiny_components, what, step) for step in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(answer(tiny_components, what), answer(tiny_components, what))
    assert not torch.equal(answer(tiny_components, what), first)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sizes": "31"}, "sizes name 31, but the attention of"),
        ({"sizes": "a lot"}, "sizes is 'a lot': write numbers"),
        *(
            ({"sizes": sizes}, f"sizes is '{sizes}': write 1 to 16 different whole numbers, none above 8192, with")
            for sizes in ("32.9", "32, 32", "0", "9000")
        ),
        ({"layer_structure": "1, 2"}, "starts and ends with 1"),
        ({"layer_structure": "1, -2, 1", "dropout": None}, "above 0"),
        ({"activation": "prelu"}, "those that can be used are linear, relu"),
        ({"dropout": "0, 0.5, 0"}, "one number from 0 to below 1 for each of the 4"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(
    tiny_components: Components, changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(HypernetworkError, match=sentence):
        learnable(tiny_components, HYPERNETWORK.changed(**changes))
