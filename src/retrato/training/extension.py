"""When a training goes on beyond its steps: the best of them is little like the person, and the loss has not settled.

Most people are learned in the recipe's steps, and most others in twice as many (`docs/log.md`, 2026-11-27).
Knows nothing of how steps are made and candidates compared.
"""

import dataclasses
import math

from retrato.errors import EmbeddingError, HypernetworkError
from retrato.training.candidates import AVERAGE
from retrato.training.checkpoint import Checkpoint
from retrato.training.events import Candidate, Extended
from retrato.training.learnable import write_artefact
from retrato.training.optimizer import State
from retrato.training.pick import figures_of, is_little_like, is_settled, learning_share, which
from retrato.training.prepare import EXTENDED, Run
from retrato.training.verdict import PICKED_WITH

SCORES = frozenset({"identity", "prompt_fidelity", "harmonic", "pictures"})


def goes_on(run: Run, state: State, picked: Candidate) -> bool:
    """Says whether the plan's extra steps are to be made."""
    is_at_end = state.step == run.plan.steps and not is_settled(run, state.evaluations)
    return run.plan.extra_steps > 0 and is_at_end and is_little_like(picked)


def extended(run: Run) -> Run:
    """Gives the run with the extra steps, whose checkpoints say so."""
    return dataclasses.replace(run, plan=run.plan.extended(), facts={**run.facts, EXTENDED: True})


def was_extended(run: Run, found: Checkpoint) -> bool:
    """Says whether the run was on its extra steps at that checkpoint; older ones do not say it, but how far it was."""
    return run.plan.extra_steps > 0 and bool(found.facts.get(EXTENDED, found.state.step > run.plan.steps))


def extension(run: Run, first: int, picked: Candidate) -> Extended:
    """Gives the event that says why the extended `run` goes on after the `first` steps."""
    reason = (
        f"the best of {first} steps, {which(picked)}, has a likeness of {picked.scores['identity']:.2f}, "
        f"which is little: training goes on, to step {run.plan.steps} at most"
    )
    return Extended(run.plan.steps, reason, learning_share(run))


def after_extension(first: int, stop_reason: str) -> str:
    """Gives why an extended training stopped, which also says that it was extended."""
    return f"there was little likeness after {first} steps, so training went on; {stop_reason}"


def kept_before(run: Run, state: State, first: int) -> Candidate | None:
    """Gives what was picked among the `first` steps, as an interrupted run left it; None where there is nothing."""
    try:
        picked = run.read(run.folder.picked)
    except (EmbeddingError, HypernetworkError):
        return None
    facts = picked.metadata
    if picked.step is None or picked.step > first or not facts.keys() >= SCORES:
        return None
    is_average = "averaged_over" in facts
    file = run.folder.candidate(picked.step, AVERAGE if is_average else "")
    if not file.exists():  # somebody cleared candidates away: what was picked is one of them, and its scores
        own = {name: fact for name, fact in facts.items() if name not in (*SCORES, PICKED_WITH)}
        write_artefact(dataclasses.replace(picked, metadata=own), file)
    pictures = [run.folder.images / f"{file.stem}-{cell}.png" for cell in range(run.plan.pick.rounds[-1])]
    return Candidate(
        picked.step,
        file,
        math.nan if is_average else dict(state.evaluations).get(picked.step, math.nan),
        scores={name: float(facts[name]) for name in SCORES},
        pictures=tuple(picture for picture in pictures if picture.exists()),
        is_average=is_average,
    )


def is_no_worse(kept: Candidate, picked: Candidate) -> bool:
    """Says whether what was `kept` before scores no less than what was `picked` since; files have four digits."""
    return round(kept.scores["harmonic"], 4) >= round(picked.scores["harmonic"], 4)


def still_best(kept: Candidate, picked: Candidate, settled: bool) -> str:
    """Gives why `kept` stays, as a pick's reason; `settled` is as in `pick.figures_of`."""
    since = f"{which(picked)} is the best of those since then, with {picked.scores['harmonic']:.2f}"
    return f"{which(kept)} is kept: {since}, and this one has {figures_of(kept, settled)}"
