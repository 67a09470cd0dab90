"""The split that holds people back must never change: models are trained and judged years apart."""

import hashlib
import itertools
import json
import random

from mini.captions import caption
from mini.people import (
    BEARD,
    GLASSES,
    HAIR,
    HAIR_COLOUR,
    HELD_OUT_STYLE,
    SKIN,
    STYLES,
    Identity,
    held_out_identities,
    random_scene,
    train_identity,
)


def test_the_split_is_the_one_of_the_first_release() -> None:
    everyone = (Identity(*parts, 0) for parts in itertools.product(SKIN, HAIR, HAIR_COLOUR, BEARD, GLASSES))
    held_out = sorted(person.key for person in everyone if person.held_out)
    assert len(held_out) == 104
    digest = hashlib.sha256(json.dumps(held_out).encode()).hexdigest()
    assert digest == "98d34fd52a5b880e4125bf9aac00adc7ea774206d4ea0cd1207c9fe9f7388610"


def test_no_training_person_is_held_out_and_every_judged_one_is() -> None:
    r = random.Random(0)
    assert not any(train_identity(r).held_out for _ in range(500))
    judged = held_out_identities(20)
    assert all(person.held_out for person in judged)
    assert len({person.key for person in judged}) == 20
    assert judged == held_out_identities(20)


def test_one_style_is_never_trained_on() -> None:
    r = random.Random(0)
    assert {random_scene(r).style for _ in range(300)} == set(STYLES)
    assert HELD_OUT_STYLE not in STYLES


def test_captions_say_what_can_be_said_and_never_the_rest() -> None:
    person = Identity("tan", "afro", "red", "moustache", "round glasses", 7)
    scene = random_scene(random.Random(1), "comic style", "close-up")
    words = caption(person, scene, random.Random(0), full=True)
    for said in ("tan skin", "a red afro", "a moustache", "round glasses", scene.expression, "comic style", "close-up"):
        assert said in words
    unnamed = caption(person, scene, random.Random(0), subject="realbenny-t2", full=True)
    assert "realbenny-t2" in unnamed
    assert not any(said in unnamed for said in ("tan", "afro", "red afro", "moustache", "glasses"))


def test_the_hidden_part_differs_between_people_of_the_same_words() -> None:
    one, other = (Identity("tan", "short", "red", "none", "none", seed) for seed in (1, 2))
    assert one.colours() != other.colours()
    assert one.face_width() != other.face_width()
    assert one.colours() == Identity("tan", "short", "red", "none", "none", 1).colours()
