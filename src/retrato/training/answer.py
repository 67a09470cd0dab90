"""Computes the gradients that lessons ask for, one lesson at a time.

A lesson is the whole way of one person as a generator that asks for each gradient instead of computing it; so the same
lesson can be answered alone (here) or together with others (see `crowd`). Knows nothing of what a lesson does with it.
"""

import contextlib
import math
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

import torch

from retrato.errors import TrainingError
from retrato.training.checkpoint import last_good
from retrato.training.optimizer import Parameters, State
from retrato.training.prepare import Run
from retrato.training.step import WHOLE, Batch, Share, draw_batch, draw_material, gradients


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gradient that a lesson waits for: send it (loss, gradient) as `step.gradients` gives them for its next step."""

    run: Run
    state: State
    autocast: bool

    def batch(self) -> Batch:
        """Gives the examples of the step."""
        material = draw_material(self.run.materials, self.run.plan.seed, self.state.step)
        return draw_batch(material, self.run.plan, self.run.diffusion.timesteps, self.state.step)


# A batch is tried whole, then in ever smaller parts, the last time example by example.
MOST_TRIES = 5
Answer = tuple[float, Parameters]
Event = TypeVar("Event")
# What yields events and asks for gradients on the way.
Lesson = Generator[Event | Wanted, Answer | None, None]


def answered(
    lesson: Lesson[Event], answer_to: Callable[[Wanted], Answer] | None = None
) -> Generator[Event, None, None]:
    """Gives the events of a lesson, whose gradients are computed as they are asked for, by default by `answer_of`."""
    with contextlib.closing(lesson):
        answer: Answer | None = None
        while True:
            try:
                said = lesson.send(answer)
            except StopIteration:
                return
            if isinstance(said, Wanted):
                answer = (answer_to or answer_of)(said)
            else:
                answer = None
                yield said


def answer_of(wanted: Wanted, share: Share = WHOLE, most_at_once: int | None = None) -> Answer:
    """Gives the gradient that is wanted, or the `share` of it that this process is to compute.

    It is computed in parts of `most_at_once` examples, by default the whole batch; where memory is too small for that,
    in smaller ones. Raises TrainingError where it is too small for a single example, after at most MOST_TRIES.
    """
    run, plan = wanted.run, wanted.run.plan
    batch, whole = wanted.batch(), -(-plan.batch_size // share.count)
    at_once = min(whole, most_at_once or whole)
    for left in reversed(range(MOST_TRIES)):
        try:
            return gradients(
                run.components,
                run.diffusion,
                batch,
                run.learnable,
                wanted.state.parameters,
                plan,
                wanted.autocast,
                wanted.state.step,
                share,
                at_once,
            )
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if at_once == 1:
                raise TrainingError(
                    f"there is too little memory on {run.components.device} for a single example{_needed(error)}: "
                    f"close other programs, or use a smaller model; {last_good(run.folder)}"
                ) from None
        at_once = fewer(at_once, left)
    raise AssertionError("unreachable: the last try is one example")


def fewer(at_once: int, tries: int) -> int:
    """Gives how many examples to try next where `at_once` are too many; the last of so many `tries` is one example."""
    return at_once // max(2, math.ceil(at_once ** (1 / tries)))


def is_out_of_memory(error: Exception) -> bool:
    """Says whether `error` is that of a device, or of the processor's memory, that is full."""
    said = str(error)  # by the processor's allocator in other words on Windows than elsewhere
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in said or "can't allocate memory" in said


def _needed(error: Exception) -> str:
    """Gives the size that was asked for and not to be had, as far as the allocator says it."""
    found = re.search(r"tried to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
    return f", {found[1]} more are needed" if found else ""
