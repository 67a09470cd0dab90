"""Draws the twenty bundled photos of "benny", a person no training picture shows: 3 full, 5 half, 12 close.

python -m mini.example_photos examples/photos/benny
"""

import random
import sys
from pathlib import Path

from mini.people import BACKGROUND, CLOTHES, EXPRESSIONS, Identity, Scene, held_out_identities
from mini.renders import draw

FRAMINGS = ("full body",) * 3 + ("half body",) * 5 + ("close-up",) * 6 + ("portrait",) * 6


def benny() -> Identity:
    """A pale person with a brown afro and round glasses."""
    return next(p for p in held_out_identities(70) if p.key == "pale/afro/brown/none/round glasses")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    r = random.Random("benny")
    clothes, grounds = r.sample(list(CLOTHES) * 2, 20), r.sample(list(BACKGROUND) * 2, 20)
    for number, framing in enumerate(FRAMINGS):
        expression = EXPRESSIONS["photo"][number % 6] if number % 3 else "smiling"
        scene = Scene(
            "photo", expression, clothes[number], grounds[number], framing,
            scale=r.uniform(0.97, 1.03), dx=r.uniform(-2, 2), dy=r.uniform(-2, 2), seed=number,
        )  # fmt: skip
        draw(benny(), scene, 256).save(folder / f"benny-{number + 1:02}.png", optimize=True)


if __name__ == "__main__":
    main()
