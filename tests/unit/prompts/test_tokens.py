import re

import pytest

from retrato.errors import PromptError
from retrato.prompts.tokens import Chunk, Slot, chunk_tokens, prefix_clashes

COMMA = ord(",")


def tokenize(text: str) -> list[int]:
    """One token per letter, digit or sign, as a tokenizer with a vocabulary of single characters would."""
    return [ord(character) for character in re.sub(r"\s", "", text.lower())]


def chunks_of(text: str, embeddings: dict[str, int] | None = None, **options: int) -> list[Chunk]:
    return chunk_tokens(text, tokenize, comma_token=COMMA, embeddings=embeddings or {}, **options)


def texts_of(chunks: list[Chunk]) -> list[str]:
    return ["".join(chr(token) if token else "_" for token in chunk.token_ids) for chunk in chunks]


def test_a_name_becomes_a_slot_with_the_weight_of_its_run() -> None:
    (chunk,) = chunks_of("a (ben:1.5)!", {"ben": 2})
    assert chunk == Chunk((ord("a"), 0, 0, ord("!")), (1.0, 1.5, 1.5, 1.0), (Slot(1, "ben", 2),))


def test_the_longest_name_wins_and_the_rest_is_text() -> None:
    (chunk,) = chunks_of("ben1 ben12 ben123 be", {"ben1": 1, "ben12": 1, "be": 1})
    assert [slot.name for slot in chunk.slots] == ["ben1", "ben12", "ben12", "be"]
    assert texts_of([chunk]) == ["___3_"]


def test_names_match_in_any_case_but_not_across_runs() -> None:
    assert [slot.name for slot in chunks_of("BeN", {"ben": 1})[0].slots] == ["ben"]
    assert chunks_of("(be:1.2)n", {"ben": 1})[0].slots == ()


def test_of_two_names_with_equal_tokens_the_first_is_meant() -> None:
    assert chunks_of("ben", {"Ben": 3, "ben": 1})[0].slots == (Slot(0, "Ben", 3),)


def test_a_slot_that_does_not_fit_starts_a_chunk() -> None:
    chunks = chunks_of("abcd ben z", {"ben": 3}, chunk_length=6)
    assert texts_of(chunks) == ["abcd", "___z"]
    assert chunks[1].slots == (Slot(0, "ben", 3),)


def test_the_comma_rule_takes_slots_along() -> None:
    chunks = chunks_of("abc, ben xyz", {"ben": 2}, chunk_length=6)
    assert texts_of(chunks) == ["abc,", "__xyz"]
    assert chunks[0].slots == ()
    assert chunks[1].slots == (Slot(0, "ben", 2),)


def test_a_comma_too_far_back_is_left_alone() -> None:
    assert texts_of(chunks_of("ab,cdefg", chunk_length=6, comma_backtrack=4)) == ["ab,", "cdefg"]
    assert texts_of(chunks_of("ab,cdefg", chunk_length=6, comma_backtrack=3)) == ["ab,cde", "fg"]
    assert texts_of(chunks_of("ab,cdefg", chunk_length=6, comma_backtrack=0)) == ["ab,cde", "fg"]


def test_breaks_close_chunks_inside_brackets_too() -> None:
    assert texts_of(chunks_of("(ab BREAK cd:1.3) BREAK BREAK e BREAK")) == ["ab", "cd", "", "e"]


def test_without_emphasis_everything_is_words() -> None:
    (chunk,) = chunk_tokens("(a:2) BREAK", tokenize, comma_token=COMMA, embeddings={}, emphasis="None")
    assert texts_of([chunk]) == ["(a:2)break"]
    assert set(chunk.weights) == {1.0}
    (alone,) = chunk_tokens("BREAK", tokenize, comma_token=COMMA, embeddings={}, emphasis="None")
    assert texts_of([alone]) == ["break"]


def test_an_empty_prompt_is_one_empty_chunk() -> None:
    assert chunks_of("") == [Chunk((), ())]


def test_an_embedding_larger_than_a_chunk_is_refused() -> None:
    with pytest.raises(PromptError, match="the embedding ben has 76 vectors and a chunk of the prompt holds 75"):
        chunks_of("ben", {"ben": 76})


def test_a_name_without_tokens_never_matches() -> None:
    assert chunks_of("a", {" ": 1}) == [Chunk((ord("a"),), (1.0,))]


def test_prefix_clashes() -> None:
    names = ["ben-t1", "ben-t12", "Ana", "ana", "b", " ", "zoe"]
    assert sorted(prefix_clashes(names, tokenize)) == [
        ("Ana", "ana"),
        ("b", "ben-t1"),
        ("b", "ben-t12"),
        ("ben-t1", "ben-t12"),
    ]
