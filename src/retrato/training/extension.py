"""When a training goes on beyond its steps: the best of them is little like the person, and the loss has not settled.

Most people are learned in the recipe's steps; the few who are not are so in twice as many (`docs/log.md`, 2026-11-27).
Knows nothing of how steps are made and candidates compared.
"""

import dataclasses

from retrato.training.evaluate import has_settled
from retrato.training.events import Candidate, Extended
from retrato.training.optimizer import State
from retrato.training.pick import is_little_like, learning_share, which
from retrato.training.prepare import Run


def goes_on(run: Run, state: State, picked: Candidate) -> bool:
    """Says whether the plan's extra steps are to be made."""
    plan = run.plan
    is_at_end = state.step == plan.steps and not has_settled(state.evaluations, plan.patience, plan.least_gain)
    return plan.extra_steps > 0 and is_at_end and is_little_like(picked)


def extended(run: Run) -> Run:
    """Gives the run with the extra steps."""
    return dataclasses.replace(run, plan=run.plan.extended())


def extension(run: Run, first: int, picked: Candidate) -> Extended:
    """Gives the event that says why the extended `run` goes on after the `first` steps."""
    reason = (
        f"the best of {first} steps, {which(picked)}, has a likeness of {picked.scores['identity']:.2f}, "
        f"which is little: training goes on, to step {run.plan.steps} at most"
    )
    return Extended(run.plan.steps, reason, learning_share(run.plan))


def after_extension(first: int, stop_reason: str) -> str:
    """Gives why an extended training stopped, which also says that it was extended."""
    return f"there was little likeness after {first} steps, so training went on; {stop_reason}"
