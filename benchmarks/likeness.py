"""How often a picture drawn from an embedding is recognised as its own person among twenty, by the independent judge.

python -m benchmarks.likeness --people 20        (needs the recipe's packages: pip install --group mini; $NODE_MODULES)

For each held-out person: twenty photos (3 full, 5 half, 12 close), default settings, default pick; then pictures in the
style of the photos and in the other styles. A picture counts when, of the twenty people's galleries in its style, its
own person's is nearest. The class word is drawn too, as the floor. No model, recipe or pick ever saw the judge.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from benchmarks.identities import photos_of
from mini.evaluate import as_pixels
from mini.people import STYLES, Identity, held_out_identities, random_scene
from mini.renders import draw
from mini.train_judge import Judge, load_judge
from retrato import GenerateSettings, Studio, TrainSettings

PROMPTS = {
    "photo": (
        "a photo of {}, smiling, blue shirt, yellow background",
        "a close-up photo of {}, surprised, light blue background",
    ),
    "flat style": ("a portrait of {}, smiling, red shirt, green background, flat style",),
    "comic style": ("a portrait of {}, smiling, white shirt, pink background, comic style",),
    "pixel art style": ("a portrait of {}, smiling, green shirt, lavender background, pixel art style",),
}


def galleries(judge: Judge, people: list[Identity], style: str, pictures: int = 8) -> torch.Tensor:
    """Mean judge vector [people, 128] of renders in `style`, in scenes that no photo shows."""
    found = []
    for number, person in enumerate(people):
        r = random.Random(f"gallery {style} {number}")
        renders = [draw(person, random_scene(r, style, r.choice(("portrait", "close-up")))) for _ in range(pictures)]
        found.append(judge.identity(as_pixels(renders)).mean(0))
    return torch.nn.functional.normalize(torch.stack(found), dim=1)


def recognised(judge: Judge, pictures: list[Image.Image], gallery: torch.Tensor, own: int) -> list[bool]:
    """Whether each picture is nearest to person `own`."""
    return (judge.identity(as_pixels(pictures)) @ gallery.T).argmax(1).eq(own).tolist()


def main() -> None:
    """Learns, draws, judges, prints a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20, help="how many of the twenty are learned")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--per-prompt", type=int, default=4)
    parser.add_argument("--steps", type=int, help="training steps instead of the recipe's")
    parser.add_argument("--rate", help="learning rate instead of the recipe's")
    parser.add_argument("--vectors", type=int, default=2)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    parser.add_argument("--sheet", type=Path, help="write a sheet of pictures here")
    options = parser.parse_args()
    people, judge = held_out_identities(20), load_judge(options.judge)
    shelves = {style: galleries(judge, people, style) for style in STYLES}
    ceiling = {style: [] for style in STYLES}
    for style in STYLES:
        for number, person in enumerate(people):
            r = random.Random(f"ceiling {style} {number}")
            ceiling[style] += recognised(
                judge, [draw(person, random_scene(r, style, "portrait"))], shelves[style], number
            )
    hits: dict[str, dict[str, list[bool]]] = {who: {style: [] for style in STYLES} for who in ("person", "class word")}
    rows, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio.open(model=options.model, home=Path(folder) / "home")
        for number in range(options.first, options.first + options.people):
            photos = Path(folder) / f"photos-{number}"
            photos_of(people[number], f"photos {number}", photos)
            name, start = f"who{number}-t2", time.perf_counter()
            settings = TrainSettings(
                name=name,
                vectors_per_token=options.vectors,
                steps=options.steps,
                learning_rate=options.rate,
                seed=number,
            )
            *_, finished = studio.train(photos, settings)
            seconds.append(time.perf_counter() - start)
            row = [draw(people[number], random_scene(random.Random(number), style, "portrait")) for style in STYLES]
            for style, prompts in PROMPTS.items():
                for who, word in (("person", name), ("class word", "a person")):
                    pictures = [
                        image.image
                        for prompt in prompts
                        for image in studio.draw(
                            GenerateSettings(
                                prompt=prompt.format(word), seed=100, count=options.per_prompt, sampler="DPM++ 2M"
                            )
                        )
                    ]
                    hits[who][style] += recognised(judge, pictures, shelves[style], number)
                    row += pictures[:1] if who == "person" else []
            rows.append(row)
            new = {style: hits["person"][style][-options.per_prompt * len(PROMPTS[style]) :] for style in PROMPTS}
            last = ", ".join(f"{style} {sum(found) / len(found):.2f}" for style, found in new.items())
            print(f"{people[number].key}: picked step {finished.picked_step}, {seconds[-1]:.0f} s, {last}", flush=True)
    if options.sheet:
        page = Image.new("RGB", (128 * len(rows[0]), 128 * len(rows)))
        for y, row in enumerate(rows):
            for x, picture in enumerate(row):
                page.paste(picture.resize((128, 128)), (128 * x, 128 * y))
        page.save(options.sheet)
    share = lambda found: round(sum(found) / len(found), 3) if found else None
    others = [style for style in STYLES if style != "photo"]
    print(f"{'style':18}{'person':>8}{'class word':>12}{'renders':>9}")
    for style in STYLES:
        columns = hits["person"][style], hits["class word"][style], ceiling[style]
        print(
            f"{style:18}"
            + "".join(f"{share(column):>{width}}" for column, width in zip(columns, (8, 12, 9), strict=True))
        )
    result = {
        "people": options.people,
        "pictures": sum(map(len, hits["person"].values())),
        "rank1 own style": share(hits["person"]["photo"]),
        "rank1 other styles": share([x for style in others for x in hits["person"][style]]),
        "class word own style": share(hits["class word"]["photo"]),
        "class word other styles": share([x for style in others for x in hits["class word"][style]]),
        "renders": {style: share(found) for style, found in ceiling.items()},
        "seconds per person": round(sum(seconds) / len(seconds), 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
