"""Embedding or hypernetwork: the same people, photos, seeds and steps for both, judged by what neither was picked with.

python -m benchmarks.hypernetworks --people 8 --sheet sheet.png  (needs the recipe's packages: pip install --group mini)

For each held-out person twenty photos (3 full, 5 half, 12 close) and the default settings of both ways; --steps limits
both alike. Columns of the table:

    own style, other styles    share of pictures that the independent judge finds nearest to their own person of twenty
    fidelity                   cosine of picture and prompt by the model's scorer, the class word's being 1 and that of
                               prompts the picture was not drawn for 0; the scorer also did the picking
    drift                      how far pictures of something else move while the file is in use and not asked for: mean
                               difference in grey levels of 255; an embedding that is not named changes nothing at all
    drift fidelity             fidelity of those pictures, on the same scale
    kB, seconds                size of the file, time of training with picking

A hypernetwork is drawn at strength 1 unless --strength says otherwise. `person` in its prompts is the class word.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.likeness import PROMPTS, galleries, photos_of, recognised
from mini.people import STYLES, held_out_identities
from mini.train_judge import Judge, load_judge
from retrato import GenerateSettings, HypernetworkSettings, Studio, TrainSettings
from retrato.generation import hypernet_tag

ELSEWHERE = (
    "a photo of an old woman, grey hair, red shirt, blue background",
    "a portrait of a bald man, brown skin, beard, green background, comic style",
    "an emoji of a cat",
    "an emoji of a pizza",
)
WAYS = ("embedding", "hypernetwork")


@dataclass
class Found:
    """What one way, or the class word, came to over all people."""

    hits: dict[str, list[bool]] = field(default_factory=lambda: {style: [] for style in STYLES})
    fidelity: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)
    drift_fidelity: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Bench:
    """A studio, the judge, and what pictures of the class word look like."""

    def __init__(self, studio: Studio, judge: Judge, shelves: dict[str, torch.Tensor], per_prompt: int) -> None:
        self.studio, self.judge, self.shelves, self.per_prompt = studio, judge, shelves, per_prompt

    def draw(self, prompt: str) -> list[Image.Image]:
        """The same seeds for everybody."""
        settings = GenerateSettings(prompt=prompt, seed=100, count=self.per_prompt, sampler="DPM++ 2M")
        return [each.image for each in self.studio.draw(settings)]

    def cosine(self, pictures: Sequence[Image.Image], text: str) -> float:
        """Mean cosine of pictures and a text by the scorer."""
        scorer = self.studio.scorer
        assert scorer is not None, "the comparison needs a model with a scorer"
        return float((scorer.embed_images(pictures) @ scorer.embed_texts([text]).T).mean())

    def fidelity(self, pictures: Sequence[Image.Image], plain: Sequence[Image.Image], text: str, other: str) -> float:
        """Cosine to `text` on the scale from another prompt's (0) to that of pictures drawn plainly (1)."""
        zero = self.cosine(plain, other)
        return (self.cosine(pictures, text) - zero) / max(self.cosine(plain, text) - zero, 0.02)

    def person(self, found: Found, number: int, word: str, tag: str) -> list[Image.Image]:
        """Draws a person in all styles and notes how they are recognised; gives the first picture of each style."""
        row = []
        texts = [prompt.format("a person") for style in STYLES for prompt in PROMPTS[style]]
        for style in STYLES:
            for place, prompt in enumerate(PROMPTS[style]):
                pictures = self.draw(prompt.format(word) + tag)
                found.hits[style] += recognised(self.judge, pictures, self.shelves[style], number)
                text = prompt.format("a person")
                other = texts[(texts.index(text) + 1) % len(texts)]
                found.fidelity.append(self.fidelity(pictures, self.draw(text), text, other))
                row += pictures[:1] if place == 0 else []
        return row

    def elsewhere(self, found: Found, tag: str) -> list[Image.Image]:
        """Draws something else while the file is in use; gives the first picture of each prompt."""
        row = []
        for place, prompt in enumerate(ELSEWHERE):
            plain, drawn = self.draw(prompt), self.draw(prompt + tag)
            apart = [
                np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in zip(plain, drawn, strict=True)
            ]
            found.drift.append(float(np.mean(apart)))
            other = ELSEWHERE[(place + 1) % len(ELSEWHERE)]
            found.drift_fidelity.append(self.fidelity(drawn, plain, prompt, other))
            row += drawn[:1]
        return row


def main() -> None:
    """Learns everybody in both ways, draws, judges, prints a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--per-prompt", type=int, default=4)
    parser.add_argument("--steps", type=int, help="most steps of both ways instead of the recipes'")
    parser.add_argument("--hypernetwork-rate", help="learning rate of the hypernetwork instead of the recipe's")
    parser.add_argument("--layers", default="1, 2, 1", help="layer structure of the hypernetwork")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    parser.add_argument("--sheet", type=Path, help="write a sheet: a row for each person and way, the class word first")
    options = parser.parse_args()
    people, judge = held_out_identities(20), load_judge(options.judge)
    found = {way: Found() for way in ("class word", *WAYS)}
    rows: list[list[Image.Image]] = []
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio.open(model=options.model, home=Path(folder) / "home")
        bench = Bench(studio, judge, {style: galleries(judge, people, style) for style in STYLES}, options.per_prompt)
        for number in range(options.first, options.first + options.people):
            photos = Path(folder) / f"photos-{number}"
            photos_of(people[number], number, photos)
            if not rows:
                rows.append(bench.person(Found(), number, "a person", "") + bench.elsewhere(Found(), ""))
            bench.person(found["class word"], number, "a person", "")
            for way in WAYS:
                name = f"who{number}-{way[0]}1"
                options_of_way = {"name": name, "steps": options.steps, "seed": number}
                settings = (
                    TrainSettings(**options_of_way)
                    if way == "embedding"
                    else HypernetworkSettings(
                        **options_of_way,
                        learning_rate=options.hypernetwork_rate,
                        layer_structure=options.layers,
                    )
                )
                started = time.perf_counter()
                *_, finished = studio.train(photos, settings)
                one = found[way]
                one.seconds.append(time.perf_counter() - started)
                one.bytes.append(finished.file.stat().st_size)
                tag = hypernet_tag(name, options.strength) if way == "hypernetwork" else ""
                word = name if way == "embedding" else "a person"
                rows.append(bench.person(one, number, word, tag) + bench.elsewhere(one, tag))
                share = {
                    style: round(float(np.mean(hits[-options.per_prompt :])), 2) for style, hits in one.hits.items()
                }
                print(
                    f"{people[number].key} {way}: step {finished.picked_step}, {one.seconds[-1]:.0f} s, {share}",
                    flush=True,
                )
    if options.sheet:
        _write_sheet(rows, options.sheet)
    result = {way: _summary(each) for way, each in found.items()}
    columns = list(result["embedding"])
    print(f"{'':14}" + "".join(f"{column:>16}" for column in columns))
    for way, values in result.items():
        print(f"{way:14}" + "".join(f"{values.get(column, ''):>16}" for column in columns))
    print(json.dumps({"people": options.people, "steps": options.steps, "strength": options.strength, **result}))


def _summary(found: Found) -> dict[str, float]:
    others = [hit for style in STYLES if style != "photo" for hit in found.hits[style]]
    values = {
        "own style": found.hits["photo"],
        "other styles": others,
        "fidelity": found.fidelity,
        "drift": found.drift,
        "drift fidelity": found.drift_fidelity,
        "kB": [size / 1000 for size in found.bytes],
        "seconds": found.seconds,
    }
    return {name: round(float(np.mean(each)), 3) for name, each in values.items() if each}


def _write_sheet(rows: Sequence[Sequence[Image.Image]], file: Path, side: int = 128) -> None:
    page = Image.new("RGB", (side * len(rows[0]), side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(picture.resize((side, side)), (side * x, side * y))
    page.save(file)


if __name__ == "__main__":
    main()
