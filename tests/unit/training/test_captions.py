from collections.abc import Sequence

import pytest
from PIL import Image

from retrato.photos import Photo
from retrato.training.captions import caption_text, captions_hint, captions_of
from retrato.training.randomness import generator


class Counting:
    """A captioner that says how wide the picture is, and what it was asked to go on from."""

    def caption(self, images: Sequence[Image.Image], prompt: str = "") -> list[str]:
        return [f"{image.width} wide after {prompt}" for image in images]


def test_the_words_beside_the_photo_come_first_then_the_captioners(photos: list[Photo]) -> None:
    found = captions_of(photos, "auto", Counting(), "a woman")
    assert found[0] == "red hat, a cat"
    assert found[1] == "64 wide after a woman,"


@pytest.mark.parametrize(("how", "captioner", "expected"), [("file", Counting(), ""), ("auto", None, "")])
def test_a_photo_without_words_stays_without(
    photos: list[Photo], how: str, captioner: Counting | None, expected: str
) -> None:
    assert captions_of(photos, how, captioner)[:2] == ["red hat, a cat", expected]


def test_none_means_none(photos: list[Photo]) -> None:
    assert captions_of(photos, "none", Counting()) == [""] * 6


def fill(caption: str, **options: object) -> str:
    chosen = {"shuffle": False, "dropout": 0.0, **options}
    return caption_text("a photo of [name], [filewords]", "ana-t1", caption, source=generator(0, "test"), **chosen)


def test_the_template_takes_name_and_caption() -> None:
    assert fill("red hat, a cat") == "a photo of ana-t1, red hat, a cat"
    assert fill("") == "a photo of ana-t1"


def test_shuffling_keeps_every_part() -> None:
    words = [f"word {number}" for number in range(12)]
    parts = fill(", ".join(words), shuffle=True).split(", ")[1:]
    assert sorted(parts) == sorted(words)
    assert parts != words


def test_dropping_leaves_out_about_the_asked_share() -> None:
    words = [f"word {number}" for number in range(200)]
    kept = fill(", ".join(words), dropout=0.25).split(", ")[1:]
    assert 130 <= len(kept) <= 170
    assert fill(", ".join(words), dropout=1.0) == "a photo of ana-t1"


@pytest.mark.parametrize(
    ("captions", "templates", "is_said"),
    [
        (["", ""], ["a photo of [name], [filewords]"], True),
        (["red coat", ""], ["a photo of [name], [filewords]"], False),
        (["", ""], ["a photo of [name]"], False),
    ],
)
def test_who_has_no_captions_where_they_are_asked_for_is_told_what_is_learned_instead(
    captions: list[str], templates: list[str], is_said: bool
) -> None:
    hint = captions_hint(captions, templates)
    assert ("clothes and rooms are learned along" in hint) == is_said
    assert ("models fetch Salesforce/blip" in hint) == is_said
