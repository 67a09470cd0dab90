"""Draws the training set: picture number i depends on i alone, so the set can be drawn again or made longer.

python -m mini.dataset 24000 --work mini/work                     writes images.npy (uint8 [N, 128, 128, 3]) and examples.jsonl
python -m mini.dataset 10000 --per-person 5 --work mini/work/people
python -m mini.dataset 16000 --hard --work mini/work/hard         more of what is hard to read, for the judge
"""

import argparse
import dataclasses
import functools
import json
import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np

from mini import emoji
from mini.captions import caption, emoji_caption
from mini.people import BACKGROUND, Scene, random_scene, train_identity
from mini.renders import draw, draw_emoji

EMOJI_SHARE, STICKER_SHARE = 0.22, 0.02
HELD_OUT = 1000  # pictures at the end of a set that captioner and scorer never learn from


def people_held_out(facts: list[dict], most: int = 200) -> list[int]:
    """The numbers of at most `most` pictures that were held out and show a person."""
    return [i for i in range(len(facts) - HELD_OUT, len(facts)) if "person" in facts[i]][:most]


def example(index: int, size: int = 128) -> tuple[np.ndarray, dict]:
    """Picture `index` and what is known of it: a person in a scene, or (one in five) an emoji."""
    r = random.Random(f"example {index}")
    if r.random() < EMOJI_SHARE:
        name, style, ground = (
            r.choice(emoji.SUBJECTS),
            r.choices(emoji.STYLES, (3, 1, 1))[0],
            r.choice(list(BACKGROUND)),
        )
        picture = draw_emoji(name, style, ground, r.uniform(0.9, 1.05), r.uniform(-2, 2), r.uniform(-2, 2), size)
        return np.asarray(picture), {
            "emoji": name,
            "style": style,
            "background": ground,
            "caption": emoji_caption(name, style, ground, r),
        }
    person = train_identity(r)
    scene: Scene = random_scene(r)
    if scene.framing == "portrait" and r.random() < STICKER_SHARE / 0.46 and scene.style != "pixel art style":
        scene = dataclasses.replace(scene, sticker=f"3d emoji style:{r.choice(emoji.SUBJECTS)}")
    facts = {
        "person": dataclasses.asdict(person),
        "scene": dataclasses.asdict(scene),
        "caption": caption(person, scene, r),
    }
    return np.asarray(draw(person, scene, size)), facts


def person_example(index: int, per_person: int, size: int = 128) -> tuple[np.ndarray, dict]:
    """Picture `index` of a set with `per_person` scenes of each person and no emoji; for learning who is who."""
    person = train_identity(random.Random(f"person {index // per_person}"))
    r = random.Random(f"scene {index}")
    scene = random_scene(r)
    facts = {
        "person": dataclasses.asdict(person),
        "scene": dataclasses.asdict(scene),
        "caption": caption(person, scene, r),
    }
    return np.asarray(draw(person, scene, size)), facts


def hard_example(index: int, size: int = 128) -> tuple[np.ndarray, dict]:
    """Picture `index` of a set of people whose only hair is a beard and, in turn, of people whose mouth is hard to see."""
    r = random.Random(f"hard {index}")
    while True:
        person, scene = train_identity(r), random_scene(r)
        if index % 2 and person.hair == "bald" and person.beard != "none":
            break
        small = scene.framing in ("half body", "full body") or scene.style == "pixel art style"
        if not index % 2 and (small or person.beard != "none" or person.glasses == "sunglasses"):
            break
    facts = {"person": dataclasses.asdict(person), "scene": dataclasses.asdict(scene)}
    return np.asarray(draw(person, scene, size)), facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--work", type=Path, default=Path("mini/work"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--per-person", type=int, default=0, help="draw each person this often, and no emoji")
    parser.add_argument("--hard", action="store_true", help="draw what is hard to read, and no emoji")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    start = time.time()
    images = np.lib.format.open_memmap(
        options.work / "images.npy", "w+", np.uint8, (options.count, options.size, options.size, 3)
    )
    with (
        multiprocessing.Pool(os.cpu_count()) as pool,
        (options.work / "examples.jsonl").open("w") as lines,
    ):
        one = hard_example if options.hard else example
        if options.per_person:
            one = functools.partial(person_example, per_person=options.per_person)
        drawn = pool.imap(functools.partial(one, size=options.size), range(options.count), chunksize=32)
        for index, (picture, facts) in enumerate(drawn):
            images[index] = picture
            lines.write(json.dumps(facts) + "\n")
            if index % 2000 == 1999:
                print(f"{index + 1} pictures, {(index + 1) / (time.time() - start):.0f} per second", flush=True)
    images.flush()


if __name__ == "__main__":
    main()
