"""What the captioner learns to say of a scene, and how it is told whether it does."""

from typing import Any

from PIL import Image

from mini.train_captioner import scene_accuracy, scene_words

SUNGLASSES = {"skin": "pale", "hair": "bob", "hair_colour": "red", "beard": "none", "glasses": "sunglasses", "seed": 1}
SCENE = {"style": "photo", "expression": "winking", "clothes": "red", "background": "blue", "framing": "close-up"}


def facts(glasses: str) -> dict[str, Any]:
    return {"person": SUNGLASSES | {"glasses": glasses}, "scene": SCENE}


def test_an_expression_is_said_where_it_can_be_seen() -> None:
    assert scene_words(facts("none")) == "a person, close-up, winking, red shirt, blue background, photo"
    assert scene_words(facts("sunglasses")) == "a person, close-up, red shirt, blue background, photo"


def test_accuracy_counts_the_pictures_that_show_a_part() -> None:
    class Captioner:
        def caption(self, images: list[Image.Image], prompt: str) -> list[str]:
            assert prompt == "a person,"
            return ["close-up, winking, red shirt, red background, photo", "portrait, smiling, red shirt, photo"]

    pictures = [Image.new("RGB", (8, 8))] * 2
    found = scene_accuracy(Captioner(), pictures, [facts("none"), facts("sunglasses")])  # type: ignore[arg-type]
    assert found == {"framing": 0.5, "expression": 1.0, "clothes": 1.0, "background": 0.0, "style": 1.0}
