from collections import Counter
from pathlib import Path

import pytest

from retrato.errors import PromptError
from retrato.evaluation.prompts import GROUPS, JudgedPrompt, drawing_plan, read_prompts
from retrato.training import RECIPES


def test_the_built_in_ones_are_six_of_each_group_and_none_that_picks() -> None:
    prompts = read_prompts(None)
    assert Counter(prompt.group for prompt in prompts) == dict.fromkeys(GROUPS, 6)
    assert len({prompt.text for prompt in prompts}) == 24
    for recipe in RECIPES.values():
        assert not {prompt.text for prompt in prompts} & {prompt.text for prompt in recipe.pick.prompts}


def test_the_first_of_them_stand_for_all_groups() -> None:
    assert Counter(prompt.group for prompt in read_prompts(None)[:12]) == dict.fromkeys(GROUPS, 3)


def test_a_wish_is_what_follows_the_first_comma() -> None:
    assert JudgedPrompt("style", "a photo of [name], red, big").without_its_wish == "a photo of [name]"
    assert JudgedPrompt("style", "a photo of [name]").without_its_wish is None


def test_the_plan_says_where_likeness_counts(prompt_file: Path) -> None:
    plan = drawing_plan(read_prompts(prompt_file), RECIPES["retrato"].pick, 9)
    assert [prompt.shows_identity for prompt in plan.prompts] == [True, False]
    assert plan.first_seed == 9


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a photo of [name]", "write `group: prompt`"),
        (b"recontext: a photo", "write `group: prompt`"),
        (b"hats: [name]", "one of the groups"),
        (b"style: [name]\nstyle: [name], red", "no prompt that likeness"),
        (b"recontext: [name]", "at least two"),
        (b"\xff\xfe", "no UTF-8"),
        (b"#" * 200_000, "larger than"),
        (b"", "no prompt that likeness"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "p.txt").write_bytes(content)
    with pytest.raises(PromptError, match=complaint):
        read_prompts(tmp_path / "p.txt")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"nowhere\.txt cannot be read"):
        read_prompts(tmp_path / "nowhere.txt")
