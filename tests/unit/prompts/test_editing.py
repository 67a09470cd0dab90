from typing import Any

import pytest

from retrato.errors import SettingsError
from retrato.prompts.editing import prompt_schedule, split_and


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1e-1]", [(10, "b")]),
        ("[a:b:1e0]", [(1, "a"), (10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:-1e999]", [(10, "b")]),
        ("[a:b:+3]", [(3, "a"), (10, "b")]),
        ("[a:b:-1]", [(10, "b")]),
        ("[a:b:]", [(10, "[a:b:]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[a:b|c:3]", [(10, "[a:b|c:3]")]),
        ("[a:(b:c:d):3]", [(10, "[a:(b:c:d):3]")]),
        ("[a (b:c:3] d", [(10, "[a (b:c:3] d")]),
        ("[a:b:3) c]", [(10, "[a:b:3) c]")]),
        ("[a [b:c:3] d", [(3, "[a b d"), (10, "[a c d")]),
        ("x | y [a:b:3]", [(10, "x | y [a:b:3]")]),
        ("(x | y) [a:b:3]", [(10, "(x | y) [a:b:3]")]),
        ("[x | (y] [a:b:3]", [(10, "[x | (y] [a:b:3]")]),
        ("[a:b:3] \\", [(10, "[a:b:3] \\")]),
        ("[a:b:3] \\\n", [(10, "[a:b:3] \\\n")]),
        ("[(x:1.2):(y:1.3):3]", [(3, "(x:1.2)"), (10, "(y:1.3)")]),
        ("[a:b:\t3\n]", [(3, "a"), (10, "b")]),
        ("[a:b:2.5E-1]", [(2, "a"), (10, "b")]),
        ("[a:b:0.05]", [(10, "b")]),
        ("[a:b:3.9]", [(10, "a")]),
        ("[a:b:1_0]", [(10, "[a:b:1_0]")]),
        ("[a:b:١]", [(10, "[a:b:١]")]),
        ("[:3]", [(3, ""), (10, "")]),
        ("[[[a]]:3]", [(3, ""), (10, "[[a]]")]),
        (r"[a\:b:c:3]", [(3, r"a\:b"), (10, "c")]),
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        ("([a:BREAK b:3]:1.2)", [(3, "(a:1.2)"), (10, "(BREAK b:1.2)")]),
        ("[[a:b:2]|c:3]", [(10, "[[a:b:2]|c:3]")]),
        ("[[a:b:2]:[c:d:6]:4]", [(2, "a"), (4, "b"), (6, "c"), (10, "d")]),
    ],
)
def test_switches(prompt: str, wanted: list[tuple[int, str]]) -> None:
    assert prompt_schedule(prompt, 10) == wanted


@pytest.mark.parametrize("stray", [")", "]", "(", "[", ":", ": x", "] x"])
def test_an_edit_beside_a_stray_mark_is_an_edit(stray: str) -> None:
    # The web UI's parser leaves this to chance: the same prompt is an edit in one process and text in the next.
    assert prompt_schedule(f"[a:b:3]{stray}", 10) == [(3, f"a{stray}"), (10, f"b{stray}")]


def test_alternatives_may_hold_edits_and_attention() -> None:
    found = prompt_schedule("[[a:b:3]|(c:1.2) d|]e", 6)
    assert [text for _, text in found] == ["ae", "(c:1.2) de", "e", "be", "(c:1.2) de", "e"]


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("[a:b:1.0]", [(1, "a"), (4, "b")]),
        ("[a:b:0.5]", [(2, "a"), (4, "b")]),
        ("[a:b:-1]", [(-4, "a"), (4, "b")]),
        ("[a:b:2 ]", [(4, "[a:b:2 ]")]),
        ("[x (y) z|c]", [(1, "x "), (2, "c"), (3, "x "), (4, "c")]),
        ("[[a:b:1] z|c]", [(1, "a"), (2, "c"), (3, "b"), (4, "c")]),
        ("[[a|b] z|c]", [(1, "a"), (2, "c"), (3, "a"), (4, "c")]),
    ],
)
def test_rules_of_2022(prompt: str, wanted: list[tuple[int, str]]) -> None:
    assert prompt_schedule(prompt, 4, rules="2022") == wanted


def test_the_second_pass_counts_from_the_start_of_the_first() -> None:
    assert prompt_schedule("[a:b:25]", 20, hires_steps=10) == [(5, "a"), (10, "b")]
    assert prompt_schedule("[a:b:0.5][c|d]", 20, hires_steps=2) == [(1, "bc"), (2, "bd")]
    assert prompt_schedule("[a:b:1.5]", 20, hires_steps=10) == [(5, "a"), (10, "b")]
    assert prompt_schedule("[a:b:25]", 20, rules="2022", hires_steps=10) == [(20, "a")]


@pytest.mark.parametrize("values", [{"steps": 0}, {"steps": 5, "hires_steps": 0}, {"steps": 5, "rules": "1.5"}])
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"steps is 0|hires_steps 0|schedule_rules is '1\.5'"):
        prompt_schedule("a", **values)


def test_deep_nesting_needs_no_recursion() -> None:
    depth = 5000
    assert prompt_schedule("[" * 10_000, 3) == [(3, "[" * 10_000)]
    assert prompt_schedule("[x:" * depth + "y" + ":2]" * depth, 3) == [(2, "x"), (3, "y")]


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a clock at 12:30", [("a clock at 12:30", 1.0)]),
        ("see http://x:8080", [("see http://x:8080", 1.0)]),
        ("a cat :1.2 AND a dog", [("a cat", 1.2), (" a dog", 1.0)]),
        ("a:1:2 AND b :  -.5 ", [("a:1", 2.0), (" b", -0.5)]),
        ("a:1e2 AND b:1.2.3 AND c:.", [("a:1e2", 1.0), (" b:1.2.3", 1.0), (" c:.", 1.0)]),
        ("(a:1.2) AND b\nc:2", [("(a:1.2)", 1.0), (" b\nc", 2.0)]),
        (f"a AND b:{'9' * 400}", [("a", 1.0), (" b:" + "9" * 400, 1.0)]),
        ("a\nAND\nb: 2\n", [("a", 1.0), ("\nb", 2.0)]),
        ("a AND b :: 3 AND", [("a", 1.0), (" b :", 3.0), ("", 1.0)]),
        ("a AND_b:2 ANDy", [("a AND_b:2 ANDy", 1.0)]),
        ("a AND (b:1.2)", [("a", 1.0), (" (b:1.2)", 1.0)]),
        ("a AND b:nan", [("a", 1.0), (" b:nan", 1.0)]),
        (" a ", [(" a", 1.0)]),
        ("", [("", 1.0)]),
    ],
)
def test_split_and(prompt: str, wanted: list[tuple[str, float]]) -> None:
    assert split_and(prompt) == wanted
