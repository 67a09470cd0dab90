"""Says a picture in the words a user would type: varied, with parts left out, never the hidden part of an identity."""

import random

from mini import emoji
from mini.people import Identity, Scene

EXPRESSION_WORDS = {
    "smiling": ("smiling", "smiling", "happy"),
    "laughing": ("laughing", "laughing", "very happy"),
    "sad": ("sad",),
    "surprised": ("surprised", "surprised", "shocked"),
    "angry": ("angry",),
    "winking": ("winking",),
}
HAIR_WORDS = {
    "short": "short {} hair",
    "bob": "a {} bob",
    "long": "long {} hair",
    "bun": "a {} bun",
    "afro": "a {} afro",
    "mohawk": "a {} mohawk",
}
# Words that real prompts are full of and that mean nothing here; seen now and then so that they do no harm.
FILLERS = ("sharp focus", "highly detailed", "front view", "high quality", "beautiful lighting", "digital art", "4k")


def describe(person: Identity) -> list[str]:
    """Every sayable attribute of a person, one phrase each."""
    hair = "a bald head" if person.hair == "bald" else HAIR_WORDS[person.hair].format(person.hair_colour)
    phrases = [hair, f"{person.skin} skin"]
    if person.beard != "none":
        beard = f"a {person.beard}"
        phrases.append(beard if person.hair != "bald" else f"a {person.hair_colour} {person.beard}")
    if person.glasses != "none":
        phrases.append(person.glasses)
    return phrases


def noun(person: Identity, r: random.Random) -> str:
    """person, man or woman; a beard says man, long hair without one mostly woman."""
    if r.random() < 0.45:
        return "person"
    if person.beard != "none":
        return "man"
    return (
        r.choice(("woman", "woman", "girl"))
        if person.hair in ("bob", "long", "bun")
        else r.choice(("man", "woman", "boy"))
    )


def caption(person: Identity, scene: Scene, r: random.Random, *, subject: str = "", full: bool = False) -> str:
    """One caption. `subject` replaces the person's words; `full` says everything there is to say."""
    keep = lambda share: full or r.random() < share
    unnamed = bool(subject) or (not full and r.random() < 0.16)
    who = subject or f"a {noun(person, r) if not unnamed else 'person'}"
    features = [] if unnamed else [phrase for phrase in describe(person) if keep(0.88)]
    if not full:
        r.shuffle(features)
    if features:
        who += " with " + ", ".join(features)
    photo = scene.style == "photo"
    medium = "photo" if photo else r.choice(("portrait", "portrait", "picture", "illustration", "drawing"))
    tail = []
    framing = scene.framing
    if framing == "portrait":
        head = f"a {medium} of" if medium != "illustration" else "an illustration of"
    elif keep(0.85):
        spoken = "half body" if framing == "half body" else framing
        if full or r.random() < 0.6:
            head = f"a {spoken} {medium} of"
        else:
            head, tail = f"a {medium} of" if medium != "illustration" else "an illustration of", [spoken]
    else:
        head = f"a {medium} of" if medium != "illustration" else "an illustration of"
    if not full and not photo and r.random() < 0.15:
        head = ""
    if keep(0.88):
        tail.append(scene.expression if full else r.choice(EXPRESSION_WORDS[scene.expression]))
    if keep(0.8):
        tail.append(f"{scene.clothes} {'shirt' if full or r.random() < 0.7 else 'clothes'}")
    if scene.tilt and keep(0.9):
        tail.append("tilted")
    if scene.mirrored and scene.style == "comic style" and keep(0.8):
        tail.append("facing left")
    if scene.sticker and keep(0.97):
        tail.append(f"with {_article(emoji.spoken(scene.sticker.split(':')[1]))}")
    if keep(0.88):
        tail.append(_background(scene.background))
    if not full and r.random() < 0.06:
        tail.append(r.choice(FILLERS))
    if not full:
        r.shuffle(tail)
    if not photo and keep(0.95):
        tail.append(scene.style)
    return ", ".join([f"{head} {who}".strip(), *tail])


def emoji_caption(name: str, style: str, background: str, r: random.Random) -> str:
    """A caption of a single emoji."""
    thing = _article(emoji.spoken(name))
    head = r.choice(("", "", "a picture of ", "an emoji of "))
    parts = [head + thing]
    if r.random() < 0.85:
        parts.append(_background(background))
    if r.random() < 0.92:
        parts.append(style)
    return ", ".join(parts)


def _background(name: str) -> str:
    return f"{name} background"


def _article(thing: str) -> str:
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
