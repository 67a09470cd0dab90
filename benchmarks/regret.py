"""Regret of the pick: what the best of all checkpoints would have been worth beyond the one that retrato kept.

python -m benchmarks.regret --out regret.jsonl --people 8 --seeds 3
python -m benchmarks.regret --out sealed.jsonl --people 8 --seeds 3 --sealed 20261201
python -m benchmarks.regret --out a1111.jsonl --people 8 --recipe a1111 --save-every 2000
python -m benchmarks.regret --out regret.jsonl --table --beside a1111.jsonl
python -m benchmarks.regret --out a1111.jsonl --table --recipe a1111 --save-every 2000

It needs `pip install --group mini` and $NODE_MODULES.

Each held-out person is learned with a recipe as a user would, pick included. Then every checkpoint on disk is drawn in
the same cells (the prompts of `benchmarks.levers`, with seeds that no pick uses) and judged by what no training and no
pick ever saw: likeness by the independent judge, on a scale from the class word's pictures (0) to fresh renders of the
person (1); obedience by the same judge, which reads style, framing and expression off the picture, and by the colour of
the ground, on a scale from what unrelated prompts get (0) to what the class word gets (1). Their harmonic mean, each
cut to 0..1, is the score. The oracle is the checkpoint of the highest score, so noise in the scores counts as regret of
all who choose; what the pick loses to a checkpoint chosen by one half of the pictures, in the other half, is said
beside it. They who choose are:

pick            what retrato picked            last step, random     the last checkpoint; the mean over all of them
least loss      least loss on held-out photos  fixed step            the one that is best for the other people
by eye          the most alike in one picture of one prompt, as whoever looks at previews would take it

With `--sealed` the people are those of that seed of `benchmarks.identities`, whom nothing was tuned on, instead of the
twenty. With `--only-picked` no other checkpoint is judged: in a third of the time it says whether a person fails (an
identity under 0.5, half of fresh renders'), which the table says of all trainings. One line per training is appended to
`--out`, and what stands there is not done again. One file holds what was measured alike: other people, another model,
recipe, number of vectors, steps, checkpoints or pictures want another file.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor

from benchmarks.identities import TUNED_ON, sealed_people
from benchmarks.levers import PLAN, Bench, paired
from benchmarks.main_job import circumstances
from mini.evaluate import as_pixels
from mini.labels import HEADS
from mini.people import BACKGROUND
from retrato.embeddings import read_embedding
from retrato.settings import TrainSettings
from retrato.training import Finished, Picked, train
from retrato.training.drawing import draw_cells
from retrato.training.learnable import Subject
from retrato.training.recipes import RECIPES, PickPrompt
from retrato.training.scores import harmonic_mean

NAME = "regret-1"
# What each prompt of PLAN asks for that can be seen without knowing words.
ASKED = (
    {"style": "photo", "expression": "smiling", "background": "blue"},
    {"style": "photo", "framing": "close-up", "background": "green"},
    {"style": "photo", "framing": "half body", "background": "yellow"},
    {"style": "flat style", "framing": "portrait"},
    {"style": "comic style", "framing": "portrait"},
    {"style": "pixel art style", "framing": "close-up"},
)
PREVIEW = dataclasses.replace(
    PLAN, prompts=(PickPrompt("a portrait of [name]"),), rounds=(1,), first_seed=4_000_037, most_candidates=1
)
# The options that all lines of a file have in common, and what lines without them were measured with: they are older.
MEASURED_WITH = ("model", "recipe", "vectors", "cells", "steps", "save_every", "sealed")
BEFORE = {"model": "mini", "steps": None, "save_every": None, "sealed": None}
WANTED_MEAN, WANTED_95 = 0.03, 0.06
FAILED = 0.5
Line = dict[str, Any]


class Reader:
    """Says how far pictures show what a prompt asks for: probabilities of the judge, and the colour of the ground."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        own, others = zip(*self._shares(bench.class_pictures), strict=True)
        self._class_word, self._unrelated = statistics.fmean(own), statistics.fmean(others)

    def obedience(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """[pictures], 0: as near to its prompt as to any other, 1: as near as the class word in the same cells."""
        own = torch.tensor([share for share, _ in self._shares(pictures)])
        return (own - self._unrelated) / (self._class_word - self._unrelated)

    def _shares(self, pictures: Sequence[Image.Image]) -> list[tuple[float, float]]:
        """For each picture, how much of its own prompt and, on average, of the other ones it shows."""
        read = {head: logits.softmax(1) for head, logits in self._bench.judge(as_pixels(list(pictures))).items()}
        found = []
        for cell, picture in enumerate(pictures):
            ground = ground_colour(picture)
            shown = [
                statistics.fmean(
                    float(ground == wanted)
                    if head == "background"
                    else float(read[head][cell, HEADS[head].index(wanted)])
                    for head, wanted in asked.items()
                )
                for asked in ASKED
            ]
            own = shown.pop(cell % len(ASKED))
            found.append((own, statistics.fmean(shown)))
        return found


def ground_colour(picture: Image.Image) -> str:
    """The named colour that is nearest to the median of the upper corners."""
    pixels = np.asarray(picture.convert("RGB").resize((32, 32), Image.Resampling.BOX), dtype=float)
    corners = np.concatenate([pixels[:3, :3], pixels[:3, -3:]]).reshape(-1, 3)
    middle = np.median(corners, axis=0)
    return min(BACKGROUND, key=lambda name: float(np.square(middle - ImageColor.getrgb(f"#{BACKGROUND[name]}")).sum()))


def measure(bench: Bench, reader: Reader, number: int, seed: int, options: argparse.Namespace) -> Line:
    """Learns one person, lets retrato pick, and judges all checkpoints; gives the line for the file."""
    started = time.process_time()
    settings = TrainSettings(
        name=NAME, vectors_per_token=options.vectors, seed=1000 * seed + number, caption="file", recipe=options.recipe,
        steps=options.steps, save_every=options.save_every,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=bench.root) as folder:
        run = Path(folder) / "run"
        events = list(
            train(bench.studio.components, bench.photos(number), settings, run_folder=run, scorer=bench.studio.scorer)
        )
        picked = next(event.candidate for event in events if isinstance(event, Picked))
        finished = next(event for event in events if isinstance(event, Finished))
        learned = time.process_time()
        judged, found = [picked] if options.only_picked else finished.candidates, []
        for candidate in judged:
            embedding = dataclasses.replace(read_embedding(candidate.file), name=NAME)
            subject = Subject(NAME, embeddings={NAME: embedding})
            pictures = bench.drawn(subject)
            alike, _ = bench.cells_of(number, pictures)
            obeys = reader.obedience(pictures)
            identity, obedience = float(alike.mean()), float(obeys.mean())
            halves = [
                harmonic_mean(float(one.mean()), float(other.mean()))
                for one, other in zip(alike.chunk(2), obeys.chunk(2), strict=True)
            ]
            found.append({
                "step": candidate.step, "is_average": candidate.is_average, "loss": round(candidate.loss, 6),
                "identity": round(identity, 4), "obedience": round(obedience, 4),
                "score": round(harmonic_mean(identity, obedience), 4),
                "halves": [round(half, 4) for half in halves],
                "preview": round(_preview(bench, number, subject), 4),
                "rounds_of_the_pick": [{name: round(each[name], 4) for name in each} for each in candidate.rounds],
            })  # fmt: skip
    return {
        "person": number, "seed": seed, **{name: getattr(options, name) for name in MEASURED_WITH},
        "picked": [each.file for each in judged].index(picked.file),
        "only_picked": options.only_picked, "candidates": found,
        "learning_cpu_seconds": round(learned - started, 1),
        "judging_cpu_seconds": round(time.process_time() - learned, 1), **circumstances(),
    }  # fmt: skip


def measured_otherwise(lines: Sequence[Line], options: argparse.Namespace) -> list[str]:
    """Names the options that some line was not measured with."""
    return [
        name
        for name in MEASURED_WITH
        if any(line.get(name, BEFORE.get(name)) != getattr(options, name) for line in lines)
    ]


def _preview(bench: Bench, number: int, subject: Subject) -> float:
    """How alike one preview is to the person's photos, which is all that somebody looking at it goes by."""
    (drawn,) = draw_cells(bench.studio.components, PREVIEW, range(1), subject)
    return float(bench.judge.identity(as_pixels([drawn.image]))[0] @ bench.shelves["photo"][number])


def regrets(line: Line, others: Sequence[Line]) -> dict[str, float]:
    """Regret of each way of choosing, in the harmonic score; the fixed step is that of least regret for `others`."""
    found = line["candidates"]
    steps = [index for index, each in enumerate(found) if not each["is_average"]]
    choices = {
        "pick": line["picked"],
        "last step": steps[-1],
        "least loss": min(steps, key=lambda index: found[index]["loss"]),
        "by eye": max(range(len(found)), key=lambda index: found[index]["preview"]),
    }
    best = max(each["score"] for each in found)
    all_steps = sorted({each["step"] for other in others for each in other["candidates"]})
    if all_steps:
        fixed = min(all_steps, key=lambda step: statistics.fmean(regret_at(other, step) for other in others))
        choices |= {"fixed step": at_step(line, fixed)}
    return {
        **{name: best - found[index]["score"] for name, index in choices.items()},
        "random": best - statistics.fmean(each["score"] for each in found),
    }


def at_step(line: Line, step: int) -> int:
    """The last checkpoint that is not after `step`, the first one where all are."""
    early = [i for i, each in enumerate(line["candidates"]) if each["step"] <= step and not each["is_average"]]
    return early[-1] if early else 0


def regret_at(line: Line, step: int) -> float:
    """What the oracle has beyond whoever always takes `step`."""
    scores = [each["score"] for each in line["candidates"]]
    return max(scores) - scores[at_step(line, step)]


def table(lines: Sequence[Line]) -> tuple[str, dict[str, object]]:
    """Markdown with a row for each way of choosing, and the same as plain figures."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for name, regret in regrets(line, [each for each in lines if each["person"] != line["person"]]).items():
            found.setdefault(name, []).append(regret)
    rows = [
        "| chosen by | trainings | mean regret | 95 % of it | worst | pick's minus this (95 % interval) |",
        "|---|---|---|---|---|---|",
    ]
    figures: dict[str, object] = {}
    for name, each in found.items():
        mean, high = statistics.fmean(each), float(np.quantile(each, 0.95))
        versus = "" if name == "pick" else versus_pick(lines, found["pick"], each)
        rows.append(f"| {name} | {len(each)} | {mean:.3f} | {high:.3f} | {max(each):.3f} | {versus} |")
        figures[name] = {"mean": round(mean, 4), "p95": round(high, 4), "worst": round(max(each), 4)}
    oracle = statistics.fmean(max(each["score"] for each in line["candidates"]) for line in lines)
    rows.append(f"\nThe oracle scores {oracle:.3f}. Wanted of the pick: mean <= {WANTED_MEAN}, 95 % <= {WANTED_95}.")
    return "\n".join(rows), {"oracle": round(oracle, 4), "trainings": len(lines), "regret": figures}


def loss_across_halves(lines: Sequence[Line]) -> float:
    """What the best by one half of the pictures scores beyond the pick in the other half, mean of both directions."""
    differences = []
    for line in lines:
        halves = [[each["halves"][half] for each in line["candidates"]] for half in (0, 1)]
        for chosen_by, scored_by in (halves, halves[::-1]):
            best = max(range(len(chosen_by)), key=chosen_by.__getitem__)
            differences.append(scored_by[best] - scored_by[line["picked"]])
    return statistics.fmean(differences)


def failures(lines: Sequence[Line]) -> str:
    """One sentence on who failed with what was picked, person by person over all seeds."""
    people = [[line["candidates"][line["picked"]]["identity"] for line in lines if line["person"] == person]
              for person in sorted({line["person"] for line in lines})]  # fmt: skip
    every = [identity for each in people for identity in each]
    return (
        f"Picked, {len(every)} trainings of {len(people)} people: identity {statistics.fmean(every):.3f}, the lowest "
        f"{min(every):.3f}, the lowest mean of a person {min(map(statistics.fmean, people)):.3f}; "
        f"{sum(identity < FAILED for identity in every)} failed (under {FAILED})."
    )


def beside(lines: Sequence[Line], others: Sequence[Line]) -> str:
    """What is picked here beside the best checkpoint of another recipe, person by person, in Markdown.

    Equal likeness is the highest that both reach with a checkpoint; there each has the most obedient one as alike.
    """
    rows = [
        "| person, seed | picked: samples | identity | obedience | score | best of the other: samples | identity "
        "| obedience | score | samples to that score | obedience at equal likeness, this and the other |",
        "|---" * 11 + "|",
    ]
    differences, ratios = [], []
    for line in lines:
        for other in others:
            if (line["person"], line["seed"]) != (other["person"], other["seed"]):
                continue
            own, best = line["candidates"][line["picked"]], max(other["candidates"], key=lambda each: each["score"])
            level = min(max(each["identity"] for each in one["candidates"]) for one in (line, other))
            obedient = [
                max(each["obedience"] for each in one["candidates"] if each["identity"] >= level)
                for one in (line, other)
            ]
            reached = [_samples(line, each) for each in line["candidates"] if each["score"] >= best["score"]]
            cells = [
                f"{line['person']}, {line['seed']}", _samples(line, own), *_figures(own), _samples(other, best),
                *_figures(best), min(reached, default="not reached"), f"{obedient[0]:.2f}, {obedient[1]:.2f}",
            ]  # fmt: skip
            rows.append(f"| {' | '.join(map(str, cells))} |")
            differences.append(own["score"] - best["score"])
            ratios.append(obedient[0] / obedient[1])
    if not ratios:
        return "Nobody was learned with both recipes."
    means = (
        f"{statistics.fmean(differences):+.3f}; obedience at equal likeness: {statistics.geometric_mean(ratios):.3f}"
    )
    return "\n".join([*rows, f"\nPicked minus the other's best: {means} times."])


def _samples(line: Line, candidate: dict) -> int:
    return candidate["step"] * RECIPES[line["recipe"]].batch_size


def _figures(candidate: dict) -> list[str]:
    return [f"{candidate[name]:.2f}" for name in ("identity", "obedience", "score")]


def versus_pick(lines: Sequence[Line], pick: Sequence[float], other: Sequence[float]) -> str:
    """The mean over people of `pick` minus `other`, both one for each line, with its interval."""
    if len(pick) != len(other):
        return ""
    of_person: dict[object, list[float]] = {}
    for line, mine, theirs in zip(lines, pick, other, strict=True):
        of_person.setdefault(line["person"], []).append(mine - theirs)
    return paired([statistics.fmean(each) for each in of_person.values()])


def main() -> None:
    """Measures what is missing in the file, then prints the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--people", type=int, default=8, help="of the twenty that are held out for ever")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument(
        "--sealed", type=int, metavar="SEED", help="people on whom nothing was tuned, in place of the twenty"
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cells", type=int, default=24, help="pictures of each checkpoint, a multiple of six")
    parser.add_argument("--only-picked", action="store_true", help="judge no other checkpoint: no regret")
    parser.add_argument("--recipe", default="retrato")
    parser.add_argument("--beside", type=Path, help="what this wrote for another recipe, such as a1111")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--save-every", type=int, help="instead of the recipe's")
    parser.add_argument("--vectors", type=int, default=TrainSettings.model_fields["vectors_per_token"].default)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if strange := measured_otherwise(lines, options):
        named = " and ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise SystemExit(f"{options.out} was measured with another {named}: give what it was, or name another file")
    done = {(line["person"], line["seed"]) for line in lines}
    numbers = range(options.first, options.first + options.people)
    missing = [(number, seed) for seed in range(options.seeds) for number in numbers if (number, seed) not in done]
    if missing and not options.table:
        with tempfile.TemporaryDirectory() as folder, options.out.open("a") as out:
            people = None if options.sealed is None else sealed_people(TUNED_ON, options.sealed)
            bench = Bench.open(options.model, options.judge, Path(folder), options.cells, people)
            reader = Reader(bench)
            for number, seed in missing:
                lines.append(measure(bench, reader, number, seed, options))
                out.write(json.dumps(lines[-1]) + "\n")
                out.flush()
                print(json.dumps(lines[-1]), flush=True)
    if not lines:
        raise SystemExit(f"{options.out} holds nothing yet: run it without --table")
    print(failures(lines))
    if whole := [line for line in lines if not line.get("only_picked")]:
        text, figures = table(whole)
        print(text)
        if halved := [line for line in whole if "halves" in line["candidates"][0]]:
            figures["across_halves"] = round(loss_across_halves(halved), 4)
            print(
                f"To the best by one half of the pictures the pick loses {figures['across_halves']:.3f} in the other "
                f"half ({len(halved)} trainings): the rest of its mean regret is noise in which checkpoint is best."
            )
        print(json.dumps(figures))
    if options.beside:
        print(beside(whole, [json.loads(line) for line in options.beside.read_text().splitlines()]))


if __name__ == "__main__":
    main()
