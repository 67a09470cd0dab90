import pytest

from retrato.errors import PromptError
from retrato.prompts import prompt_matrix


def test_the_order_is_that_of_the_web_ui() -> None:
    assert prompt_matrix("a hat|red|old") == ["a hat", "a hat, red", "a hat, old", "a hat, red, old"]
    assert prompt_matrix("a hat") == ["a hat"]


@pytest.mark.parametrize("prompt", ["[cat|dog] hat", "{cat|dog}", r"cat \| dog"])
def test_a_bar_that_belongs_to_something_else_is_no_separator(prompt: str) -> None:
    assert prompt_matrix(prompt) == [prompt]
    assert prompt_matrix(f"{prompt}|red ,") == [prompt, f"{prompt}, red"]


def test_too_many_parts() -> None:
    assert len(prompt_matrix("a|" + "|".join("bcdefghi"))) == 256
    with pytest.raises(PromptError, match="512 prompts"):
        prompt_matrix("a|" + "|".join("bcdefghij"))
