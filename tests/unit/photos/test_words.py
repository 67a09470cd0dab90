import pytest

from retrato.photos.words import caption_words, framed, name_words


@pytest.mark.parametrize(
    ("caption", "framing", "wanted"),
    [
        ("red hat, in a park", "close", "close-up, red hat, in a park"),
        ("standing in a park", "half", "half-body, standing in a park"),
        ("a close up of a man", "close", "a close up of a man"),
        ("a half body portrait of a man", "half", "a half body portrait of a man"),
        ("a man", None, "a man"),
        (None, "close", None),
    ],
)
def test_framing_words(caption: str | None, framing: str | None, wanted: str | None) -> None:
    assert framed(caption, framing) == wanted


def test_words_of_names_and_names_of_words() -> None:
    assert caption_words("03_at the_sea") == "at the sea"
    assert caption_words("0042") is None
    assert name_words('a/b: "c"\n', 200) == "a_b_ _c__"
    assert name_words("\U0001f600" * 9, 10) == "\U0001f600" * 2
    assert name_words(" . ", 9) == "photo"
