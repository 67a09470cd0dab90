import copy

import pytest

from retrato.markup import Html, joined, tag, with_code


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b & c", tag("b", "<i>")) == "<p>a &lt; b &amp; c<b>&lt;i&gt;</b></p>"


def test_attributes_are_escaped_always_also_markup() -> None:
    assert tag("i", title=Html('"><script>')) == '<i title="&quot;&gt;&lt;script&gt;"></i>'


def test_attribute_names() -> None:
    assert tag("meta", http_equiv="x", class_="y", alt=None, name="z") == '<meta http-equiv="x" class="y" name="z">'


@pytest.mark.parametrize(("parts", "between", "wanted"), [(["<", tag("b")], "&", "&lt;&amp;<b></b>"), ([], ", ", "")])
def test_joined_escapes_parts_and_what_is_between(parts: list[str], between: str, wanted: str) -> None:
    found = joined(parts, between)
    assert found == wanted
    assert isinstance(copy.copy(found), Html)


def test_strings_made_of_markup_are_escaped_again() -> None:
    assert tag("p", tag("b") + "<") == "<p>&lt;b&gt;&lt;/b&gt;&lt;</p>"


def test_commands_in_a_sentence_are_set_as_code_and_escaped_as_all_is() -> None:
    assert with_code("run `a < b` <now>") == "run <code>a &lt; b</code> &lt;now&gt;"
    assert with_code("`a` and `b`") == "<code>a</code> and <code>b</code>"
    for plain in ("", "a ` alone", "three ` of ` them `"):
        assert with_code(plain) == plain
