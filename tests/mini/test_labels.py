"""What a picture cannot show has no label: nobody is taught or judged by it."""

import dataclasses
import random

import numpy as np
import pytest

from mini.labels import HEADS, UNSEEN, labels
from mini.people import EXPRESSIONS, STYLES, Identity, Scene, random_scene
from mini.renders import draw

BARE = Identity("light", "short", "black", "none", "none", 3)


def expression(person: Identity, scene: Scene) -> int:
    return labels({"person": dataclasses.asdict(person), "scene": dataclasses.asdict(scene)})["expression"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("beard", ["none", "moustache", "beard"])
def test_expressions_that_look_the_same_have_no_label(style: str, beard: str) -> None:
    person = dataclasses.replace(BARE, beard=beard)
    scenes = [
        dataclasses.replace(random_scene(random.Random(1), style, "portrait"), expression=face)
        for face in EXPRESSIONS[style]
    ]
    pictures = [np.asarray(draw(person, scene)).astype(float) for scene in scenes]
    for one, scene in zip(pictures, scenes, strict=True):
        nearest = min(np.abs(one - other).max() for other in pictures if other is not one)
        seen = expression(person, scene) != UNSEEN
        assert seen or nearest < 150, "a face that can be told apart should be"
        assert not seen or nearest > 40, "nobody can tell this face from another"


def test_a_bald_shaven_head_has_no_colour_of_hair() -> None:
    bald = dataclasses.replace(BARE, hair="bald")
    scene = random_scene(random.Random(1))
    facts = {"person": dataclasses.asdict(bald), "scene": dataclasses.asdict(scene)}
    assert labels(facts)["hair_colour"] == UNSEEN
    assert HEADS["hair"][labels(facts)["hair"]] == "bald"


@pytest.mark.parametrize(
    ("skin", "hair", "seen"), [("dark", "brown", False), ("pale", "brown", True), ("dark", "black", True)]
)
def test_a_beard_in_the_colour_of_the_skin_has_no_label(skin: str, hair: str, seen: bool) -> None:
    scene = dataclasses.asdict(random_scene(random.Random(1), "flat style", "close-up"))
    person = dataclasses.replace(BARE, skin=skin, hair="bald", hair_colour=hair, beard="beard")
    found = labels({"person": dataclasses.asdict(person), "scene": scene})
    assert (found["beard"] != UNSEEN) == (found["hair_colour"] != UNSEEN) == seen
