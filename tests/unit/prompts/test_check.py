import pytest

from retrato.prompts import PromptWarning, check_prompt

NAMES = ("realbenny-t2", "ana")


def found(prompt: str, **options: object) -> list[tuple[int, str]]:
    warnings = check_prompt(prompt, **{"embeddings": NAMES, **options})  # type: ignore[arg-type]
    return [(warning.position, warning.message) for warning in warnings]


@pytest.mark.parametrize(
    ("prompt", "position", "said"),
    [
        ("a (red", 2, "this ( is never closed: everything after it weighs more"),
        ("a [red", 2, "this [ is never closed: everything after it weighs less"),
        ("a red)", 5, "this ) closes nothing"),
        ("(a:1.5.5)", 2, "1.5.5 is no number"),
        ("(a:1,5)", 2, "write a number with a dot"),
        ("(a: 1e2 )", 2, "1e2 is no weight"),
        ("a [red:blue]", 2, "write [from:to:when]"),
        ("[a:b:25]", 0, "this never changes: 25 is beyond 20 steps"),
        ("x [a:b:1.0]", 2, "this never changes"),
        ("a [dog:1.2]", 2, "this never appears, as 1.2 is beyond 20 steps: a weight is written (word:1.2)"),
        ("a [dog:25]", 2, "this never changes: 25 is beyond 20 steps"),
        ("a | [b:c:3]", 2, "makes the whole prompt plain text"),
        ("[b:c:3] \\", 0, "plain text"),
        ("(a AND b)", 3, "AND splits the prompt inside of a bracket"),
        ("a <lora:x:1>", 2, "retrato knows no such tags"),
        ("re\\d hat", 2, "this backslash vanishes"),
        ("a realbeny-t2 hat", 2, "did you mean realbenny-t2?"),
        ("a Realbenny-t23", 2, "is read as realbenny-t2 followed by 3"),
    ],
)
def test_each_has_its_place(prompt: str, position: int, said: str) -> None:
    assert any(place == position and said in message for place, message in found(prompt)), found(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "a (red:1.2) [hat], [realbenny-t2|panda], [a:b:0.5] [c:3] [d::4]",
        "a cat AND (a dog:1.1) :0.5 BREAK ana",
        r"\(a\) \\ b: c, (http://x:80)",
        "a banana, an analogy, 16:9",
        "",
    ],
)
def test_a_good_prompt_has_none(prompt: str) -> None:
    assert found(prompt) == []


def test_what_is_known_is_not_warned_of() -> None:
    tag = "<hypernet:anime:0.7>"
    assert found(tag, networks={"hypernet": ["anime"]}) == []
    assert found("hat <hypernet:realbenny-h2:1> hat", networks={"hypernet": ["realbenny-h2"]}) == []
    ((_, message),) = found("<hypernet:anme>", networks={"hypernet": ["anime"]})
    assert "did you mean anime?" in message


def test_the_negative_prompt_has_rules_of_its_own() -> None:
    said = found("a AND b <lora:x>", is_negative=True)
    assert [place for place, _ in said] == [2, 8]
    assert found("(a", emphasis="None") == []


def test_places_count_from_one_for_people() -> None:
    assert str(PromptWarning(0, "this")) == "character 1: this"
