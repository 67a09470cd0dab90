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
