"""Draws the photos of people that nobody tuned anything on, a folder each, for `retrato evaluate`.

python -m benchmarks.identities --seed 20261124 --people 8 --out people        (needs `pip install --group mini`)

The people come from the held-out combinations of attributes and from the seed, which is to be chosen after everything
else is settled, and written down with the result. Nobody has the attributes of one of the twenty whom defaults are
tuned on. Photos are framed as the bundled ones: 3 full, 5 half, 12 close.
"""

import argparse
import dataclasses
import random
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

from mini.example_photos import FRAMINGS
from mini.people import Identity, Scene, held_out_identities, random_scene
from mini.renders import draw

SIDE = 256
TUNED_ON = 20  # the held-out people of `benchmarks.likeness`, `levers` and `regret`


def main() -> None:
    """Draws everyone and says where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True, help="who is drawn")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    options = parser.parse_args()
    if options.out.exists():
        raise SystemExit(f"{options.out} is there already: name a new folder")
    for number, person in enumerate(sealed_people(options.people, options.seed), 1):
        folder = options.out / f"person-{number:02}"
        photos_of(person, f"photos {options.seed} {number}", folder)
        print(f"{folder}: {person.key}", flush=True)


def sealed_people(count: int, seed: int) -> list[Identity]:
    """Gives `count` people of that seed with attributes that nothing was tuned on; there are 83 such sets of them."""
    tuned_on = {person.key for person in held_out_identities(TUNED_ON)}
    found = held_out_identities(count + TUNED_ON, salt=seed)
    return [person for person in found if person.key not in tuned_on][:count]


def photos_of(person: Identity, seed: str, folder: Path, *, with_masks: bool = False) -> None:
    """Writes twenty photos of a person into the new `folder`, in scenes that `seed` draws, and masks if wanted."""
    folder.mkdir(parents=True)
    source = random.Random(seed)
    for index, framing in enumerate(FRAMINGS):
        scene = random_scene(source, "photo", framing)
        draw(person, scene, SIDE).save(folder / f"{index:02}.png")
        if with_masks:
            mask_of(person, scene).save(folder / f"{index:02}.mask.png")


def mask_of(person: Identity, scene: Scene) -> Image.Image:
    """Gives the mask of a photo (L, 255 where the person is): what stays the same before black and before white."""
    black, white = (draw(person, dataclasses.replace(scene, background=ground), SIDE) for ground in ("black", "white"))
    return ImageOps.invert(ImageChops.difference(black, white).convert("L")).point(lambda level: 255 * (level > 127))


if __name__ == "__main__":
    main()
