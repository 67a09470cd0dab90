import pytest

from retrato.prompts import without_comments


@pytest.mark.parametrize(
    ("prompt", "left"),
    [
        ("a portrait of ana-1, smiling", "a portrait of ana-1, smiling"),
        ("a portrait of ana-1\n# old: red hat\nsmiling # or not", "a portrait of ana-1\nsmiling "),
        ("# nothing", ""),
        ("a hat#red", "a hat"),
        ("a hat\n#one\n#two\nred", "a hat\n\nred"),
        ("two\nlines\n", "two\nlines\n"),
    ],
)
def test_what_stands_behind_a_number_sign_is_not_drawn(prompt: str, left: str) -> None:
    assert without_comments(prompt) == left
    assert without_comments(left) == left
