import dataclasses
import math
import unicodedata

import pytest
import torch

from retrato.embeddings import Embedding, check_name
from retrato.embeddings.embedding import clip_skip_in, mentioned, name_key
from retrato.errors import EmbeddingError


def test_gives_its_shape_and_norms():
    embedding = Embedding("ana", (torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.ones(2, 4)))
    assert embedding.vectors_per_token == 2
    assert embedding.dims == (2, 4)
    assert embedding.norms() == ((5.0, 0.0), (2.0, 2.0))


def test_owns_a_detached_float32_copy():
    learned = torch.nn.Parameter(torch.ones(1, 4, dtype=torch.float64))
    embedding = Embedding("ana", (learned,))
    with torch.no_grad():
        learned.zero_()
    assert embedding.vectors[0].dtype == torch.float32
    assert not embedding.vectors[0].requires_grad
    assert embedding.vectors[0].tolist() == [[1.0] * 4]


def test_metadata_is_copied_and_the_rest_is_frozen():
    metadata = {"score": "0.5"}
    embedding = Embedding("ana", (torch.ones(1, 4),), metadata=metadata)
    metadata["score"] = "1"
    assert embedding.metadata == {"score": "0.5"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        embedding.step = 3


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        ((), "0 text encoders"),
        ((torch.ones(1, 2),) * 3, "3 text encoders"),
        ((torch.ones(4),), "shape"),
        ((torch.ones(0, 4),), "no vectors"),
        ((torch.ones(76, 4),), "76 vectors"),
        ((torch.ones(1, 9000),), "9000"),
        ((torch.ones(1, 4), torch.ones(2, 4)), "1 and 2 vectors"),
        ((torch.tensor([[1.0, math.nan]]),), "NaN"),
        ((torch.tensor([[1.0, -math.inf]]),), "infinity"),
        ((torch.tensor([[1e300]], dtype=torch.float64),), "infinity"),
        ((torch.ones(1, 4, dtype=torch.complex64),), "complex64"),
        ((torch.ones(1, 4, dtype=torch.bool),), "bool"),
    ],
)
def test_refuses_vectors(vectors, reason):
    with pytest.raises(EmbeddingError, match=reason):
        Embedding("ana", vectors)


def test_refuses_a_view_that_claims_a_huge_shape_without_copying_it():
    with pytest.raises(EmbeddingError, match="no text encoder is wider"):
        Embedding("ana", (torch.ones(1).as_strided((1, 2**40), (0, 0)),))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"step": -1}, "counts optimizer steps"),
        ({"metadata": {"name": "bia"}}, "'name'"),
        ({"metadata": {"score": 0.5}}, "maps text to text"),
        ({"metadata": {"score": "\ud800"}}, "half of a character"),
        ({"metadata": {"score": "a" * 1_000_000}}, "900000 bytes"),
        ({"metadata": {str(number): "" for number in range(501)}}, "501 entries"),
    ],
)
def test_refuses_facts(facts, reason):
    with pytest.raises(EmbeddingError, match=reason):
        Embedding("ana", (torch.ones(1, 4),), **facts)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "realbenny-t2",
        "Ana Júlia",
        "v1.5",
        "_x",
        "7",
        "美月",
        "a" * 64,
        "console",
        "comma",
        "a..b",
        "हिन्दी",
        "น้ำ",
        "مُحَمَّد",
    ],
)
def test_names_that_work(name):
    assert check_name(name) == name


def test_name_is_composed():
    assert check_name(unicodedata.normalize("NFD", "Júlia")) == "Júlia"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "-a",
        ".a",
        "..",
        "../a",
        "a/b",
        "a\\b",
        "C:a",
        "a\0",
        "a\n",
        "a.",
        "a ",
        "a" * 65,
        "(a:1.2)",
        "[a|b]",
        "<a>",
        "a,b",
        "CON",
        "con.txt",
        "lpt1",
        "Com9.x",
        "NUL .a",
        "COM¹",
        "\u0301a",
    ],
)
def test_names_that_do_not(name):
    with pytest.raises(EmbeddingError, match="cannot be a name"):
        check_name(name)
    with pytest.raises(EmbeddingError, match="cannot be a name"):
        Embedding(name, (torch.ones(1, 4),))


def test_a_found_name_may_have_brackets_and_a_new_one_may_not():
    assert check_name("ana (1)", is_found=True) == "ana (1)"
    with pytest.raises(EmbeddingError, match="cannot be a name"):
        check_name("ana (1)")


def test_a_huge_name_gives_a_short_sentence():
    with pytest.raises(EmbeddingError) as caught:
        check_name("a" * 100_000)
    assert len(str(caught.value)) < 200


def test_spellings_of_one_name_are_compared_as_one():
    finder, keyboard = "Joa\u0303o", "jo\u00e3o"
    assert name_key(finder) == name_key(keyboard) == name_key("JOÃO") == keyboard
    assert name_key("ana") != name_key("aná")


def test_people_are_mentioned_as_whole_words() -> None:
    people = ["ana", "ana-t1", "t1"]
    assert mentioned("a photo of (Ana-T1:1.2), smiling", people) == ["ana-t1"]
    assert mentioned("ana", people) == ["ana"]
    assert mentioned("banana", people) == []


def test_people_are_mentioned_however_their_letters_are_composed() -> None:
    finder, keyboard = "Joa\u0303o-1", "jo\u00e3o-1"
    assert mentioned(f"a portrait of {finder}", [keyboard]) == [keyboard]
    assert mentioned(f"a portrait of {keyboard}", [finder]) == [finder]


def test_a_file_says_its_clip_skip_and_nonsense_is_the_last_layer() -> None:
    for said, skip in (("2", 2), ("12", 12), ("13", 1), ("0", 1), ("-2", 1), ("two", 1), ("²", 1), ("9" * 5000, 1)):
        assert clip_skip_in({"clip_skip": said}) == skip
    assert clip_skip_in({}) == 1
