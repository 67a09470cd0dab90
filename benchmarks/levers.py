"""What one changed choice of a recipe does to likeness and prompt fidelity, on people held out for ever.

python -m benchmarks.levers --out levers.jsonl base norm_cap=2 batch_size=4,steps=100
python -m benchmarks.levers --out levers.jsonl --table             (needs `pip install --group mini`; $NODE_MODULES)
python -m benchmarks.levers --out levers.jsonl --table --against recipe=a1111

Each lever is a list of recipe fields (and of the few settings in SETTINGS), `base` changes nothing, `recipe=a1111`
starts from that recipe, and all of them see the same people, photos, seeds and number of photo passes (`--samples`).
Trainings run to their end and the last step counts, unless the lever asks for `patience` (then the least loss) or for
`average_over` (then the average); nothing is picked. Left out of the recipe, or put in
where it has none, and added to a1111's, each lever is

    relative rate         rate_is_relative=False,learning_rate=0.005   rate_is_relative=True,learning_rate=0.5
    limit of the norm     norm_cap=None                                norm_cap=6.0
    warm-up and decay     warm_up=20,final_rate=0.1 (it has none)      warm_up=20,final_rate=0.1
    batch                 batch_size=1                                 batch_size=4
    stratified timesteps  timesteps=uniform                            timesteps=stratified,batch_size=4
    captions              caption=none                                 (a1111's has them: caption=none)
    average of the tail   (as it is: the last step counts)             average_over=50
    early stop            (as it is: all steps are made)               patience=6,evaluate_every=25
    masks                 (the recipe has none)                        use_mask=True

where the right column follows `recipe=a1111,`. People have masks where a lever names `use_mask`: compare
`use_mask=True` with `use_mask=False`, as masks also tell framings and so move the split. Levers that were tried and
taken out again are in docs/training.md.

Likeness is the independent judge's, on a scale from the class word's pictures (0) to fresh renders of the person (1),
beside the share of pictures nearest to their own person among twenty; prompt fidelity is the scorer's. One line per
training is appended to `--out`, and what stands there with this `--model` is not done again. The table is that of one
model and pairs each lever with `base`, or with what `--against` names.
"""

import argparse
import ast
import dataclasses
import json
import random
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image

from benchmarks.identities import photos_of
from benchmarks.likeness import galleries
from benchmarks.main_job import circumstances
from mini.evaluate import as_pixels
from mini.people import Identity, held_out_identities, random_scene
from mini.renders import draw
from mini.train_judge import Judge, load_judge
from retrato.embeddings import read_embedding
from retrato.evaluation.statistics import mean_interval
from retrato.photos import read_photos
from retrato.settings import TrainSettings
from retrato.studio import Studio
from retrato.training import RECIPES, Evaluated, Finished, prepare, train
from retrato.training.captions import captions_of
from retrato.training.drawing import draw_cells
from retrato.training.judge import Judge as PromptJudge
from retrato.training.judge import judge_of
from retrato.training.learnable import Subject
from retrato.training.recipes import PickPlan, PickPrompt, Recipe
from retrato.training.scores import harmonic_mean

PLAN = PickPlan(
    prompts=(
        PickPrompt("a photo of [name], smiling, blue background"),
        PickPrompt("a close-up photo of [name], red shirt, green background"),
        PickPrompt("a half body photo of [name], yellow background"),
        PickPrompt("a portrait of [name], flat style"),
        PickPrompt("a portrait of [name], white shirt, comic style"),
        PickPrompt("a close-up portrait of [name], pixel art style"),
    ),
    rounds=(12,),
    keep=2,
    most_candidates=1,
    first_seed=3_000_017,
    sampler="DPM++ 2M",
    schedule="Karras",
    steps=12,
)
STYLE_OF_PROMPT = ("photo", "photo", "photo", "flat style", "comic style", "pixel art style")
CELLS = 2 * len(PLAN.prompts)
NAME = "lever-1"
SETTINGS = {"caption", "initializer_text", "latent_sampling", "tag_dropout", "use_mask"}  # levers that are no recipe's


def changed(lever: str, samples: int) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the lever's fields, as many steps as `samples` are worth, and the settings that it names.

    There is one evaluation, at the end, and no average, unless the lever asks for them.
    """
    pairs = [pair.partition("=") for pair in re.split(r",(?![^(]*\))", lever)]  # at commas outside of brackets
    fields = {name: _value(value) for name, _, value in pairs if value}
    recipe = RECIPES[str(fields.pop("recipe", "retrato"))]
    own = {field.name for field in dataclasses.fields(Recipe)} - {"pick", "templates"}
    if unknown := set(fields) - own - SETTINGS:
        raise SystemExit(f"{sorted(unknown)[0]} is no lever: recipe, {', '.join(sorted(own | SETTINGS))}")
    values = {name: value for name, value in fields.items() if name in own}
    steps = max(1, samples // int(values.get("batch_size", recipe.batch_size)))
    as_asked = {"patience": None, "average_over": 0} | values
    if as_asked["patience"] is None:
        as_asked |= {"evaluate_every": steps}
    recipe = dataclasses.replace(recipe, **{**as_asked, "steps": steps, "save_every": steps})
    return recipe, {name: value for name, value in fields.items() if name in SETTINGS}


def _value(text: str) -> Any:
    """A number, a row of them, None, True or False, else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@dataclasses.dataclass(frozen=True)
class Bench:
    """The people with their photos, and what their pictures, one for each of the first `cells`, are compared with."""

    studio: Studio
    people: list[Identity]
    judge: Judge
    prompt_judge: PromptJudge
    shelves: dict[str, torch.Tensor]
    class_pictures: list[Image.Image]
    floor: torch.Tensor
    ceilings: list[float]
    class_fidelity: float
    unrelated: float
    root: Path
    cells: int = CELLS

    @classmethod
    def open(
        cls, model: str, judge_file: Path, root: Path, cells: int = CELLS, people: list[Identity] | None = None
    ) -> "Bench":
        """Draws the galleries of `people`, by default the twenty, and the class word's pictures once."""
        studio, judge = Studio.open(model, home=root / "home"), load_judge(judge_file)
        if studio.scorer is None:
            raise SystemExit(f"{model} brings no scorer to read prompts with")
        people = people or held_out_identities(20)
        shelves = {style: galleries(judge, people, style) for style in dict.fromkeys(STYLE_OF_PROMPT)}
        drawn = [drawn.image for drawn in draw_cells(studio.components, PLAN, range(cells), Subject("a person"))]
        texts = [prompt.text.replace("[name]", "a person") for prompt in PLAN.prompts]
        prompt_judge = judge_of(studio.scorer, drawn[:1], texts)
        looks = prompt_judge.look(drawn)
        ceilings = []
        for number, person in enumerate(people):
            r = random.Random(f"levers ceiling {number}")
            renders = [draw(person, random_scene(r, style, "portrait")) for style in STYLE_OF_PROMPT]
            found = judge.identity(as_pixels(renders))
            own = torch.stack([shelves[style][number] for style in STYLE_OF_PROMPT])
            ceilings.append(float((found * own).sum(1).mean()))
        return cls(
            studio, people, judge, prompt_judge, shelves, drawn, judge.identity(as_pixels(drawn)), ceilings,
            float(prompt_judge.cells_of(looks).fidelity.mean()), prompt_judge.unrelated_of(looks.images), root, cells,
        )  # fmt: skip

    def photos(self, number: int, with_masks: bool = False) -> Path:
        """A folder of twenty photos with captions, and masks if wanted, beside them."""
        folder = self.root / f"photos-{number}{'-masks' * with_masks}"
        if not folder.exists():
            photos_of(self.people[number], f"photos {number}", folder, with_masks=with_masks)
            photos, _ = read_photos(folder)
            for photo, words in zip(photos, captions_of(photos, "auto", self.studio.captioner), strict=True):
                photo.path.with_suffix(".txt").write_text(words)
        return folder

    def drawn(self, subject: Subject) -> list[Image.Image]:
        """The pictures of a subject, cell by cell."""
        return [drawn.image for drawn in draw_cells(self.studio.components, PLAN, range(self.cells), subject)]

    def likeness(self, number: int, pictures: list[Image.Image]) -> tuple[float, float]:
        """Likeness to a person by the judge, and the share of pictures nearest to their own person, cell by cell."""
        identities, nearest = self.cells_of(number, pictures)
        return float(identities.mean()), float(nearest.mean())

    def cells_of(self, number: int, pictures: list[Image.Image]) -> tuple[torch.Tensor, torch.Tensor]:
        """The same of each of the pictures, which are those of all cells: likeness [cells], and whether nearest."""
        styles = [STYLE_OF_PROMPT[cell % len(STYLE_OF_PROMPT)] for cell in range(self.cells)]
        shelf = torch.stack([self.shelves[style] for style in styles])  # [cells, people, 128]
        seen = self.judge.identity(as_pixels(pictures))
        alike = (shelf @ seen[:, :, None])[..., 0]
        low = float((shelf[:, number] * self.floor).sum(1).mean())
        identities = (alike[:, number] - low) / max(self.ceilings[number] - low, 0.05)
        return identities, (alike.argmax(1) == number).float()

    def judged(self, number: int, pictures: list[Image.Image]) -> dict[str, float]:
        """Likeness, share of first ranks, and prompt fidelity of a person's pictures, cell by cell."""
        identity, rank1 = self.likeness(number, pictures)
        fidelity = float(self.prompt_judge.cells(pictures).fidelity.mean())
        obedience = (fidelity - self.unrelated) / (self.class_fidelity - self.unrelated)
        return {
            "identity": round(identity, 4), "rank1": round(rank1, 4),
            "prompt_fidelity": round(obedience, 4), "harmonic": round(harmonic_mean(identity, obedience), 4),
        }  # fmt: skip

    def run(self, lever: str, number: int, seed: int, samples: int, vectors: int) -> dict[str, object]:
        """Learns one person with one lever; gives the line for the file."""
        recipe, own = changed(lever, samples)
        said: dict[str, Any] = {"name": NAME, "vectors_per_token": vectors, "seed": 1000 * seed + number}
        said |= {"caption": "file"} | own
        settings = TrainSettings(**said)
        with (
            tempfile.TemporaryDirectory(dir=self.root) as folder,
            mock.patch.object(prepare, "RECIPES", {"retrato": recipe}),
        ):
            photos = self.photos(number, "use_mask" in own)
            events = list(train(self.studio.components, photos, settings, run_folder=Path(folder) / "run"))
            finished = next(event for event in events if isinstance(event, Finished))
            loss = [event.loss for event in events if isinstance(event, Evaluated)][-1]
            averages = [candidate.file for candidate in finished.candidates if candidate.is_average]
            embedding = dataclasses.replace(read_embedding(averages[-1] if averages else finished.file), name=NAME)
        judged = self.judged(number, self.drawn(Subject(NAME, embeddings={NAME: embedding})))
        norm = float(embedding.vectors[0].norm(dim=1).mean())
        return {
            "lever": lever, "person": number, "seed": seed, "samples": recipe.steps * recipe.batch_size,
            "stopped_at": finished.samples, "vectors": vectors,
            "loss": round(loss, 6), "norm": round(norm, 3), "seconds": round(finished.times["train"], 1),
            **judged, **circumstances(),
        }  # fmt: skip


def of_model(lines: Sequence[dict], model: str) -> list[dict]:
    """The lines that were measured with `model`; those that name none are older, and mini's."""
    return [line for line in lines if line.get("model", "mini") == model]


def table(lines: list[dict], against: str = "base") -> str:
    """Markdown: each lever's means, and what it changes in the harmonic score against another, with 95 % intervals."""
    groups: dict[tuple, dict[tuple, dict]] = defaultdict(dict)
    for line in lines:
        groups[line["samples"], line["vectors"], line["lever"]][line["person"], line["seed"]] = line
    rows = [
        "| samples | vectors | lever | runs | identity | lowest identity | rank-1 | prompt fidelity | harmonic "
        f"| against {against} | loss | seconds |",
        "|---" * 12 + "|",
    ]
    for (samples, vectors, lever), found in sorted(groups.items()):
        mean = {
            key: sum(line[key] for line in found.values()) / len(found)
            for key in ("identity", "rank1", "prompt_fidelity", "harmonic", "loss", "seconds")
        }
        base = groups.get((samples, vectors, against), {})
        people = sorted({person for person, _ in found if any(key[0] == person for key in base)})
        of_each = [
            [found[key]["harmonic"] - base[key]["harmonic"] for key in found if key[0] == person and key in base]
            for person in people
        ]
        differences = [sum(each) / len(each) for each in of_each if each]
        versus = paired(differences) if lever != against else ""
        rows.append(
            f"| {samples} | {vectors} | `{lever}` | {len(found)} | {mean['identity']:.2f} "
            f"| {min(line['identity'] for line in found.values()):.2f} | {mean['rank1']:.2f} "
            f"| {mean['prompt_fidelity']:.2f} | {mean['harmonic']:.3f} | {versus} | {mean['loss']:.4f} "
            f"| {mean['seconds']:.0f} |"
        )
    return "\n".join(rows)


def paired(differences: Sequence[float]) -> str:
    """The mean of a difference for each person, with its 95 % interval; empty for fewer than two people."""
    if len(differences) < 2:
        return ""
    low, high = mean_interval(differences)
    return f"{statistics.fmean(differences):+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    """Runs what is missing in the file, lever by lever within a person and seed, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("levers", nargs="*", help="such as norm_cap=2,warm_up=5")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--against", default="base", help="which lever the table compares with")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--vectors", type=int, default=TrainSettings.model_fields["vectors_per_token"].default)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--judge", type=Path, default=Path("mini/judge.safetensors"))
    options = parser.parse_args()
    found = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    lines = of_model(found, options.model)
    if options.table:
        print(table(lines, options.against))
        return
    done = {(line["lever"], line["person"], line["seed"], line["samples"], line["vectors"]) for line in lines}
    with tempfile.TemporaryDirectory() as folder, options.out.open("a") as out:
        bench = Bench.open(options.model, options.judge, Path(folder))
        for seed in range(options.seeds):
            for number in range(options.people):
                for lever in options.levers:
                    recipe, _ = changed(lever, options.samples)
                    if (lever, number, seed, recipe.steps * recipe.batch_size, options.vectors) in done:
                        continue
                    line = {"model": options.model} | bench.run(lever, number, seed, options.samples, options.vectors)
                    out.write(json.dumps(line) + "\n")
                    out.flush()
                    print(line, flush=True)


if __name__ == "__main__":
    main()
