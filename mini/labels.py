"""What can be seen on a picture, as class numbers: what the judge names and what helps others to learn. Knows no torch."""

import math

from mini import emoji
from mini.people import (
    BACKGROUND,
    BEARD,
    CLOTHES,
    FRAMINGS,
    GLASSES,
    HAIR,
    HAIR_COLOUR,
    PATTERNS,
    SKIN,
    STYLES,
    Identity,
)

HEADS: dict[str, tuple[str, ...]] = {
    "style": STYLES,
    "skin": tuple(SKIN),
    "hair": HAIR,
    "hair_colour": tuple(HAIR_COLOUR),
    "beard": BEARD,
    "glasses": GLASSES,
    "expression": ("smiling", "laughing", "sad", "surprised", "angry", "winking"),
    "framing": FRAMINGS,
}
UNSEEN = -100
# Expressions whose pictures are the same to the pixel, or nearly, where the person has a beard.
MOUTHS_BEHIND_BEARD = {"flat style": ("smiling", "sad", "surprised"), "comic style": ("smiling", "sad")}

# How far apart the exact colours of skin and hair lie at least where a beard is seen: Euclidean, of 8-bit RGB. Brown on dark skin
# is 10 to 30 apart, and no reader found it in any of 16 renders; of those 50 and more apart it found 0.96.
LEAST_CONTRAST = 40.0


def labels(facts: dict) -> dict[str, int]:
    """Class number per head; UNSEEN where the picture cannot show it: the hair colour of a bald, shaven person, a beard in
    the colour of the skin, a face behind sunglasses or behind the beard of a style that draws it over the mouth."""
    values = facts["person"] | facts["scene"]
    found = {head: classes.index(values[head]) for head, classes in HEADS.items()}
    if values["beard"] != "none" and _contrast(Identity(**facts["person"])) < LEAST_CONTRAST:
        found["beard"] = UNSEEN
    if values["hair"] == "bald" and (values["beard"] == "none" or found["beard"] == UNSEEN):
        found["hair_colour"] = UNSEEN
    behind_glasses = values["glasses"] == "sunglasses" and values["expression"] in ("winking", "laughing")
    if behind_glasses or (
        values["beard"] == "beard" and values["expression"] in MOUTHS_BEHIND_BEARD.get(values["style"], ())
    ):
        found["expression"] = UNSEEN
    return found


def _contrast(person: Identity) -> float:
    skin, hair = (bytes.fromhex(colour) for colour in person.colours())
    return math.dist(skin, hair)


# What the words of a caption may say besides; for learning only, the judge does not name it.
MORE_HEADS: dict[str, tuple[str, ...]] = {
    "clothes": tuple(CLOTHES),
    "background": (*BACKGROUND, *PATTERNS),
    "emoji": emoji.SUBJECTS,
    "emoji_style": emoji.STYLES,
}


def all_labels(facts: dict) -> dict[str, int]:
    """Class number per head of HEADS and MORE_HEADS, for a person or an emoji; UNSEEN for what is not on the picture."""
    if "emoji" in facts:
        found = dict.fromkeys([*HEADS, "clothes"], UNSEEN)
        values = {"emoji": facts["emoji"], "emoji_style": facts["style"], "background": facts["background"]}
    else:
        found = labels(facts) | {"emoji": UNSEEN, "emoji_style": UNSEEN}
        values = {head: facts["scene"][head] for head in ("clothes", "background")}
    return found | {head: MORE_HEADS[head].index(value) for head, value in values.items()}
