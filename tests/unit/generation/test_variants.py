import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from retrato.errors import PromptError, SettingsError
from retrato.generation import after, vary, vary_sheet
from retrato.generation.axes import State
from retrato.prompts import Style, StyleFile, WildcardFolder
from retrato.settings import GenerateSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    StyleFile(tmp_path / "styles.csv").save(Style("Pixel", "{prompt}, pixel {art|style}", "photo"))
    return tmp_path


def varied(folder: Path, *, by: Any = vary, **values: object) -> Any:
    settings = GenerateSettings(**({"prompt": "a hat", "seed": 5} | values))
    return by(settings, styles=StyleFile(folder / "styles.csv"), wildcards=WildcardFolder(folder / "wildcards"))


def test_where_nothing_is_to_be_worked_out_it_is_one_run(folder: Path) -> None:
    (only,) = varied(folder, count=3, negative_prompt="bad")
    assert (only.prompt, only.negative_prompt, only.seed, only.count) == ("a hat", "bad", 5, 3)
    assert (only.wildcards, only.styles, only.matrix) == ("off", (), "off")


def test_matrix_then_styles_then_wildcards(folder: Path) -> None:
    found = varied(folder, prompt="a hat|red", styles=("Pixel",), matrix="prompt", wildcards="all", count=2)
    words = ["a hat, pixel art", "a hat, pixel style", "a hat, red, pixel art", "a hat, red, pixel style"]
    assert [each.prompt for each in found] == words
    assert {each.negative_prompt for each in found} == {"photo"}
    assert {(each.seed, each.count) for each in found} == {(5, 2)}


def test_the_negative_prompts_matrix(folder: Path) -> None:
    found = varied(folder, negative_prompt="bad|old", matrix="negative")
    assert [each.negative_prompt for each in found] == ["bad", "bad, old"]


def test_each_image_has_words_of_its_own_by_its_own_seed(folder: Path) -> None:
    found = varied(folder, prompt="a {red|blue|old} hat", count=12)
    assert len(found) > 1
    assert sum(each.count for each in found) == 12
    for each in found:
        for index in range(each.count):
            (alone,) = varied(folder, prompt="a {red|blue|old} hat", seed=each.seed + index)
            assert alone.prompt == each.prompt


def test_a_seed_is_drawn_once_for_all(folder: Path) -> None:
    found = varied(folder, prompt="{a|b}", wildcards="all", seed=-1)
    assert len({each.seed for each in found}) == 1
    assert found[0].seed >= 0


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({"count": 3}, 3),
        ({"prompt": "a {red|blue|old} hat", "count": 4}, 4),
        ({"negative_prompt": "{hat|cap}", "wildcards": "all", "count": 2}, 4),
        ({"prompt": "a hat|red", "styles": ("Pixel",), "matrix": "prompt", "wildcards": "all", "count": 2}, 8),
        ({"variation_strength": 0.1, "prompt": "a {red|blue|old} hat", "count": 4}, 4),
        ({"variation_strength": 0.1, "variation_seed": 7, "seed": -1, "count": 3}, 3),
    ],
)
def test_what_is_left_after_some_are_drawn(folder: Path, values: dict[str, Any], count: int) -> None:
    variants = varied(folder, **values)
    assert after(variants, 0) == variants
    whole = [one for variant in variants for one in singly(variant)]
    assert len(whole) == count
    for done in range(count + 1):
        left = after(variants, done)
        assert [one for variant in left for one in singly(variant)] == whole[done:]
    assert after(variants, count + 1) == []


def singly(settings: GenerateSettings) -> list[tuple[str, str, int, int]]:
    """What each image is drawn from, by the rule of `generate`: prompts, seed and variation seed."""
    counts_variations = settings.variation_strength > 0
    return [
        (
            settings.prompt,
            settings.negative_prompt,
            settings.seed + index * (not counts_variations),
            settings.variation_seed + index * counts_variations,
        )
        for index in range(settings.count)
    ]


@pytest.mark.parametrize("mode", ["random", "all"])
def test_what_was_worked_out_is_not_worked_out_again(folder: Path, mode: str) -> None:
    StyleFile(folder / "styles.csv").save(Style("Open", "{word} {never|closed", "{"))
    asked = {"prompt": "a {b} \\{red|blue} {c|d}|e", "negative_prompt": "$", "matrix": "prompt", "wildcards": mode}
    found = varied(folder, seed=-1, variation_strength=0.1, styles=("Open",), count=2, **asked)
    assert all("{" in each.prompt and "|" in each.prompt and each.negative_prompt == "$, {" for each in found)
    for each in found:
        assert varied(folder, **each.model_dump()) == [each]


def test_choices_leave_a_variations_seed_where_it_is(folder: Path) -> None:
    found = varied(folder, prompt="a {red|blue|old} hat", variation_strength=0.1, variation_seed=7, count=12)
    assert len(found) > 1
    assert [one[2:] for each in found for one in singly(each)] == [(5, 7 + index) for index in range(12)]


def test_a_second_passs_own_prompts_get_styles_and_the_same_words(folder: Path) -> None:
    hat = "a {red|blue|old} hat"
    second = {"hires": True, "hires_prompt": hat, "hires_negative_prompt": "bad"}
    found = varied(folder, prompt=hat, styles=("Pixel",), count=12, **second)
    assert len(found) > 1
    for each in found:
        assert each.hires_prompt == each.prompt
        assert "{" not in each.hires_prompt
        assert ", pixel " in each.hires_prompt
        assert each.hires_negative_prompt == "bad, photo"
    (one, other) = varied(folder, prompt="{x|y}", wildcards="all", **second)
    assert one.hires_prompt == other.hires_prompt in ("a red hat", "a blue hat", "a old hat")
    (plain,) = varied(folder, styles=("Pixel",), hires=True)
    assert plain.hires_prompt is None


def test_off_leaves_the_prompt_alone(folder: Path) -> None:
    assert varied(folder, prompt="{a|b} __c__", wildcards="off")[0].prompt == "{a|b} __c__"


def test_what_cannot_be(folder: Path) -> None:
    with pytest.raises(PromptError, match="did you mean Pixel"):
        varied(folder, styles=("Pixl",))
    with pytest.raises(SettingsError, match="more than 1000"):
        varied(folder, prompt="{a|b|c}", wildcards="all", count=400)
    words = "{a|b|c|d|e|f|g|h|i|j}" * 3
    parts = "|".join("abcdefgh")
    tracemalloc.start()
    with pytest.raises(SettingsError, match="more than 1000"):
        varied(folder, prompt=f"{words}|{parts}", negative_prompt=words, matrix="prompt", wildcards="all")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000, "256 x 1000 x 1000 prompts are made before they are counted"
    tracemalloc.stop()


def test_a_prompt_is_read_once_for_all_its_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def entries(self: WildcardFolder, name: str) -> list[str]:
        read.append(name)
        return ["cap", "bowler"]

    monkeypatch.setattr(WildcardFolder, "entries", entries)
    assert sum(each.count for each in varied(folder, prompt="a __hats__ and a __hats__", count=50)) == 50
    assert read == ["hats"]


@pytest.mark.parametrize(
    ("prompt", "sides"),
    [
        ("a hat|red", [["nothing", "red"]]),
        ("a hat|red|old", [["nothing", "red"], ["nothing", "old"]]),
        ("a hat|red|old|red", [["nothing", "red", "old", "red, old"], ["nothing", "red"]]),
    ],
)
@pytest.mark.parametrize("matrix", ["prompt", "negative"])
def test_a_sheet_shows_the_pictures_of_a_matrix(folder: Path, prompt: str, sides: list[list[str]], matrix: str) -> None:
    asked = {"matrix": matrix, "styles": ("Pixel",), "wildcards": "off"}
    asked |= {"prompt": prompt} if matrix == "prompt" else {"negative_prompt": prompt}
    own, axes = varied(folder, by=vary_sheet, **asked)
    assert [list(axis.labels) for axis in axes] == sides
    cells = []
    for places in itertools.product(*(range(len(axis.changes)) for axis in reversed(axes))):
        state = State(own, {})
        for axis, place in zip(axes, reversed(places), strict=True):
            state = axis.changes[place](state)
        cells.append(state.settings)
    assert cells == varied(folder, **asked)


@pytest.mark.parametrize(
    ("values", "says"),
    [({"matrix": "prompt"}, "no part to leave out"), ({"prompt": "{a|b}|c", "matrix": "prompt"}, "--wildcards all")],
)
def test_a_sheet_that_is_none(folder: Path, values: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        varied(folder, by=vary_sheet, wildcards="all", **values)
