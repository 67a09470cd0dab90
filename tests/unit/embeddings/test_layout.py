import pytest
import torch

from retrato.embeddings import Embedding
from retrato.embeddings.layout import from_payload, to_payload
from retrato.errors import EmbeddingError

VECTORS = torch.ones(1, 4)


def test_a1111s_keys():
    payload = to_payload(Embedding("ana", (VECTORS,), 3, "sd", "1234"))
    assert payload.keys() >= {"string_to_token", "string_to_param", "name", "step", "sd_checkpoint"}
    assert payload["string_to_token"] == {"*": 265}
    assert (payload["sd_checkpoint"], payload["sd_checkpoint_name"]) == ("1234", "sd")


def test_every_value_of_an_sdxl_dict_is_a_tensor():
    payload = to_payload(Embedding("ana", (VECTORS, torch.ones(1, 6)), 3, "xl", metadata={"á": "é"}))
    assert all(isinstance(value, torch.Tensor) for value in payload.values())
    back = from_payload({key: value.to(torch.float64) for key, value in payload.items()}, "ana")
    assert (back.step, back.base_model, back.metadata) == (3, "xl", {"á": "é"})


@pytest.mark.parametrize("keys", [("clip_l", "clip_g"), ("text_encoders_0", "text_encoders_1")])
def test_a_pair_is_told_by_its_keys_in_any_order(keys):
    first, second = torch.ones(2, 4), torch.zeros(2, 6)
    for payload in (
        {keys[0]: first, keys[1]: second, "name": "x", "step": 5},
        {keys[1]: torch.nn.Parameter(second), keys[0]: torch.nn.Parameter(first), "step": 5},
    ):
        embedding = from_payload(payload, "ana")
        assert (embedding.dims, embedding.step) == ((4, 6), 5)


def test_facts_of_the_wrong_kind_are_unknown():
    payload = {
        "string_to_param": {"*": VECTORS},
        "step": 1.5,
        "sd_checkpoint": 3,
        "sd_checkpoint_name": [],
        "metadata": {"a": 1, "b": "c", 3: "d", "name": "another program's", "step": "7"},
    }
    embedding = from_payload(payload, "ana")
    assert (embedding.step, embedding.base_model, embedding.base_model_hash) == (None, None, None)
    assert embedding.metadata == {"b": "c"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "no vectors"),
        ({"string_to_param": {}}, "no vectors"),
        ({"string_to_param": 3}, "no vectors"),
        ({"string_to_param": {"*": 3}}, "not an embedding"),
        ({"string_to_param": {"*": VECTORS, "@": VECTORS}}, "more than one term"),
        ({"<a>": VECTORS, "<b>": torch.ones(4)}, r"2 tokens were found \(<a>, <b>\), an embedding has one: save each"),
        ({"a.down": VECTORS, "a.up": torch.ones(4, 1)}, "2 entries"),
        ({"a": VECTORS, "b": 3}, "2 entries"),
        ({"a": "text"}, "not an embedding"),
        ({"clip_l": VECTORS, "clip_g": 3}, "not an embedding"),
        ({"clip_l": VECTORS, "clip_g": VECTORS, "retrato": torch.tensor([1, 2])}, "provenance"),
        ({"clip_l": VECTORS, "clip_g": VECTORS, "retrato": torch.ones(1).as_strided((2**40,), (0,))}, "provenance"),
        ({"clip_l": VECTORS, "clip_g": VECTORS, "retrato": torch.tensor(list(b"[" * 50_000))}, "provenance"),
    ],
)
def test_refuses(payload, reason):
    with pytest.raises(EmbeddingError, match=reason):
        from_payload(payload, "ana")
