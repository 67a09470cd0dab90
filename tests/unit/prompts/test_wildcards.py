from collections import Counter
from pathlib import Path

import pytest

from retrato.errors import PromptError
from retrato.prompts import WildcardFolder, all_words, choose_words


@pytest.fixture
def folder(tmp_path: Path) -> WildcardFolder:
    (tmp_path / "clothes").mkdir()
    (tmp_path / "colour.txt").write_text("red\nblue\n\n# remark\n")
    (tmp_path / "clothes/hats.txt").write_text("\ufeffa cap\n", "utf-8")
    (tmp_path / "a.txt").write_text("x __b__\n")
    (tmp_path / "b.txt").write_text("y __a__\n")
    (tmp_path / "empty.txt").write_text("# only this\n")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xfe\x00")
    return WildcardFolder(tmp_path)


@pytest.mark.parametrize(
    "prompt",
    [
        "a (red:1.2) [a|b] <lora:x:1>",
        "#1, 100%, $5, http://x",
        "{word}",
        "{a|b",
        "a}",
        "snake_case__",
        r"\{a\|b\}",
        "{[a|b}",
    ],
)
def test_what_is_no_wildcard_is_text(folder: WildcardFolder, prompt: str) -> None:
    assert choose_words(prompt, folder, seed=1) == prompt
    assert all_words(prompt, folder, limit=5) == [prompt]


def test_an_alternation_inside_of_braces_stays_whole(folder: WildcardFolder) -> None:
    assert all_words("{[a|b]|c}", folder, limit=5) == ["[a|b]", "c"]


def test_the_seed_decides_and_weights_count(folder: WildcardFolder) -> None:
    words = [choose_words("{3::red|blue}", folder, seed=seed) for seed in range(400)]
    assert words == [choose_words("{3::red|blue}", folder, seed=seed) for seed in range(400)]
    assert 260 < Counter(words)["red"] < 340


def test_in_turn(folder: WildcardFolder) -> None:
    assert [choose_words("{@a|b|c} __@colour__", folder, seed=1, turn=turn) for turn in range(4)] == [
        "a red", "b blue", "c red", "a blue",
    ]  # fmt: skip


def test_files(folder: WildcardFolder) -> None:
    assert folder.names == ["a", "b", "clothes/hats", "colour", "empty", "picture"]
    assert folder.entries("hats") == ["a cap"]
    assert folder.entries("c*") == ["a cap", "red", "blue"]


def test_an_amount_of_a_word_list_takes_different_lines(folder: WildcardFolder) -> None:
    (folder.path / "flavours.txt").write_text("mint\nplum\n3::lime\n{fig|pear}\n")
    for prompt in ("{2$$__flavours__}", "{2$$ __~flavours__ }"):
        found = [choose_words(prompt, folder, seed=seed).split(",") for seed in range(200)]
        assert all(len(set(each)) == 2 for each in found)
        assert {word for each in found for word in each} == {"mint", "plum", "lime", "fig", "pear"}
    assert len(all_words("{2$$__flavours__}", folder, limit=50)) == 18  # 3 * 2, and 3 * 2 with each of two fruits
    assert sorted(all_words("{2$$ and $$__colour__} hat", folder, limit=5)) == ["blue and red hat", "red and blue hat"]
    assert set(all_words("{1-$$__colour__}", folder, limit=5)) == {"red", "blue", "red,blue", "blue,red"}
    assert set(all_words("{9$$__colour__}", folder, limit=5)) == {"red,blue", "blue,red"}
    assert [choose_words("{2$$__@flavours__}", folder, seed=1, turn=turn) for turn in (0, 1)] == [
        "mint,plum", "plum,lime",
    ]  # fmt: skip
    with pytest.raises(PromptError, match="did you mean __flavours__"):
        choose_words("{2$$__flavour__}", folder, seed=1)


def test_names_with_spaces_and_brackets_count_if_there_is_such_a_list(folder: WildcardFolder) -> None:
    (folder.path / "my lists").mkdir()
    (folder.path / "ice cream.txt").write_text("mint\n")
    (folder.path / "my lists/fruit (old) [2].txt").write_text("plum\nfig & pear\n")
    one_of_two = ["plum", "fig & pear"]
    for name in ("my lists/fruit (old) [2]", "fruit (old) [2]", "my lists/*", "fruit (old) [?]"):
        assert all_words(f"a __{name}__", folder, limit=9) == [f"a {word}" for word in one_of_two]
    assert choose_words("__ice cream__ and __@ice cream__, {1$$__ice cream__}", folder, seed=1) == "mint and mint, mint"
    assert choose_words("__ and __ice cream__", folder, seed=1) == "__ and mint"
    for text in ("a __ long __ way", "__ice creams__", "__ice\ncream__", "__fruit (new)__", "__fruit (old) [3]__"):
        assert choose_words(text, folder, seed=1) == text
    with pytest.raises(PromptError, match="did you mean __ice cream__"):
        choose_words("__icecream__", folder, seed=1)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("__color__", "did you mean __colour__"),
        ("__../secret__", "there is no word list"),
        ("__empty__", "there is no word list"),
        ("__picture__", "cannot be read as a word list"),
        ("__a__", "in a circle"),
        ("${x} a", "never set"),
        ("${x=${x}} ${x}", "in a circle"),
        ("${a=" + "{b|c}" * 4000 + "}" + "${a}" * 40, "more than 16000 characters"),
        ("{a|" * 40 + "b" + "}" * 40, "inside 30 others"),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(folder: WildcardFolder, prompt: str, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        choose_words(prompt, folder, seed=1)


def test_all_of_too_many(folder: WildcardFolder) -> None:
    assert len(all_words("{a|b|c}{d|e|f}", folder, limit=9)) == 9
    with pytest.raises(PromptError, match="more than 8 prompts"):
        all_words("{a|b|c}{d|e|f}", folder, limit=8)
    with pytest.raises(PromptError, match="more than 5 prompts"):
        all_words("{a|a}" * 50, folder, limit=5)
