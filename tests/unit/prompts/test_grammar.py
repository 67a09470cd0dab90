import pytest

from retrato.errors import PromptError
from retrato.prompts.grammar import MAX_NESTING, parse_attention


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("(a:1.2.3), b", [("a:1.2.3", 1.1), (", b", 1.0)]),
        ("(a:.), b", [("a:.", 1.1), (", b", 1.0)]),
        ("(a:1..2 )", [("a:1..2 ", 1.1)]),
        ("a:1.2.3)", [("a:1.2.3)", 1.0)]),
        ("(a:1e2)", [("a:1e2", 1.1)]),
        ("(a:1,5)", [("a:1,5", 1.1)]),
        (f"(a:{'9' * 400})", [("a:" + "9" * 400, 1.1)]),
        ("(a:١.٥)", [("a", 1.5)]),
        ("(a:1.1:1.2)", [("a:1.1", 1.2)]),
        ("(a:+.5)", [("a", 0.5)]),
        ("(a: 1.5", [("a: 1.5", 1.1)]),
        ("(a\n:\n1.5\n)", [("a\n", 1.5)]),
        ("(a:--1)", [("a:--1", 1.1)]),
        ("(a:1 .5)", [("a:1 .5", 1.1)]),
        ("(a::1.5)", [("a:", 1.5)]),
        ("(a:1.5)b:1.5)", [("a", 1.5), ("b:1.5)", 1.0)]),
        ("(:1.5)", [("", 1.0)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("(a:1.1)(b)", [("ab", 1.1)]),
        ("([a)]b", [("ab", 1.0)]),
        ("[a:1.5]", [("a:1.5", 1 / 1.1)]),
        ("(BREAK:1)", [("", 1.0), ("BREAK", -1.0), ("", 1.0)]),
        (r"a\BREAK b BREAKS", [("a", 1.0), ("BREAK", -1.0), ("b BREAKS", 1.0)]),
    ],
)
def test_numbers(prompt: str, wanted: list[tuple[str, float]]) -> None:
    assert parse_attention(prompt) == wanted


@pytest.mark.parametrize(
    "prompt", ["(one BREAK two:1.3)", "(one BREAK two: 1.3 )", "( (one BREAK two:1.3):1)", "[(one BREAK two:1.43)]"]
)
def test_a_break_inside_brackets_stays_a_break(prompt: str) -> None:
    assert ("BREAK", -1.0) in parse_attention(prompt)


def test_breaks_are_never_merged_with_text_of_the_same_weight() -> None:
    found = parse_attention("(a BREAK b:-1)")
    assert found == [("a", -1.0), ("BREAK", -1.0), ("b", -1.0)]


def test_a_backslash_takes_brackets_literally_and_vanishes_elsewhere() -> None:
    assert parse_attention(r"\(a\) \[b\] c\\d \e \:") == [(r"(a) [b] c\d e :", 1.0)]


def test_crossing_brackets_weigh_what_lies_in_each() -> None:
    assert parse_attention("(a [b) c]") == [("a ", 1.1), ("b", 1.1 * (1 / 1.1)), (" c", 1 / 1.1)]


def test_brackets_may_be_nested_up_to_the_limit() -> None:
    deepest = "(" * MAX_NESTING + "a" + ")" * MAX_NESTING
    ((text, weight),) = parse_attention(deepest)
    assert text == "a"
    assert weight == pytest.approx(1.1**MAX_NESTING)


@pytest.mark.parametrize("bracket", ["(", "["])
def test_deeper_nesting_is_one_clear_sentence(bracket: str) -> None:
    with pytest.raises(PromptError, match=rf"character {MAX_NESTING + 3} of the prompt is inside 100 open brackets"):
        parse_attention("a " + bracket * 10_000)


def test_a_weight_beyond_every_float_is_refused() -> None:
    with pytest.raises(PromptError, match="the weight of 'a' is too large"):
        parse_attention(f"(((a:{'9' * 300}):{'9' * 300}))")
