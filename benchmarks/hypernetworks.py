"""Embedding or hypernetwork: the same people, photos, seeds and steps for both, judged by what neither was picked with.

python -m benchmarks.hypernetworks --out networks.jsonl --people 8 --sheet sheet.png
                                        (needs the recipe's packages: pip install --group mini; $NODE_MODULES)

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
One line for each person and way is appended to `--out`, and what stands there with the same choices is not done again;
the pictures for the sheet lie in a folder beside it.
"""

import argparse
import json
import tempfile
import textwrap
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.identities import photos_of
from benchmarks.likeness import PROMPTS, galleries, recognised
from mini.people import STYLES, held_out_identities
from mini.train_judge import Judge, load_judge
from retrato import GenerateSettings, HypernetworkSettings, Studio, TrainSettings
from retrato.generation import hypernet_tag
from retrato.settings import LearnSettings
from retrato.training import Finished

ELSEWHERE = (
    "a photo of an old woman, grey hair, red shirt, blue background",
    "a portrait of a bald man, brown skin, beard, green background, comic style",
    "an emoji of a cat",
    "an emoji of a pizza",
)
WAYS = ("class word", "embedding", "hypernetwork")


@dataclass
class Found:
    """What one person came to in one way, or as the class word; `pictures` make a row of the sheet and are not kept."""

    hits: dict[str, list[bool]] = field(default_factory=lambda: {style: [] for style in STYLES})
    fidelity: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)
    drift_fidelity: list[float] = field(default_factory=list)
    bytes: int | None = None
    seconds: float | None = None
    picked_step: int | None = None
    pictures: list[Image.Image] = field(default_factory=list)


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

    def person(self, found: Found, number: int, word: str, tag: str) -> None:
        """Draws a person in all styles and notes how they are recognised, with the first picture of each style."""
        texts = [prompt.format("a person") for style in STYLES for prompt in PROMPTS[style]]
        for style in STYLES:
            for place, prompt in enumerate(PROMPTS[style]):
                pictures = self.draw(prompt.format(word) + tag)
                found.hits[style] += recognised(self.judge, pictures, self.shelves[style], number)
                text = prompt.format("a person")
                other = texts[(texts.index(text) + 1) % len(texts)]
                found.fidelity.append(self.fidelity(pictures, self.draw(text), text, other))
                found.pictures += pictures[:1] if place == 0 else []

    def elsewhere(self, found: Found, tag: str) -> None:
        """Draws something else while the file is in use, and notes the first picture of each prompt."""
        for place, prompt in enumerate(ELSEWHERE):
            plain, drawn = self.draw(prompt), self.draw(prompt + tag)
            apart = [
                np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in zip(plain, drawn, strict=True)
            ]
            found.drift.append(float(np.mean(apart)))
            other = ELSEWHERE[(place + 1) % len(ELSEWHERE)]
            found.drift_fidelity.append(self.fidelity(drawn, plain, prompt, other))
            found.pictures += drawn[:1]

    def learned(self, number: int, way: str, photos: Path, choices: Mapping[str, Any]) -> Found:
        """Learns a person in one way and draws everything; the class word learns nothing."""
        found, word, tag = Found(), "a person", ""
        if way != "class word":
            name = f"who{number}-{way[0]}1"
            said = {"name": name, "steps": choices["steps"], "seed": number}
            settings: LearnSettings = TrainSettings(**said)
            if way == "hypernetwork":
                settings = HypernetworkSettings(
                    **said, learning_rate=choices["rate"], layer_structure=choices["layers"]
                )
            started = time.perf_counter()
            *_, finished = self.studio.train(photos, settings)
            assert isinstance(finished, Finished)
            found.seconds = time.perf_counter() - started
            found.bytes, found.picked_step = finished.file.stat().st_size, finished.picked_step
            word, tag = (name, "") if way == "embedding" else (word, hypernet_tag(name, choices["strength"]))
        self.person(found, number, word, tag)
        self.elsewhere(found, tag)
        return found


def main() -> None:
    """Learns everybody in both ways that are not there yet, draws, judges; prints a table and one JSON line."""
    options = _options()
    choices = {
        "per_prompt": options.per_prompt,
        "steps": options.steps,
        "rate": options.hypernetwork_rate,
        "layers": options.layers,
        "strength": options.strength,
        "model": options.model,
    }
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    numbers = range(options.first, options.first + options.people)
    lines = [line for line in lines if line["choices"] == choices and line["person"] in numbers]
    if not options.table:
        _go_on(options, choices, lines)
    if options.sheet:
        _label(_joined([_strip(options.out, line) for line in _rows(lines)]), _rows(lines)).save(options.sheet)
    result = {way: _summary([line for line in lines if line["way"] == way]) for way in WAYS}
    columns = list(dict.fromkeys(column for values in result.values() for column in values))
    print(f"{'':14}" + "".join(f"{column:>16}" for column in columns))
    for way, values in result.items():
        print(f"{way:14}" + "".join(f"{values.get(column, ''):>16}" for column in columns))
    print(json.dumps({"people": len({line["person"] for line in lines}), **choices, **result}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of results; what stands there is not done again")
    parser.add_argument("--table", action="store_true", help="only print what stands there")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--per-prompt", type=int, default=4)
    parser.add_argument("--steps", type=int, help="most steps of both ways instead of the recipes'")
    parser.add_argument("--hypernetwork-rate", help="learning rate of the hypernetwork instead of the recipe's")
    parser.add_argument("--layers", default="1, 2, 1", help="layer structure of the hypernetwork")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    parser.add_argument("--sheet", type=Path, help="write a sheet: the class word, then a row for each person and way")
    return parser.parse_args()


def _go_on(options: argparse.Namespace, choices: Mapping[str, Any], lines: list[dict[str, Any]]) -> None:
    """Adds a line to the file and to `lines` for each person and way that has none."""
    done = {(line["person"], line["way"]) for line in lines}
    numbers = range(options.first, options.first + options.people)
    todo = [(number, way) for number in numbers for way in WAYS if (number, way) not in done]
    if not todo:
        return
    people, judge = held_out_identities(20), load_judge(options.judge)
    with tempfile.TemporaryDirectory() as folder, options.out.open("a") as out:
        studio = Studio.open(model=options.model, home=Path(folder) / "home")
        bench = Bench(studio, judge, {style: galleries(judge, people, style) for style in STYLES}, options.per_prompt)
        for number, way in todo:
            photos = Path(folder) / f"photos-{number}"
            if not photos.exists():
                photos_of(people[number], f"photos {number}", photos)
            found = bench.learned(number, way, photos, choices)
            line = {"person": number, "way": way, "choices": choices}
            line |= {each.name: getattr(found, each.name) for each in fields(found) if each.name != "pictures"}
            _joined([found.pictures]).save(_strip_file(options.out, line))
            out.write(json.dumps(line) + "\n")
            out.flush()
            lines.append(line)
            print(f"{people[number].key} {way}: {_summary([line])}", flush=True)


def _strip_file(out: Path, line: Mapping[str, Any]) -> Path:
    """Gives the file of the pictures that belong to a line of results."""
    folder = out.with_suffix(".pictures")
    folder.mkdir(exist_ok=True)
    choices = zlib.crc32(json.dumps(line["choices"]).encode())
    return folder / f"{line['person']:02}-{line['way'].replace(' ', '-')}-{choices:08x}.png"


def _strip(out: Path, line: Mapping[str, Any], side: int = 128) -> list[Image.Image]:
    with Image.open(_strip_file(out, line)) as strip:
        return [strip.crop((left, 0, left + side, side)) for left in range(0, strip.width, side)]


def _summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        for style, hits in line["hits"].items():
            values["own style" if style == "photo" else "other styles"] += hits
        for name in ("fidelity", "drift", "drift_fidelity"):
            values[name.replace("_", " ")] += line[name]
        if line["bytes"] is not None:
            values["kB"].append(line["bytes"] / 1000)
            values["seconds"].append(line["seconds"])
    return {name: round(float(np.mean(each)), 3) for name, each in values.items() if each}


def _rows(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that make rows of the sheet: the class word's once, as it is everybody's, then each person's."""
    rows = sorted(lines, key=lambda line: (line["way"] != "class word", line["person"], line["way"]))
    return [line for number, line in enumerate(rows) if number == 0 or line["way"] != "class word"]


def _joined(rows: Sequence[Sequence[Image.Image]], side: int = 128) -> Image.Image:
    page = Image.new("RGB", (side * len(rows[0]), side * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            page.paste(picture.resize((side, side)), (side * x, side * y))
    return page


def _label(pictures: Image.Image, lines: Sequence[Mapping[str, Any]], side: int = 128) -> Image.Image:
    """Writes what each column and row shows around the pictures."""
    left, top, font = 100, 84, ImageFont.load_default(12)
    page = Image.new("RGB", (left + pictures.width, top + pictures.height), "white")
    page.paste(pictures, (left, top))
    brush = ImageDraw.Draw(page)
    said = [prompts[0].format("X") for prompts in PROMPTS.values()] + list(ELSEWHERE)
    for column, text in enumerate(said):
        brush.multiline_text((left + side * column + 4, 4), textwrap.fill(text, 19), fill="black", font=font)
    for row, line in enumerate(lines):
        whose = "" if line["way"] == "class word" else f"person {line['person'] + 1}\n"
        brush.multiline_text((6, top + side * row + 48), whose + line["way"], fill="black", font=font)
    return page


if __name__ == "__main__":
    main()
