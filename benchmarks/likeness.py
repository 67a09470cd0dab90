"""How often a picture drawn from an embedding is recognised as its own person among twenty, by the independent judge.

python -m benchmarks.likeness --out likeness.jsonl       (needs `pip install --group mini`; $NODE_MODULES)

For each held-out person: twenty photos (3 full, 5 half, 12 close), default settings, default pick; then pictures in the
style of the photos and in the other styles. A picture counts when, of the twenty people's galleries in its style, its
own person's is nearest. The class word is drawn too, as the floor. No training or pick computes anything by the judge.
Who stands in `--out` with this `--model` is not learned again; several processes with their own `--first` and
`--people` may write into one. Intervals (95 %) are over people.
"""

import argparse
import json
import random
import statistics
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
from retrato.evaluation.statistics import mean_interval
from retrato.training import Finished

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


def learned(judge: Judge, people: list[Identity], number: int, options: argparse.Namespace) -> dict:
    """Learns one person, draws them and the class word, and gives what was recognised."""
    shelves = {style: galleries(judge, people, style) for style in STYLES}
    name, start = f"who{number}-t3", time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio.open(model=options.model, home=Path(folder) / "home")
        photos_of(people[number], f"photos {number}", Path(folder) / "photos")
        *_, finished = studio.train(Path(folder) / "photos", TrainSettings(name=name, seed=number))
        assert isinstance(finished, Finished)
        seconds = time.perf_counter() - start
        row = [draw(people[number], random_scene(random.Random(number), style, "portrait")) for style in STYLES]
        hits: dict[str, dict[str, list[bool]]] = {"person": {}, "class word": {}}
        for who, word in (("person", name), ("class word", "a person")):
            for style, prompts in PROMPTS.items():
                told = [
                    GenerateSettings(prompt=prompt.format(word), seed=100, count=options.per_prompt, sampler="DPM++ 2M")
                    for prompt in prompts
                ]
                pictures = [image.image for settings in told for image in studio.draw(settings)]
                hits[who][style] = recognised(judge, pictures, shelves[style], number)
                row += pictures[:: options.per_prompt] if who == "person" else []
    if options.sheet:
        page = Image.new("RGB", (128 * len(row), 128))
        for x, picture in enumerate(row):
            page.paste(picture.resize((128, 128)), (128 * x, 0))
        options.sheet.mkdir(parents=True, exist_ok=True)
        page.save(options.sheet / f"{number}.png")
    person = {"number": number, "person": people[number].key, "model": options.model}
    times = {phase: round(took, 1) for phase, took in finished.times.items()}
    return person | {"picked_step": finished.picked_step, "seconds": round(seconds, 1), "times": times, "hits": hits}


def ceiling(judge: Judge, people: list[Identity], style: str) -> float:
    """Share of people that a fresh render is recognised of."""
    shelf = galleries(judge, people, style)
    scenes = [
        random_scene(random.Random(f"ceiling {style} {number}"), style, "portrait") for number in range(len(people))
    ]
    renders = [draw(person, scene) for person, scene in zip(people, scenes, strict=True)]
    return sum(recognised(judge, [one], shelf, number)[0] for number, one in enumerate(renders)) / len(people)


def table(rows: list[dict], renders: dict[str, float]) -> str:
    """Markdown: each person, then all of them beside the class word and fresh renders."""
    share = lambda found: f"{sum(found) / len(found):.2f}"
    interval = lambda found: " ({:.2f} to {:.2f})".format(*mean_interval(found)) if len(found) > 1 else ""
    lines = ["| person | " + " | ".join(STYLES) + " | picked step |", "|---" * (len(STYLES) + 2) + "|"]
    for row in sorted(rows, key=lambda row: row["number"]):
        cells = [share(row["hits"]["person"][style]) for style in STYLES]
        lines.append(f"| {row['person']} | {' | '.join(cells)} | {row['picked_step']} |")
    for who in ("person", "class word"):
        of_each = [_shares(rows, who, style) for style in STYLES]
        cells = [f"{statistics.fmean(shares):.2f}{interval(shares)}" for shares in of_each]
        lines.append(f"| **{who}, {len(rows)} people** | {' | '.join(cells)} | |")
    lines.append(f"| fresh renders | {' | '.join(f'{renders[style]:.2f}' for style in STYLES)} | |")
    others = [hit for row in rows for style in STYLES[1:] for hit in row["hits"]["person"][style]]
    lines += [
        "",
        f"Other styles together: {share(others)}. Seconds to learn: {share([row['seconds'] for row in rows])}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Learns those whom `--out` does not have of this model yet, and prints the table of all that it has of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("likeness.jsonl"), help="a line for each person learned")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--people", type=int, default=20, help="how many of the twenty are learned")
    parser.add_argument("--per-prompt", type=int, default=4)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    parser.add_argument("--sheet", type=Path, help="write a strip of pictures of each person into this folder")
    options = parser.parse_args()
    people, judge = held_out_identities(20), load_judge(options.judge)
    rows = _rows(options)
    done = {row["number"] for row in rows}
    for number in range(options.first, min(options.first + options.people, len(people))):
        if number not in done:
            row = learned(judge, people, number, options)
            rows.append(row)
            with options.out.open("a") as out:
                out.write(json.dumps(row) + "\n")
            said = ", ".join(f"{style} {sum(found) / len(found):.2f}" for style, found in row["hits"]["person"].items())
            print(f"{row['person']}: picked step {row['picked_step']}, {row['seconds']:.0f} s, {said}", flush=True)
    renders = {style: ceiling(judge, people, style) for style in STYLES}
    print(table(rows, renders))
    recognised_in = {style: round(statistics.fmean(_shares(rows, "person", style)), 4) for style in STYLES}
    print(json.dumps({"model": options.model, "people": len(rows), "recognised": recognised_in, "renders": renders}))


def _rows(options: argparse.Namespace) -> list[dict]:
    """Gives what was measured of this model; a file may hold lines of several."""
    found = [json.loads(line) for line in options.out.open()] if options.out.exists() else []
    return [row for row in found if row["model"] == options.model]


def _shares(rows: list[dict], who: str, style: str) -> list[float]:
    """Gives the share of pictures recognised, for each person."""
    return [statistics.fmean(row["hits"][who][style]) for row in rows]


if __name__ == "__main__":
    main()
