"""The way from photos to an embedding or a hypernetwork, as a generator of events: learn, evaluate, stop, pick.

A consumer that stops consuming stops the work; what was learned so far is on disk then. Knows nothing of the screen
and of the library that the result goes to, nor what it is that learns (see `learnable`).
"""

import contextlib
import dataclasses
import io
import json
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from retrato.errors import SettingsError, TrainingError
from retrato.files import append, write_atomic
from retrato.model import Components
from retrato.model.caption import Captioner
from retrato.model.score import Scorer
from retrato.photos import Photo
from retrato.settings import LearnSettings
from retrato.training.answer import Answer, Lesson, Wanted, answered
from retrato.training.candidates import evaluate_run, gather_candidates
from retrato.training.captions import captions_hint
from retrato.training.checkpoint import Checkpoint, last_good, load_checkpoint, save_checkpoint
from retrato.training.drawing import check_preview, draw_preview
from retrato.training.events import (
    Candidate,
    Comparing,
    Evaluated,
    Finished,
    Picked,
    Prepared,
    Saved,
    Scored,
    Stepped,
    TrainingEvent,
)
from retrato.training.extension import (
    after_extension,
    extended,
    extension,
    goes_on,
    is_no_worse,
    kept_before,
    still_best,
    was_extended,
)
from retrato.training.frozen import frozen
from retrato.training.learnable import write_artefact
from retrato.training.optimizer import (
    State,
    absolute_rates,
    advance,
    first_state,
    is_finite,
    known_good,
    roll_back,
    skip,
)
from retrato.training.pick import Choice, choose, is_settled, learning_share
from retrato.training.prepare import Run, check_inputs, prepare, settings_facts
from retrato.training.run_folder import RunFolder, kind_of, locked, open_loss_log
from retrato.training.summary import write_settings, write_summary
from retrato.training.verdict import PICKED_WITH

Said = TypeVar("Said")
Given = TypeVar("Given")
Sent = TypeVar("Sent")

SKIPPED_IN_A_ROW = 5
ROLLBACKS = 3


def train(
    components: Components,
    photos: Path | str | Sequence[Photo],
    settings: LearnSettings,
    *,
    run_folder: Path,
    scorer: Scorer | None = None,
    captioner: Captioner | None = None,
    resume: bool = False,
) -> Generator[TrainingEvent, None, None]:
    """Learns one person on the frozen model and says what happens; the last event names the file to use.

    TrainSettings make an embedding, HypernetworkSettings a hypernetwork.

    Everything is written under `run_folder` (see `run_folder.choose_run_folder`), where nobody else may be training.
    With `resume` the run in it goes on where it stopped, on a CPU bit for bit as if it had not. Without `scorer` the
    candidate of least loss is picked. Raises PhotoError, EmbeddingError, HypernetworkError, SettingsError and
    PromptError before anything is written, and TrainingError afterwards, which says where the last good checkpoint
    lies.
    """
    return answered(
        lesson(
            components,
            photos,
            settings,
            run_folder=run_folder,
            scorer=scorer,
            captioner=captioner,
            resume=resume,
        )
    )


def lesson(
    components: Components,
    photos: Path | str | Sequence[Photo],
    settings: LearnSettings,
    *,
    run_folder: Path,
    scorer: Scorer | None = None,
    captioner: Captioner | None = None,
    resume: bool = False,
) -> Lesson[TrainingEvent]:
    """Gives what `train` gives, but asks for each gradient with a Wanted, so that one pass can answer many lessons."""
    started = time.perf_counter()
    inputs = check_inputs(components, photos, settings)
    surprises = check_preview(components, inputs, settings)
    folder = RunFolder(Path(run_folder), settings.name, kind_of(settings))
    with _writing(folder), locked(folder.path):
        run = prepare(components, inputs, settings, folder, captioner)
        found = _found(run, resume)
        state = found.state if found else first_state(run.learnable.start)
        times = _times_of(folder)
        write_settings(run, state.step)
        first = run.plan.steps
        is_extended = found is not None and was_extended(run, found)
        if is_extended:
            run = extended(run)
        times["prepare"] += time.perf_counter() - started
        yield _prepared(run, state.step, surprises, picks=scorer is not None)
        with _kept(folder, times):
            state, stop_reason = yield from _timed(times, "train", _learn(run, state))
            kept = kept_before(run, state, first) if is_extended else None
            choice = yield from _timed(times, "pick", _pick(run, state, scorer, first if is_extended else 0, kept))
            if goes_on(run, state, choice.picked):
                run = extended(run)
                yield extension(run, first, choice.picked)
                state, stop_reason = yield from _timed(times, "train", _learn(run, state))
                again = _pick(run, state, scorer, first, choice.picked, choice.candidates)
                choice = yield from _timed(times, "pick", again)
        if run.plan.steps > first:
            stop_reason = after_extension(first, stop_reason)
        if state.skipped:
            stop_reason += f"; steps skipped, as their loss was not a number: {state.skipped} of {state.step}"
        yield Picked(choice.picked, choice.reason)
        finished = _finished(run, state, choice, stop_reason, times)
        write_summary(run, state, choice, finished)
        yield finished


@contextlib.contextmanager
def _writing(folder: RunFolder) -> Iterator[None]:
    """Turns a disk that refuses (full, read-only, gone) into a sentence that says where the last good work lies."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{error.filename or folder.path} cannot be written ({error.strerror or error}): {last_good(folder)}"
        ) from error


def _timed(times: dict[str, float], name: str, work: Generator[Said, Sent, Given]) -> Generator[Said, Sent, Given]:
    """Gives what `work` gives and adds the seconds it took to those of `name`."""
    started = time.perf_counter()
    try:
        return (yield from work)
    finally:
        times[name] += time.perf_counter() - started


def _times_of(folder: RunFolder) -> dict[str, float]:
    """Gives the seconds of each phase that a run has taken so far."""
    times = {"prepare": 0.0, "train": 0.0, "pick": 0.0}
    with contextlib.suppress(OSError, ValueError, TypeError):  # a new run, or an older one: they did not keep it
        times |= {name: float(seconds) for name, seconds in json.loads(folder.times.read_text("utf-8")).items()}
    return times


@contextlib.contextmanager
def _kept(folder: RunFolder, times: Mapping[str, float]) -> Iterator[None]:
    """Keeps the seconds for when an interrupted run goes on."""
    is_full = False
    try:
        yield
    except OSError:  # nor would there be room for this
        is_full = True
        raise
    finally:
        with contextlib.suppress(OSError):
            if folder.path.is_dir() and not is_full:  # it may have been deleted meanwhile
                write_atomic(folder.times, json.dumps(times))


def _found(run: Run, resume: bool) -> Checkpoint | None:
    """Gives the checkpoint to go on from, None for a new run; raises SettingsError where that would mix two runs."""
    found = load_checkpoint(run.folder.checkpoints)
    if found is None:
        return None
    if not resume:
        raise SettingsError(f"{run.folder.path} already holds a run: resume it, or give another folder")
    # A setting that is younger than the run was left at its default then; others may have been written differently.
    kind, written = type(run.settings), found.facts["settings"]
    if written.get("gradient_clip") is None:  # how to clip was taken once without a limit, and meant nothing
        written = {name: value for name, value in written.items() if name != "gradient_clip_by"}
    started_with = settings_facts(kind(**{name: value for name, value in written.items() if name in kind.model_fields}))
    for name, now in settings_facts(run.settings).items():
        before = started_with.get(name)
        if before != now:
            raise SettingsError(f"{name} is {now!r}, but the run to resume was started with {before!r}: use that again")
    if found.facts["model"] != run.facts["model"]:
        raise SettingsError(
            f"the run to resume was started on model {found.facts['model']}, this is {run.facts['model']}: take that"
        )
    for name, flag in (("vae", "--vae"), ("predicts", "--family")):
        if found.facts.get(name, run.facts[name]) != run.facts[name]:  # older runs do not say them
            raise SettingsError(f"the run to resume was started with another {flag}: give the same again")
    if found.facts["photos"] != run.facts["photos"]:
        raise SettingsError(
            f"the photos are not those that {run.folder.path} was started with: put them back, or start anew"
        )
    if found.facts.get("texts", run.facts["texts"]) != run.facts["texts"]:  # older runs do not say them
        raise SettingsError(
            f"the captions or the template are not those that {run.folder.path} was started with: "
            "put them back, or start anew"
        )
    return found


def _prepared(run: Run, first_step: int, surprises: Sequence[str], *, picks: bool) -> Prepared:
    return Prepared(
        photos=tuple(photo.path for photo in run.trained),
        held_out=tuple(photo.path for photo in run.held_out),
        captions={str(photo.path): caption for photo, caption in zip(run.photos, run.captions, strict=True)},
        steps=run.plan.steps,
        batch_size=run.plan.samples_per_step,
        first_step=first_step,
        run_folder=run.folder.path,
        settings=dataclasses.asdict(run.plan),
        learning_share=learning_share(run) if picks else 1.0,
        # A run that goes on keeps its captions, so there is nothing to be done about them.
        hint="" if first_step or run.settings.caption == "none" else captions_hint(run.captions, run.plan.templates),
        surprises=tuple(surprises),
    )


def _learn(run: Run, state: State) -> Generator[TrainingEvent | Wanted, Answer | None, tuple[State, str]]:
    """Makes steps until there is a reason to stop; gives the last state and the reason.

    A step's events come out once all of its work is done, so whoever stops at any of them leaves a whole step.
    """
    started, on_disk = time.perf_counter(), state.step
    try:
        with (
            frozen(run.components, run.plan.batch_size, run.latent_cells) as autocast,
            open_loss_log(run.folder.loss_log, state.step) as log,
        ):
            while (reason := _reason_to_stop(run, state)) is None:
                after, loss, rate = yield from _one_step(run, state, autocast)
                after, evaluated = _judged(run, after, autocast)
                after = _with_candidate(run, after, evaluated)
                stepped = _stepped(run, after, loss, rate, time.perf_counter() - started)
                _write_row(log, run, stepped, evaluated)
                state = after  # a step whose row is missing was not made
                saved = [Saved(state.step, _save(run, state))] if state.step in state.saved else []
                on_disk = state.step if saved else on_disk
                previewed = [draw_preview(run, state)] if _is_previewed(run, state) else []  # takes long: saved first
                yield stepped
                if evaluated is not None:
                    yield evaluated
                yield from previewed
                yield from saved
    finally:
        if state.step > on_disk:  # for whoever wants to use it, and to go on from
            _save(run, state)
    return state, reason


def _one_step(run: Run, state: State, autocast: bool) -> Generator[Wanted, Answer | None, tuple[State, float, float]]:
    """Gives the state after one step, its loss and its rate; a step with anything that is not a number is skipped."""
    plan = run.plan
    answer = yield Wanted(run, state, autocast)
    assert answer is not None, "whoever drives a lesson sends it what it wants"
    loss, gradient = answer
    rates = absolute_rates(plan, state, run.learnable.units)
    if math.isfinite(loss) and is_finite(gradient):
        moved = advance(state, gradient, rates, plan, run.learnable.units)
        if is_finite(moved.parameters):
            return moved, loss, rates[0]
    skipped = skip(state)
    if skipped.skipped_in_a_row >= SKIPPED_IN_A_ROW:
        skipped = _rolled_back(run, skipped)
    return skipped, loss, rates[0]


def _judged(run: Run, state: State, autocast: bool) -> tuple[State, Evaluated | None]:
    """Gives the state with its evaluation, where one is due, which makes it known to be good, or else takes it back."""
    # While steps are being skipped there is nothing new to judge, and nothing that is known to be good.
    if not _is_due(run, state) or (state.skipped_in_a_row and state.step != run.plan.steps):
        return state, None
    loss = evaluate_run(run, state.parameters, autocast)
    if not math.isfinite(loss):
        return _rolled_back(run, state), None
    best = state.best_evaluation
    is_best = best is None or loss < best[1]
    judged = dataclasses.replace(
        state,
        evaluations=(*state.evaluations, (state.step, loss)),
        best=state.parameters if is_best else state.best,
    )
    return known_good(judged), Evaluated(state.step, loss, is_best)


def _is_due(run: Run, state: State) -> bool:
    """Says whether an evaluation belongs to this step."""
    return state.step % run.plan.evaluate_every == 0 or state.step == run.plan.steps


def _with_candidate(run: Run, state: State, evaluated: Evaluated | None) -> State:
    """Gives the state, whose step is a candidate where one is due; what could not be judged is none."""
    is_sound = evaluated is not None or not (_is_due(run, state) or state.skipped_in_a_row)
    if is_sound and (state.step == run.plan.steps or state.step % run.plan.save_every == 0):
        return dataclasses.replace(state, saved=(*state.saved, state.step))
    return state


def _is_previewed(run: Run, state: State) -> bool:
    """Says whether a preview belongs to this step."""
    return run.plan.preview_every > 0 and state.step % run.plan.preview_every == 0


def _save(run: Run, state: State) -> Path:
    """Writes what is learned and a checkpoint, in this order: what belongs to a checkpoint is always there."""
    run.folder.require()
    file = write_artefact(run.artefact(state.parameters, state.step), run.folder.candidate(state.step))
    save_checkpoint(run.folder.checkpoints, state, run.facts)
    return file


def _rolled_back(run: Run, state: State) -> State:
    if state.rollbacks >= ROLLBACKS:
        is_half = run.components.dtype == torch.float16
        advice = "train with --dtype float32" if is_half else "take a lower learning rate"
        raise TrainingError(
            f"the loss was not a number in {state.skipped} of {state.step} steps, and going back to good ones "
            f"{ROLLBACKS} times did not help: {advice}; {last_good(run.folder)}"
        )
    return roll_back(state)


def _reason_to_stop(run: Run, state: State) -> str | None:
    """Says in one sentence why no further step is made, None while there is no reason."""
    plan = run.plan
    if is_settled(run, state.evaluations):
        step, loss = state.best_evaluation or (0, math.nan)
        whose = "held-out photos" if run.split.held_out else "photos"
        return (
            f"the loss on the {whose} has settled: no gain of {plan.least_gain:.1%} in {plan.patience} evaluations, "
            f"least {loss:.5f} at step {step}"
        )
    if state.step >= plan.steps:
        if len(state.evaluations) > 1 and state.best_evaluation == state.evaluations[-1]:
            return f"all {plan.steps} steps are done, and the loss was still falling: more steps may do better"
        return f"all {plan.steps} steps are done"
    return None


def _stepped(run: Run, state: State, loss: float, rate: float, seconds: float) -> Stepped:
    return Stepped(
        step=state.step,
        steps=run.plan.steps,
        loss=loss,
        learning_rate=rate,
        norms=run.learnable.lengths(state.parameters),
        seconds=seconds,
        samples=state.step * run.plan.samples_per_step,
    )


def _write_row(log: io.FileIO, run: Run, stepped: Stepped, evaluated: Evaluated | None) -> None:
    """Writes one line with A1111's columns, in which epochs count from 0 and the steps in them from 1."""
    per_epoch = max(1, len(run.trained) // run.plan.samples_per_step)
    epoch, epoch_step = divmod(stepped.step - 1, per_epoch)
    loss = "" if evaluated is None else f"{evaluated.loss:.7f}"
    row = f"{stepped.step},{epoch},{epoch_step + 1},{stepped.loss:.7f},{stepped.learning_rate:.7g},{loss}\n"
    append(log, row)


def _pick(
    run: Run,
    state: State,
    scorer: Scorer | None,
    after: int,
    kept: Candidate | None = None,
    before: Sequence[Candidate] = (),
) -> Generator[Comparing | Scored, None, Choice]:
    """Compares the candidates and writes the picked one, with its scores, as the file to use.

    Those of steps up to `after` are not compared: they were, `before`. What was `kept` then stays if it is no worse.
    """
    known = {each.file: each for each in (*gather_candidates(run, state), *filter(None, [kept]), *before)}
    candidates = sorted(known.values(), key=lambda each: (each.step, each.is_average))
    if not candidates:
        raise TrainingError(f"none of {state.step} steps has a loss that is a number: {last_good(run.folder)}")
    choice = yield from choose(run, candidates, scorer, after=after, evaluations=state.evaluations)
    if kept is not None and scorer is not None and is_no_worse(kept, choice.picked):
        reason = still_best(kept, choice.picked, is_settled(run, state.evaluations))
        return dataclasses.replace(choice, picked=kept, reason=reason)
    picked = run.read(choice.picked.file)
    facts = {**picked.metadata, **{name: f"{value:.4f}" for name, value in choice.picked.scores.items()}}
    if scorer is not None:
        facts[PICKED_WITH] = scorer.hash
    write_artefact(dataclasses.replace(picked, metadata=facts), run.folder.picked)
    return choice


def _finished(run: Run, state: State, choice: Choice, stop_reason: str, times: Mapping[str, float]) -> Finished:
    vectors = state.parameters[0] if run.folder.kind == "embeddings" else None
    return Finished(
        name=run.settings.name,
        file=run.folder.picked,
        vectors=len(vectors) if vectors is not None else 0,
        dim=vectors.shape[1] if vectors is not None else 0,
        numbers=sum(each.numel() for each in state.parameters),
        picked_step=choice.picked.step,
        steps_run=state.step,
        samples=state.step * run.plan.samples_per_step,
        seconds=sum(times.values()),
        stop_reason=stop_reason,
        candidates=choice.candidates,
        scores=choice.picked.scores,
        run_folder=run.folder.path,
        times=times,
    )
