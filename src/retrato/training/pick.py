"""Which candidate to keep: each is drawn with the same prompts and seeds, in rounds that keep the better part.

Knows nothing of steps and losses other than as what to fall back on.
"""

import dataclasses
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from retrato.model.score import Scorer
from retrato.training.captions import class_phrase
from retrato.training.drawing import draw_cells, save_as
from retrato.training.evaluate import has_settled
from retrato.training.events import Candidate, Comparing, Scored
from retrato.training.frozen import uses_bfloat16
from retrato.training.judge import Judge, Looks, judge_of
from retrato.training.learnable import Subject
from retrato.training.prepare import Run
from retrato.training.recipes import PickPlan
from retrato.training.scores import earliest_within_error, score

# How long a step of a picture takes, decoding and scoring counted, in photos forward and back; see `learning_share`.
PICTURE_STEP, PICTURE_STEP_BESIDE_BFLOAT16 = 1.0, 1.4

STILL_TO_GO = 0.25  # of the way from the highest loss of a candidate to the least
LOW_LIKENESS = 0.6  # on retrato-mini people who were not learned were kept at 0.31 to 0.54, all others at 0.8 and more


@dataclass(frozen=True, slots=True)
class Choice:
    """All candidates in order, with scores where they were drawn; the picked one, why, and what the scores stand on.

    `class_pictures` were drawn with the class word, for comparison.
    """

    candidates: tuple[Candidate, ...]
    picked: Candidate
    reason: str
    yardstick: Mapping[str, float] = field(default_factory=dict)
    class_pictures: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Entry:
    """A candidate in the contest, with what was drawn of it so far."""

    candidate: Candidate
    pictures: list[Image.Image] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    rounds: list[Mapping[str, float]] = field(default_factory=list)
    seen: Looks | None = None  # of the first pictures

    def looks(self, judge: Judge) -> Looks:
        """Gives what the judge sees in the pictures; each is looked at once."""
        first = len(self.seen.images) if self.seen else 0
        if first < len(self.pictures):
            new = judge.look(self.pictures[first:])
            self.seen = self.seen + new if self.seen else new
        assert self.seen is not None, "whoever is compared was drawn"
        return self.seen

    def scored(self) -> Candidate:
        """Gives the candidate with its scores."""
        *earlier, last = self.rounds
        return dataclasses.replace(self.candidate, scores=last, earlier=tuple(earlier), pictures=tuple(self.files))


def choose(
    run: Run,
    candidates: Sequence[Candidate],
    scorer: Scorer | None,
    *,
    after: int = 0,
    evaluations: Sequence[tuple[int, float]] = (),
) -> Generator[Comparing | Scored, None, Choice]:
    """Yields Scored for each candidate that was drawn, Comparing on the way, and gives the choice.

    The candidates come in the order in which an early one is to be preferred; those of steps up to `after` are not
    compared where there are others, nor are those that are still far from the least loss on held-out photos (see
    `near_least_loss`). `evaluations` are the run's, as (step, loss). Without a scorer the least loss decides.
    """
    if scorer is None:
        return _least_loss(run, candidates)
    plan = run.plan.pick
    subject = Subject(class_phrase(run.settings.initializer_text, run.components.defaults.class_word))
    texts = [subject.prompt(prompt.text) for prompt in plan.prompts]
    judge = judge_of(scorer, [photo.image for photo in run.held_out or run.trained], texts)
    ceiling = judge.ceiling([photo.image for photo in run.trained] if run.held_out else ())
    class_word = _Entry(Candidate(0, run.folder.images / "class.png", math.nan))
    if after:
        _take_up(class_word, run.folder.images, plan.rounds[-1])
    near = near_least_loss(candidates, evaluations) if run.held_out else list(range(len(candidates)))
    asked = [index for index in near if candidates[index].step > after] or near
    chosen = shortlist([candidates[index] for index in asked], plan.most_candidates)
    entries = {asked[index]: _Entry(candidates[asked[index]]) for index in chosen}
    alive = list(entries)
    most = pictures_needed(dataclasses.replace(plan, most_candidates=len(alive)))
    for count in plan.rounds:
        for entry in (class_word, *(entries[index] for index in alive)):
            _draw_up_to(run, entry, count, subject if entry is class_word else None)
            yield Comparing(sum(len(each.pictures) for each in (class_word, *entries.values())), most)
        cells = {index: judge.cells_of(entries[index].looks(judge)) for index in alive}
        yardstick = judge.yardstick(plan, class_word.looks(judge), ceiling)
        for index in alive:
            entries[index].rounds.append({**score(cells[index], yardstick), "pictures": float(count)})
        ranked = sorted(alive, key=lambda index: -entries[index].rounds[-1]["harmonic"])
        out = ranked[math.ceil(len(ranked) / plan.keep) :] if count != plan.rounds[-1] else []
        yield from (Scored(entries[index].scored()) for index in sorted(out))
        alive = [index for index in alive if index not in out]
    yield from (Scored(entries[index].scored()) for index in alive)
    picked, best = earliest_within_error(cells, yardstick, alive)
    everyone = tuple(
        entries[index].scored() if index in entries else candidate for index, candidate in enumerate(candidates)
    )
    return Choice(
        candidates=everyone,
        picked=everyone[picked],
        reason=_reason(everyone[picked], everyone[best], run, is_settled(run, evaluations)),
        yardstick=yardstick.figures(),
        class_pictures=tuple(class_word.files),
    )


def near_least_loss(candidates: Sequence[Candidate], evaluations: Sequence[tuple[int, float]] = ()) -> list[int]:
    """Gives the positions of those whose loss has come three quarters of the way from the highest to the least.

    A scorer may be content before the person is learned, for what it cannot see: the loss on photos held out still
    falls then. That of one candidate jumps, so what is near counts, and not the least alone. A step that was saved and
    not evaluated counts with the loss of the step nearest to it that was, be that a candidate or not.
    """
    losses = _known_losses(candidates, evaluations)
    known = [loss for loss in losses if math.isfinite(loss)]
    if not known:
        return list(range(len(candidates)))
    bound = min(known) + STILL_TO_GO * (max(known) - min(known))
    near = [index for index, loss in enumerate(losses) if loss <= bound]
    from_first = [index for index in range(near[0], len(losses)) if math.isfinite(losses[index])]
    return near if 2 * len(near) >= len(from_first) else from_first


def shortlist(candidates: Sequence[Candidate], most: int) -> list[int]:
    """Gives the positions of at most `most` candidates: the least loss, the last one, and others evenly spaced."""
    if len(candidates) <= most:
        return list(range(len(candidates)))
    least = min(range(len(candidates)), key=lambda index: _loss_or_infinity(candidates[index]))
    chosen = {least, len(candidates) - 1}
    spaced = [round((number + 0.5) * len(candidates) / most - 0.5) for number in range(most)]
    for index in sorted(set(spaced) - chosen, key=lambda index: -abs(index - least)):
        if len(chosen) < most:
            chosen.add(index)
    return sorted(chosen)


def pictures_needed(plan: PickPlan) -> int:
    """Gives the most pictures that a choice draws, the class word's included."""
    total, alive, before = plan.rounds[-1], plan.most_candidates, 0
    for count in plan.rounds:
        total += alive * (count - before)
        alive, before = math.ceil(alive / plan.keep), count
    return total


def is_little_like(picked: Candidate) -> bool:
    """Says whether what was picked is little like the person; without a scorer nobody knows, and so it is not."""
    return picked.scores.get("identity", math.inf) < LOW_LIKENESS


def learning_share(run: Run) -> float:
    """Gives about how much of the time of learning and picking is learning.

    A step of a picture, with and without its prompt, is about as much work as a photo forward and back. Decoding and
    scoring counted, it took retrato-mini 1.06 times as long on a CPU without bfloat16, and 1.4 times on those that
    learn in bfloat16 and draw in float32 (1.3 to 1.5 in seven trainings of `benchmarks.likeness`).
    """
    plan = run.plan
    candidates = min(plan.pick.most_candidates, plan.steps // plan.save_every + 1)
    pictures = pictures_needed(dataclasses.replace(plan.pick, most_candidates=candidates))
    faster = uses_bfloat16(run.components, plan.batch_size, run.latent_cells)
    passes = plan.steps * plan.samples_per_step
    return passes / (passes + (PICTURE_STEP_BESIDE_BFLOAT16 if faster else PICTURE_STEP) * pictures * plan.pick.steps)


def _take_up(class_word: _Entry, images: Path, count: int) -> None:
    """Takes the class word's pictures that an earlier comparison of the run drew."""
    for cell in range(count):
        file = images / f"{class_word.candidate.file.stem}-{cell}.png"
        if not file.is_file():
            return
        with Image.open(file) as opened:
            class_word.pictures.append(opened.convert("RGB"))
        class_word.files.append(file)


def _draw_up_to(run: Run, entry: _Entry, count: int, subject: Subject | None) -> None:
    """Draws the cells that are missing up to `count`, with `subject`, or with what the candidate learned."""
    subject = subject or run.subject(run.read(entry.candidate.file))
    cells = range(len(entry.pictures), count)
    for cell, drawn in zip(cells, draw_cells(run.components, run.plan.pick, cells, subject), strict=True):
        entry.pictures.append(drawn.image)
        entry.files.append(save_as(drawn, run.folder.images / f"{entry.candidate.file.stem}-{cell}.png"))


def _least_loss(run: Run, candidates: Sequence[Candidate]) -> Choice:
    picked = min(candidates, key=lambda each: (_loss_or_infinity(each), -each.step))
    if not math.isfinite(picked.loss):
        return Choice(tuple(candidates), picked, f"{which(picked)} is the last; no loss on photos is known of any")
    whose = "held-out photos" if run.held_out else "photos"
    reason = f"{which(picked)} has the least loss on the {whose}, {picked.loss:.5f}; there was no scorer for pictures"
    return Choice(tuple(candidates), picked, reason)


def is_settled(run: Run, evaluations: Sequence[tuple[int, float]]) -> bool:
    """Says whether the loss of a run has settled, so that it would make no further step."""
    return has_settled(evaluations, run.plan.patience, run.plan.least_gain)


def figures_of(picked: Candidate, settled: bool) -> str:
    """Gives the scores of what was picked, as the end of a sentence; where they are low, what may raise them.

    More steps are none where the loss has `settled`: training would stop at once.
    """
    figures = (
        f"likeness {picked.scores['identity']:.2f}, prompt fidelity {picked.scores['prompt_fidelity']:.2f}, "
        f"together {picked.scores['harmonic']:.2f}"
    )
    if not is_little_like(picked):
        return figures
    if settled:
        return figures + "; that is little likeness: other photos or a closer start may do better"
    return figures + "; that is little likeness: more steps may do better"


def _reason(picked: Candidate, best: Candidate, run: Run, settled: bool) -> str:
    figures = figures_of(picked, settled)
    judged = "photos it never saw" if run.held_out else "the photos it was trained on, as none were held out"
    if picked is best:
        return f"{which(picked)} scores best against {judged}: {figures}"
    return (
        f"{which(picked)} is the earliest within one standard error of the best, {which(best)} with "
        f"{best.scores['harmonic']:.2f}, against {judged}: {figures}"
    )


def which(candidate: Candidate) -> str:
    """Gives what a candidate is called in a sentence."""
    return f"the moving average at step {candidate.step}" if candidate.is_average else f"step {candidate.step}"


def _known_losses(candidates: Sequence[Candidate], evaluations: Sequence[tuple[int, float]]) -> list[float]:
    """Gives each one's loss, that of the nearest evaluation where a step has none, infinity where nobody knows."""
    known = dict(evaluations) | {each.step: each.loss for each in candidates if _is_evaluated(each)}
    return [
        known[min(known, key=lambda step: abs(step - each.step))]
        if known and not each.is_average and math.isnan(each.loss)
        else _loss_or_infinity(each)
        for each in candidates
    ]


def _is_evaluated(candidate: Candidate) -> bool:
    """Says whether the loss is that of the vectors of this very step."""
    return math.isfinite(candidate.loss) and not candidate.is_average


def _loss_or_infinity(candidate: Candidate) -> float:
    return candidate.loss if math.isfinite(candidate.loss) else math.inf
