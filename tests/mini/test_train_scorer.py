"""The captions with one attribute wrong, which the scorer must tell from the right one."""

from mini.people import EXPRESSIONS
from mini.train_scorer import SWAPPED, other_values, said, with_one_wrong

PERSON = {"skin": "pale", "hair": "bob", "hair_colour": "red", "beard": "none", "glasses": "none", "seed": 1}
SCENE = {"style": "comic style", "expression": "sad", "clothes": "red", "background": "blue", "framing": "close-up"}
FACTS = {"person": PERSON, "scene": SCENE, "caption": "a person"}


def test_a_wrong_caption_differs_in_one_attribute() -> None:
    right = said(FACTS, 0)
    assert right.startswith("a close-up portrait of a woman with a red bob, pale skin, sad")
    assert said(FACTS, 0, "expression", "angry") == right.replace("sad", "angry")
    for seed in range(0, 40, 2):
        found, other_expression, other = with_one_wrong(FACTS, seed)
        assert "sad" in found
        assert "sad" not in other_expression
        assert any(word in other_expression for word in EXPRESSIONS["comic style"])
        assert other != found


def test_what_cannot_be_seen_is_never_said_wrong() -> None:
    bald = FACTS | {
        "person": PERSON | {"hair": "bald", "glasses": "sunglasses"},
        "scene": SCENE | {"expression": "laughing"},
    }
    assert other_values(bald, "hair_colour") == []
    assert other_values(bald, "expression") == []
    found, other_expression, _ = with_one_wrong(bald, 0)
    assert other_expression == found
    assert all(value not in ("", None) for head in SWAPPED for value in other_values(FACTS, head))


def test_an_emoji_has_no_attributes_to_say_wrong() -> None:
    panda = {"emoji": "panda", "style": "emoji style", "background": "blue", "caption": "a panda"}
    assert with_one_wrong(panda, 3) == ("a panda",) * 3
