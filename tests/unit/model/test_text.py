import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from retrato.errors import EmbeddingError, SettingsError
from retrato.model import Components, encode, filled_slots, initial_vectors, load_components, token_chunks
from retrato.prompts import Chunk, Slot


@pytest.fixture
def vectors() -> torch.Tensor:
    return torch.randn(2, 32, generator=torch.Generator().manual_seed(3))


def chunks(components: Components, text: str, **embeddings: int) -> list[Chunk]:
    return token_chunks(components, text, embeddings)


def test_states_have_one_row_per_prompt(tiny_components: Components) -> None:
    both = encode(tiny_components, [chunks(tiny_components, "a man"), chunks(tiny_components, "a cat")], {})
    assert both.states.shape == (2, 77, 32)
    assert both.pooled is None
    assert not torch.equal(both.states[0], both.states[1])


def test_states_are_those_of_the_text_encoder(tiny_components: Components) -> None:
    tokenizer, encoder = tiny_components.tokenizers[0], tiny_components.text_encoders[0]
    tokens = tokenizer("a photo of a man", padding="max_length", max_length=77, return_tensors="pt")
    states = encode(tiny_components, [chunks(tiny_components, "a photo of a man")], {}).states
    assert torch.equal(states, encoder(tokens["input_ids"]).last_hidden_state)


def test_a_batch_equals_its_prompts_singly(tiny_components: Components) -> None:
    texts = ["a (man:1.4), red", "(cat:0.3)", "a dog"]
    together = encode(tiny_components, [chunks(tiny_components, text) for text in texts], {}).states
    for row, text in enumerate(texts):
        alone = encode(tiny_components, [chunks(tiny_components, text)], {}).states[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-5, atol=1e-6)


def test_shorter_prompts_get_empty_chunks(tiny_components: Components) -> None:
    long = chunks(tiny_components, "cat " * 100)
    states = encode(tiny_components, [long, chunks(tiny_components, "a man")], {}).states
    assert states.shape == (2, 2 * 77, 32)
    torch.testing.assert_close(states[1, 77:], encode(tiny_components, [chunks(tiny_components, "")], {}).states[0])


@pytest.mark.parametrize("name", ["ana (1)", "हिन्दी", "ana-"])
def test_a_name_that_ends_in_a_mark_is_found_before_a_comma_too(tiny_components: Components, name: str) -> None:
    written = name.replace("(", r"\(").replace(")", r"\)")
    for text in (f"{written}, smiling", f"a photo of {written.upper()}.", f"({written}:1.2)", written):
        (chunk,) = chunks(tiny_components, text, **{name: 1})
        assert [slot.name for slot in chunk.slots] == [name], text
    assert chunks(tiny_components, f"banana-, x{written},", **{name: 1})[0].slots == ()


def test_an_embedding_equals_the_same_rows_in_the_token_table(
    tiny_components: Components, vectors: torch.Tensor
) -> None:
    spliced = chunks(tiny_components, "a photo of benny, red", benny=2)
    assert spliced[0].slots == (Slot(3, "benny", 2),)
    written = [Chunk((*spliced[0].token_ids[:3], 5, 6, *spliced[0].token_ids[5:]), spliced[0].weights)]
    encoder = copy.deepcopy(tiny_components.text_encoders[0])
    encoder.embeddings.token_embedding.weight[[5, 6]] = vectors
    tokens = torch.full((1, 77), tiny_components.tokenizers[0].eos_token_id)
    tokens[0, 0] = tiny_components.tokenizers[0].bos_token_id
    tokens[0, 1 : 1 + len(written[0].token_ids)] = torch.tensor(written[0].token_ids)
    states = encode(tiny_components, [spliced], {"benny": (vectors,)}).states
    torch.testing.assert_close(states, encoder(tokens).last_hidden_state)
    assert not torch.allclose(states, encode(tiny_components, [spliced], {"benny": (vectors + 1,)}).states)


def test_the_gradient_reaches_the_vectors_only(tiny_components: Components, vectors: torch.Tensor) -> None:
    vectors.requires_grad_()
    states = encode(tiny_components, [chunks(tiny_components, "a benny", benny=2)], {"benny": (vectors,)}).states
    states.square().sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().sum(dim=1).gt(0).all()
    assert all(weight.grad is None for weight in tiny_components.text_encoders[0].parameters())


def test_filled_slots_leaves_the_encoder_as_it_was(tiny_components: Components, vectors: torch.Tensor) -> None:
    encoder = tiny_components.text_encoders[0]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    tokens = torch.zeros(1, 5, dtype=torch.long)
    plain = encoder(tokens).last_hidden_state
    with filled_slots(encoder, [[Slot(1, "x", 2)]], {"x": vectors}):
        assert not torch.equal(encoder(tokens).last_hidden_state, plain)
    assert torch.equal(encoder(tokens).last_hidden_state, plain)
    with pytest.raises(ZeroDivisionError), filled_slots(encoder, [[Slot(1, "x", 2)]], {"x": vectors}):
        _ = 1 / 0
    assert torch.equal(encoder(tokens).last_hidden_state, plain)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_slots_and_vectors_must_agree(tiny_components: Components, vectors: torch.Tensor) -> None:
    found = chunks(tiny_components, "a benny", benny=3)
    with pytest.raises(EmbeddingError, match="2 vectors"):
        encode(tiny_components, [found], {"benny": (vectors,)})
    with pytest.raises(EmbeddingError, match="no vectors"):
        encode(tiny_components, [found], {})


def test_emphasis_modes(tiny_components: Components) -> None:
    found, plain = chunks(tiny_components, "a (man:1.5)"), chunks(tiny_components, "a man")
    base = encode(tiny_components, [plain], {}).states
    weighted = {
        mode: encode(tiny_components, [found], {}, emphasis=mode).states for mode in ("Original", "No norm", "Ignore")
    }
    assert torch.equal(weighted["Ignore"], base)
    torch.testing.assert_close(weighted["No norm"][0, 2], base[0, 2] * 1.5)
    torch.testing.assert_close(weighted["No norm"][0, 1], base[0, 1])
    torch.testing.assert_close(weighted["Original"].mean(), base.mean())
    assert not torch.allclose(weighted["Original"], weighted["No norm"])


def test_weights_of_zero_give_numbers(tiny_components: Components) -> None:
    found = [Chunk(tuple(range(75)), (0.0,) * 75)]
    assert torch.isfinite(encode(tiny_components, [found], {}).states).all()


def test_clip_skip_takes_an_earlier_layer_and_the_final_norm(tiny_components: Components) -> None:
    found, encoder = chunks(tiny_components, "a man"), tiny_components.text_encoders[0]
    first, second = (encode(tiny_components, [found], {}, clip_skip=skip).states for skip in (1, 2))
    assert not torch.allclose(first, second)
    tokens = tiny_components.tokenizers[0]("a man", padding="max_length", max_length=77, return_tensors="pt")[
        "input_ids"
    ]
    hidden = encoder(tokens, output_hidden_states=True).hidden_states
    torch.testing.assert_close(second, encoder.final_layer_norm(hidden[-2]))
    with pytest.raises(SettingsError, match="3 layers"):
        encode(tiny_components, [found], {}, clip_skip=4)


@pytest.mark.parametrize("family", ["sd2", "xl"])
def test_clip_skip_changes_nothing_where_the_layer_is_given(family: str, family_folder: Callable[[str], Path]) -> None:
    model = load_components(family_folder(family), device="cpu")
    found = chunks(model, "a man")
    first, second = (encode(model, [found], {}, clip_skip=skip) for skip in (1, 12))
    assert torch.equal(first.states, second.states)


def test_a_mark_that_fills_up_is_a_word_in_prompts(family_folder: Callable[[str], Path]) -> None:
    """`!!` is one token; the texts of Stable Diffusion 2 had two of those that fill up instead."""
    for family in ("sd1", "sd2"):
        model = load_components(family_folder(family), device="cpu")
        (chunk,) = chunks(model, "hi!!")
        assert chunk.token_ids == (1883, 748)
        assert initial_vectors(model, "!!", 1)[0].equal(model.text_encoders[0].get_input_embeddings().weight[[748]])


def test_two_encoders(tiny_xl_components: Components) -> None:
    model = tiny_xl_components
    vectors = (torch.randn(1, 32, requires_grad=True), torch.randn(1, 48, requires_grad=True))
    found = encode(model, [chunks(model, "a benny", benny=1), chunks(model, "cat " * 100)], {"benny": vectors})
    assert found.states.shape == (2, 2 * 77, 80)
    assert found.pooled is not None
    assert found.pooled.shape == (2, 24)
    (found.states[0].sum() + found.pooled[0].sum()).backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in vectors)
    alone = encode(model, [chunks(model, "a benny", benny=1)], {"benny": vectors})
    torch.testing.assert_close(alone.pooled, found.pooled[:1])
    torch.testing.assert_close(alone.states[0], found.states[0, :77])


def test_the_second_encoder_pads_with_its_own_token(tiny_xl_components: Components) -> None:
    tokenizer, encoder = tiny_xl_components.tokenizers[1], tiny_xl_components.text_encoders[1]
    tokens = tokenizer("a man", padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
    assert tokens[0, -1] == tokenizer.convert_tokens_to_ids("!") != tokenizer.eos_token_id
    found = encode(tiny_xl_components, [chunks(tiny_xl_components, "a man")], {})
    output = encoder(tokens, output_hidden_states=True)
    torch.testing.assert_close(found.states[..., 32:], output.hidden_states[-2])
    torch.testing.assert_close(found.pooled, output.text_embeds)


def test_vectors_start_from_words(tiny_components: Components) -> None:
    table = tiny_components.text_encoders[0].embeddings.token_embedding.weight
    man, cat = tiny_components.tokenizers[0]("man cat", add_special_tokens=False)["input_ids"]
    assert torch.equal(initial_vectors(tiny_components, "man cat", 1)[0], table[[man]])
    assert torch.equal(initial_vectors(tiny_components, "man cat", 4)[0], table[[man, man, cat, cat]])
    assert torch.equal(initial_vectors(tiny_components, "", 2)[0], torch.zeros(2, 32))
