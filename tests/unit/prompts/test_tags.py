import pytest

from retrato.prompts.tags import Tag, extract_tags


def test_tags_are_taken_out_in_order() -> None:
    text, tags = extract_tags("a <hypernet:anime:0.7> b <lora:x:te=0.5:unet=1>c")
    assert text == "a  b c"
    assert tags == [Tag("hypernet", ("anime", "0.7")), Tag("lora", ("x",), {"te": "0.5", "unet": "1"})]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("a=b=c", Tag("lora", ("a=b=c",))),
        ("te=", Tag("lora", (), {"te": ""})),
        ("=1", Tag("lora", (), {"": "1"})),
        ("te=1:te=2", Tag("lora", (), {"te": "2"})),
        ("x::", Tag("lora", ("x", "", ""))),
        ("a<b", Tag("lora", ("a<b",))),
        ("a\nb", Tag("lora", ("a\nb",))),
    ],
)
def test_arguments(arguments: str, wanted: Tag) -> None:
    assert extract_tags(f"<lora:{arguments}>") == ("", [wanted])


@pytest.mark.parametrize("text", ["<lora:>", "<lora:foo", "< lora:foo>", "<:foo>", "<lora>", "a < b > c", "<"])
def test_what_is_almost_a_tag_is_text(text: str) -> None:
    assert extract_tags(text) == (text, [])


def test_an_empty_tag_does_not_hide_the_next_one() -> None:
    assert extract_tags("<lora:><<lora:x>") == ("<lora:><", [Tag("lora", ("x",))])
