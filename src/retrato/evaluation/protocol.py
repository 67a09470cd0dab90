"""People in folders to figures: each is learned by each recipe and judged on photos that nothing else saw.

A generator of events, like training. Nothing goes into the library. Knows nothing of the screen.
"""

import dataclasses
import statistics as plain_statistics
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import cast

from retrato.embeddings import Embedding, read_embedding
from retrato.errors import ModelError, SettingsError
from retrato.evaluation.judging import Court, Verdict
from retrato.evaluation.kept import begin, keep, keep_clock, kept, kept_clock
from retrato.evaluation.measured import Compared, Measured, Point, Started
from retrato.evaluation.peer import PEER, check_peer, learn_with_peer
from retrato.evaluation.people import Person, find_people
from retrato.evaluation.prompts import drawing_plan, read_prompts
from retrato.evaluation.report import write_evaluation
from retrato.evaluation.statistics import area_under, best_obedient, interval, resampled_scores
from retrato.evaluation.summary import compare
from retrato.model import Scorer
from retrato.model.companions import FETCH_SCORER
from retrato.settings import EvaluateSettings, RecipeName, TrainSettings
from retrato.studio import Studio
from retrato.training import RECIPES, Extended, Finished, Prepared, Saved, Stepped, TrainingEvent, train
from retrato.training.captions import class_phrase
from retrato.training.drawing import save_as
from retrato.training.report.appendix import PACKAGES, package_version

NAME = "evaluated-1"
WEIGHTS = (0.6, 0.8, 1.0, 1.2, 1.4)
CURVE_CELLS = 12  # pictures for each point of a curve
CURVE_POINTS = 20  # checkpoints on it, where there are more
FIRST_SEED = 2_000_003  # of the pictures: none that a recipe picks by


@dataclasses.dataclass(frozen=True, slots=True)
class _Checkpoint:
    """An embedding on the way, and what had been spent until then; `is_average` is the moving average of vectors."""

    file: Path
    samples: int
    seconds: float
    is_average: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Learned:
    """A finished training: its file, its cost, and the checkpoints on the way."""

    file: Path
    steps: int
    samples: int
    picked_samples: int
    seconds: float
    pick_seconds: float
    checkpoints: tuple[_Checkpoint, ...]


def evaluate(
    studio: Studio,
    folder: Path | str,
    settings: EvaluateSettings,
    *,
    out: Path | str,
    judge: Scorer | None = None,
    resume: bool = False,
) -> Iterator[Started | TrainingEvent | Measured | Compared]:
    """Learns and judges everyone in `folder` and says what happens; the last event holds everything.

    `folder` holds a person's photos, or a folder for each person. Pictures, runs, `evaluation.json` and
    `evaluation.html` go into `out`, which must be new or empty, or hold an evaluation of the same people and settings
    that was cut off and, with `resume`, goes on: what was measured is not done again, and a recipe's training that was
    cut off goes on from its last checkpoint. `judge` scores instead of the model's own scorer, which also stops and
    picks. Raises SettingsError, PhotoError, PromptError or ModelError before anything is learned.
    """
    out = Path(out)
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(f"{out} is not an empty folder: name a new one with --out, or go on with --resume")
    prompts = read_prompts(settings.prompts)
    scorer = judge or studio.scorer
    if scorer is None:
        raise ModelError(f"{studio.model} brings no scorer: name one with --judge, or `{FETCH_SCORER}`")
    if settings.script:
        check_peer(Path(settings.script), studio.model, studio.components)
    people = find_people(Path(folder), settings.held_out, settings.seed, studio.components.defaults.size)
    if len({person.name for person in people}) < len(people):
        raise SettingsError(f"two people in {folder} have one name: rename a folder")
    facts = facts_of(studio, people, settings, scorer)
    begin(out, facts)  # before minutes of drawing
    started = time.perf_counter()
    court = open_court(studio, people, settings, scorer)
    todo = [
        (person, recipe, settings.seed + number)
        for person in people
        for number in range(settings.trainings)
        for recipe in settings.contenders
    ]
    measured, resampled = [], []
    for number, (person, recipe, seed) in enumerate(todo, 1):
        yield Started(number, len(todo), person.name, recipe, seed)
        place = place_of(out, person, recipe, seed)
        found = kept(place)
        if found is None:
            if recipe == PEER:
                learned = _learn_with_peer(studio, person, settings, seed, place / "run")
            else:
                training = training_of(settings, people, person, cast("RecipeName", recipe), seed)
                learned = yield from _learn(studio, person, training, place)
            verdict = court.judge(read_embedding(learned.file), person, NAME)
            draws = resampled_scores(verdict.cells, verdict.yardstick, len(prompts), settings.seed)
            one = _measured(court, person, recipe, seed, learned, verdict, settings, place)
            intervals = {name: interval(draws[:, at]) for at, name in enumerate(one.scores)}
            found = keep(place, dataclasses.replace(one, intervals=intervals), draws)
        measured.append(found[0])
        resampled.append(found[1])
        yield measured[-1]
    compared = compare(
        people=tuple(person.name for person in people),
        measured=tuple(measured),
        resampled=tuple(resampled),
        settings=settings,
        class_word_rank1=court.class_word_rank1(),
        judge=_judge_in_words(studio, scorer),
        facts=facts,
        out=out,
        seconds=time.perf_counter() - started,
    )
    write_evaluation(compared)
    yield compared


def open_court(studio: Studio, people: Sequence[Person], settings: EvaluateSettings, scorer: Scorer) -> Court:
    """Gives the court that judges `people` by `scorer`, after drawing the class word; raises PromptError."""
    prompts = read_prompts(settings.prompts)
    return Court.open(
        studio.components,
        scorer,
        drawing_plan(prompts, RECIPES[settings.recipe_names[0]].pick, FIRST_SEED),
        prompts,
        people,
        class_phrase(settings.initializer_text, studio.components.defaults.class_word),
        settings.pictures_per_prompt,
    )


def _learn_with_peer(studio: Studio, person: Person, settings: EvaluateSettings, seed: int, folder: Path) -> _Learned:
    assert settings.script is not None, "it is among the contenders"
    found = learn_with_peer(
        Path(settings.script),
        studio.model,
        studio.components,
        person,
        word=settings.initializer_text,
        vectors=settings.vectors_per_token,
        samples=settings.samples,
        seed=seed,
        folder=folder,
    )
    return _Learned(
        file=found.file,
        steps=found.steps,
        samples=found.samples,
        picked_samples=found.samples,
        seconds=found.seconds,
        pick_seconds=0.0,  # the script keeps its last step
        checkpoints=tuple(
            _Checkpoint(file, step * found.samples // found.steps, seconds) for step, seconds, file in found.checkpoints
        ),
    )


def place_of(out: Path, person: Person, recipe: str, seed: int) -> Path:
    """Gives the folder of one training; a recipe's run lies below it in `run`."""
    return out / person.name / f"{recipe}-{seed}"


def training_of(
    settings: EvaluateSettings, people: Sequence[Person], person: Person, recipe: RecipeName, seed: int
) -> TrainSettings:
    """Gives how `person` is learned, under a name that nobody else among `people` has, so that one batch holds them."""
    batch = min(RECIPES[recipe].batch_size, len(person.learned))
    return TrainSettings(
        name=f"evaluated-{1 + [one.name for one in people].index(person.name)}",
        initializer_text=settings.initializer_text,
        vectors_per_token=settings.vectors_per_token,
        recipe=recipe,
        steps=None if settings.samples is None else max(1, settings.samples // batch),
        seed=seed,
    )


def _learn(
    studio: Studio, person: Person, training: TrainSettings, place: Path
) -> Generator[TrainingEvent, None, _Learned]:
    """Trains below the library, from where it was cut off if it was, and gives what came out."""
    seconds_at = kept_clock(place)
    per_step, before, now, step, finished = 1, 0.0, 0.0, 0, None
    try:
        for event in train(
            studio.components,
            person.learned,
            training,
            run_folder=place / "run",
            scorer=studio.scorer,
            captioner=None if all(photo.caption for photo in person.learned) else studio.captioner,
            resume=True,
        ):
            match event:
                case Prepared():
                    per_step, step = event.batch_size, event.first_step
                    seconds_at = {step: seconds for step, seconds in seconds_at.items() if step <= event.first_step}
                    before = now = max(seconds_at.values(), default=0.0)
                case Stepped():
                    step, now = event.step, before + event.seconds
                case Saved():
                    seconds_at[event.step] = now
                    keep_clock(place, seconds_at)
                case Extended():  # the clock of the steps starts anew
                    before = now
                case Finished():
                    finished = event
            yield event
    finally:
        if finished is None and step:  # it was cut off, and saves the step it was at without saying so
            keep_clock(place, {**seconds_at, step: now})
    assert finished is not None, "a training that raises nothing ends with Finished"
    return _Learned(
        file=finished.file,
        steps=finished.steps_run,
        samples=finished.samples,
        picked_samples=finished.picked_step * per_step,
        seconds=now,
        pick_seconds=finished.times["pick"],
        checkpoints=tuple(
            _Checkpoint(each.file, each.step * per_step, seconds_at.get(each.step, 0.0), each.is_average)
            for each in finished.candidates
        ),
    )


def _measured(
    court: Court,
    person: Person,
    recipe: str,
    seed: int,
    learned: _Learned,
    verdict: Verdict,
    settings: EvaluateSettings,
    place: Path,
) -> Measured:
    embedding = read_embedding(learned.file)
    learning, regret = ((), None) if settings.quick else _learning_curve(court, person, learned)
    weights = () if settings.quick else _weight_curve(court, person, embedding)
    reached = [(point.scores["prompt_fidelity"], point.scores["identity"]) for point in weights]
    pictures = [
        save_as(picture, place / "pictures" / f"{cell:03}.png") for cell, picture in enumerate(verdict.pictures)
    ]
    return Measured(
        person=person.name,
        recipe=recipe,
        seed=seed,
        scores=verdict.scores,
        intervals={},
        satisfied=verdict.satisfied,
        diversity=verdict.diversity,
        closest=verdict.closest,
        rank1=verdict.rank1,
        steps=learned.steps,
        samples=learned.samples,
        picked_samples=learned.picked_samples,
        seconds=learned.seconds,
        learning=learning,
        weights=weights,
        area=area_under(reached) if reached else None,
        obedient=best_obedient(reached),
        regret=regret,
        embedding=learned.file,
        pictures=tuple(pictures),
        pick_seconds=learned.pick_seconds,
        anybody=verdict.anybody,
        themselves=verdict.yardstick.ceiling,
        is_told_apart=verdict.is_told_apart,
    )


def _learning_curve(court: Court, person: Person, learned: _Learned) -> tuple[tuple[Point, ...], float | None]:
    """Gives the scores of checkpoints, and how much better than the picked one the best of them is."""
    points, harmonic = [], []
    for checkpoint in _on_the_curve(learned):
        scores = court.quick_scores(read_embedding(checkpoint.file), person, NAME, CURVE_CELLS)
        harmonic.append(scores["harmonic"])
        if not checkpoint.is_average:
            points.append(Point(checkpoint.samples, checkpoint.seconds, scores))
    picked = court.quick_scores(read_embedding(learned.file), person, NAME, CURVE_CELLS)["harmonic"]
    return tuple(points), max(harmonic) - picked if harmonic else None


def _on_the_curve(learned: _Learned) -> list[_Checkpoint]:
    """Gives `CURVE_POINTS` checkpoints, first and last among them and the rest evenly between, and the picked one."""
    last = len(learned.checkpoints) - 1
    chosen = {round(number * last / (CURVE_POINTS - 1)) for number in range(CURVE_POINTS)}
    return [
        checkpoint
        for number, checkpoint in enumerate(learned.checkpoints)
        if number in chosen or last < CURVE_POINTS or checkpoint.samples == learned.picked_samples
    ]


def _weight_curve(court: Court, person: Person, embedding: Embedding) -> tuple[Point, ...]:
    return tuple(
        Point(weight, 0.0, court.quick_scores(embedding, person, f"({NAME}:{weight:g})", CURVE_CELLS))
        for weight in WEIGHTS
    )


def _judge_in_words(studio: Studio, scorer: Scorer) -> str:
    """Gives who judges: a scorer from elsewhere may have the very weights of the model's own."""
    own = studio.scorer
    is_own = own is not None and own.hash == scorer.hash
    return "the scorer that also stops and picks" if is_own else "a scorer of its own"


def facts_of(studio: Studio, people: Sequence[Person], settings: EvaluateSettings, judge: Scorer) -> dict[str, object]:
    """Gives what the figures mean nothing without."""
    kept = [len(person.judged_by) for person in people]
    return {
        "model": studio.components.name,
        "model_hash": studio.components.hash,
        **({"vae": str(studio.vae)} if studio.vae else {}),
        "judge_hash": judge.hash,
        "versions": {package: package_version(package) for package in PACKAGES},
        "settings": settings.model_dump(),
        "people": len(people),
        "photos_learned_from": plain_statistics.mean(len(person.learned) for person in people),
        "photos_judged_by": plain_statistics.mean(kept),
        "judged_by": {person.name: [photo.path.name for photo in person.judged_by] for person in people},
        "pictures_judged": len(read_prompts(settings.prompts)) * settings.pictures_per_prompt,
        "device": str(studio.components.device),
    }
