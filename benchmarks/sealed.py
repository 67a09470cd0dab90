"""Sealed people learned by each recipe and judged by the independent judge: is a recipe better, on people nobody saw?

python -m benchmarks.identities --seed 20261201 --people 8 --out people        (needs `pip install --group mini`)
python -m benchmarks.sealed people --out sealed --recipes retrato,a1111 --script textual_inversion.py --samples 1000
python -m benchmarks.sealed people --out sealed --samples 1000 --resume --lines benchmarks/results/sealed-20261201.jsonl

It is `retrato evaluate` with another judge of likeness: the network of `mini.train_judge`, trained on other people with
another architecture, by which no training or pick computes anything; the recipe's defaults were chosen by its figures.
How far prompts are followed says retrato-mini's own scorer, which also picks for `retrato` and `a1111`. `--resume`
goes on with what was cut off; `--sheet` shows everybody: two photos, and the same three pictures by each contender,
first seeds, none chosen. `--together a1111` only learns everybody by that recipe, in one batch, which is the same but
for rounding and takes less time than one after another; `--resume` with the same options judges them afterwards.
`--lines` writes a line for each training, with machine, versions, commit and date. `--best`, after `--curves`, says how
good each training's best checkpoint is: the highest on its curve, judged by all pictures. Nobody could pick like that.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.main_job import circumstances
from mini.evaluate import as_pixels
from mini.train_judge import load_judge
from retrato import Studio
from retrato.embeddings import read_embedding
from retrato.evaluation import Compared, Measured, Started, evaluate
from retrato.evaluation.kept import begin, keep_clock, kept_clock
from retrato.evaluation.peer import PEER
from retrato.evaluation.people import find_people
from retrato.evaluation.prompts import read_prompts
from retrato.evaluation.protocol import NAME, facts_of, open_court, place_of, training_of
from retrato.evaluation.report import notes, rows
from retrato.model import Scorer
from retrato.model.hashes import model_hash
from retrato.plain import plain
from retrato.settings import EvaluateSettings, RecipeName
from retrato.training import Comparing, Extended, Picked, Prepared, Saved
from retrato.training.crowd import Failed, crowd
from retrato.training.train import lesson


class IndependentJudge(Scorer):
    """A scorer that tells people apart by the judge in `file`, and reads prompts off pictures as `scorer` does."""

    def __init__(self, scorer: Scorer, file: Path) -> None:
        super().__init__(scorer.text_image, None, scorer.tokenizer, model_hash([file]))
        object.__setattr__(self, "_judge", load_judge(file))

    def embed_identity(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors [N, 128] of who is on each picture."""
        return self._judge.identity(as_pixels(list(images)))  # type: ignore[attr-defined]


JUDGES = "the independent judge, and for prompt fidelity by the scorer that also picks"
SHOWN = ("a close-up photo of [name]", "a portrait of [name], flat style", "a picture of [name], comic style")
SIDE, GAP, HEAD = 96, 12, 24


def sheet(all_measured: Sequence[Measured], people: Path) -> Image.Image:
    """Gives a row for each person: two photos, then by each recipe the first picture of each prompt in `SHOWN`.

    Pictures come prompt by prompt, and then all prompts again with the next seed.
    """
    recipes = list(dict.fromkeys(each.recipe for each in all_measured))
    persons = list(dict.fromkeys(each.person for each in all_measured))
    prompts = [prompt.text for prompt in read_prompts(None)]
    left = {"two of the photos": 0}
    for number, recipe in enumerate(recipes):
        left[recipe] = (2 + number * len(SHOWN)) * SIDE + (number + 1) * GAP
    width = left[recipes[-1]] + len(SHOWN) * SIDE
    drawn = Image.new("RGB", (width, HEAD + len(persons) * (SIDE + 4)), "white")
    for name, at in left.items():
        ImageDraw.Draw(drawn).text((at + 2, 4), name, "black", ImageFont.load_default(14))
    for row, person in enumerate(persons):
        shown = [("two of the photos", file) for file in sorted((people / person).glob("*.png"))[-2:]]
        for recipe in recipes:
            first = next(each for each in all_measured if (each.person, each.recipe) == (person, recipe))
            shown += [(recipe, first.pictures[prompts.index(text)]) for text in SHOWN]
        free = dict(left)
        for name, file in shown:
            with Image.open(file) as picture:
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            drawn.paste(small, (free[name], HEAD + row * (SIDE + 4)))
            free[name] += SIDE
    return drawn


class SharedClock:
    """Seconds of training of each person of a batch: what passes is shared by those who are learning at the time.

    Preparing, and drawing what the pick compares, is no learning and counts for nobody.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.seconds = dict.fromkeys(names, 0.0)
        self._learning: set[str] = set()

    def heard(self, name: str, event: object, passed: float) -> None:
        """Counts the seconds that passed from the event before until this one."""
        if isinstance(event, Comparing | Picked):
            self._learning.discard(name)
        if name in self._learning:
            for each in self._learning:
                self.seconds[each] += passed / len(self._learning)
        if isinstance(event, Prepared | Extended):
            self._learning.add(name)


def learn_together(
    studio: Studio, folder: Path, settings: EvaluateSettings, recipe: RecipeName, *, out: Path, judge: Scorer
) -> None:
    """Trains everybody in one batch, as an evaluation into `out` will find it; goes on with what was cut off."""
    people = find_people(folder, settings.held_out, settings.seed, studio.components.defaults.size)
    begin(out, facts_of(studio, people, settings, judge))
    places = {person.name: place_of(out, person, recipe, settings.seed) for person in people}
    lessons = {
        person.name: lesson(
            studio.components,
            person.learned,
            training_of(settings, people, person, recipe, settings.seed),
            run_folder=places[person.name] / "run",
            scorer=studio.scorer,
            captioner=studio.captioner,
            resume=True,
        )
        for person in people
    }
    kept = {name: kept_clock(place) for name, place in places.items()}
    clock, heard = SharedClock(list(places)), time.perf_counter()
    for name, event in ((of.name, of.event) for of in crowd(studio.components, lessons, at_once=len(lessons))):
        clock.heard(name, event, time.perf_counter() - heard)
        heard = time.perf_counter()
        match event:
            case Prepared():
                kept[name] = {step: seconds for step, seconds in kept[name].items() if step <= event.first_step}
                clock.seconds[name] = max(kept[name].values(), default=0.0)
            case Saved():
                kept[name][event.step] = clock.seconds[name]
                keep_clock(places[name], kept[name])
                print(f"{name}: {event.step} steps, {clock.seconds[name]:.0f} s of the batch's time", flush=True)
            case Failed():
                raise SystemExit(f"{name}: {event.reason}")


def best_on_the_way(
    studio: Studio, folder: Path, settings: EvaluateSettings, measured: Sequence[Measured], *, out: Path, judge: Scorer
) -> Iterator[tuple[Measured, float, Mapping[str, float]]]:
    """Gives each training of a recipe with its checkpoint that is highest on the curve: its samples and its scores.

    The curve has twelve pictures of each checkpoint; the scores are those of all pictures, as of the picked one.
    """
    people = find_people(folder, settings.held_out, settings.seed, studio.components.defaults.size)
    persons = {person.name: person for person in people}
    court = open_court(studio, people, settings, judge)
    for one in measured:
        if one.recipe == PEER or not one.learning:
            continue
        best = max(one.learning, key=lambda point: point.scores["harmonic"]).at
        person, step = persons[one.person], round(best * one.steps / one.samples)
        run = place_of(out, person, one.recipe, one.seed) / "run"
        (checkpoint,) = run.glob(f"embeddings/*-{step}.safetensors")
        yield one, best, court.judge(read_embedding(checkpoint), person, NAME).scores


def lines(measured: Sequence[Measured], circumstances: Mapping[str, object]) -> str:
    """Gives a line of JSON for each training: what it came to, and where, when and with what."""
    found = [
        {
            "person": one.person, "recipe": one.recipe, "seed": one.seed, **one.scores, "rank1": one.rank1,
            "samples": one.samples, "picked_samples": one.picked_samples,
            "seconds": round(one.seconds, 1), "pick_seconds": round(one.pick_seconds, 1), **circumstances,
        }
        for one in measured
    ]  # fmt: skip
    return "".join(json.dumps(plain(line)) + "\n" for line in found)


def main() -> None:
    """Evaluates, says what happens, prints the table as Markdown and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipes", default="retrato,a1111")
    parser.add_argument("--script", help="diffusers' textual_inversion.py, as one more contender")
    parser.add_argument("--samples", type=int, help="photo passes of each training; by default each recipe's own")
    parser.add_argument("--per-prompt", type=int, default=2)
    parser.add_argument("--trainings", type=int, default=1, help="seeds of each person")
    parser.add_argument("--curves", action="store_true", help="judge every checkpoint as well")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--together", choices=get_args(RecipeName), help="only learn everybody by this recipe, at once")
    parser.add_argument("--best", action="store_true", help="judge each training's best checkpoint as well")
    parser.add_argument("--sheet", type=Path, help="write a picture of everybody, such as sealed.jpg")
    parser.add_argument("--lines", type=Path, help="write a line for each training into this file, in place of it")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    options = parser.parse_args()
    settings = EvaluateSettings(
        recipes=options.recipes, script=options.script, samples=options.samples, quick=not options.curves,
        pictures_per_prompt=options.per_prompt, trainings=options.trainings,
    )  # fmt: skip
    studio = Studio.open(options.model, home=options.out.with_name(f"{options.out.name}-home"))
    if studio.scorer is None:
        raise SystemExit(f"{options.model} brings no scorer to read prompts with")
    judge = IndependentJudge(studio.scorer, options.judge)
    if options.together:
        learn_together(studio, options.people, settings, options.together, out=options.out, judge=judge)
        return
    measured: list[Measured] = []
    for event in evaluate(studio, options.people, settings, out=options.out, judge=judge, resume=options.resume):
        match event:
            case Started():
                print(
                    f"{event.number} of {event.count}: {event.person} by {event.recipe}, seed {event.seed}", flush=True
                )
            case Measured():
                measured.append(event)
                print(", ".join(f"{name} {value:.2f}" for name, value in event.scores.items()), flush=True)
            case Compared():
                head, *body = rows(event)
                print("\n".join(f"| {' | '.join(line)} |" for line in [head, ("---",) * len(head), *body]))
                print("\n".join(notes(dataclasses.replace(event, judge=JUDGES))))
                summaries = {one.recipe: one for one in event.summaries}
                print(json.dumps(plain({"people": len(event.people), "recipes": summaries, **circumstances()})))
                if options.lines:
                    options.lines.write_text(lines(measured, {"model": options.model, **circumstances()}))
                if options.sheet:
                    sheet(measured, options.people).save(options.sheet, quality=88)
    if options.best:
        told = (studio, options.people, settings, measured)
        for one, samples, scores in best_on_the_way(*told, out=options.out, judge=judge):
            print(json.dumps(plain({"person": one.person, "recipe": one.recipe, "seed": one.seed, "samples": samples,
                                    **scores, "picked": one.scores["harmonic"]})), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
