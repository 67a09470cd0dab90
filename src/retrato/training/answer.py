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

from retrato.errors import TrainingError
from retrato.model.memory import is_out_of_memory, lift_bound
from retrato.training.checkpoint import last_good
from retrato.training.optimizer import Parameters, State
from retrato.training.prepare import Run
from retrato.training.step import WHOLE, Batch, Share, draw_batch, gradients


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gradient that a lesson waits for: send it (loss, gradient) as `step.gradients` gives them for its next step."""

    run: Run
    state: State
    autocast: bool

    def batch(self) -> Batch:
        """Gives the examples of the step."""
        return draw_batch(self.run.materials, self.run.plan, self.run.diffusion.timesteps, self.state.step)


@dataclass(slots=True)
class Room:
    """How many examples had room in memory at once, None while there never were too many; kept from step to step."""

    at_once: int | None = None


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
        room = Room()
        while True:
            try:
                said = lesson.send(answer)
            except StopIteration:
                return
            if isinstance(said, Wanted):
                answer = answer_to(said) if answer_to else answer_of(said, room=room)
            else:
                answer = None
                yield said


def answer_of(wanted: Wanted, share: Share = WHOLE, room: Room | None = None) -> Answer:
    """Gives the gradient that is wanted, or the `share` of it that this process is to compute.

    It is computed in parts of as many examples as there was `room` for, by default the whole batch; where memory is too
    small for that, in smaller ones, and in the end with gradient checkpointing (arXiv:1604.06174), which computes the
    U-Net's blocks twice. Raises TrainingError where it is too small for a single example even so.
    """
    run, plan = wanted.run, wanted.run.plan
    room = room or Room()
    batch, whole = wanted.batch(), -(-plan.batch_size // share.count)
    at_once, left = min(whole, room.at_once or whole), MOST_TRIES
    while True:
        left -= 1
        try:
            answer = gradients(
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
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if at_once == 1 and not _computes_blocks_twice(run) and not lift_bound(run.components.device):
                raise TrainingError(
                    f"there is too little memory on {run.components.device} for a single example{_needed(error)}: "
                    f"close other programs, or use a smaller model; {last_good(run.folder)}"
                ) from None
            at_once = room.at_once = fewer(at_once, left) if at_once > 1 else 1
        else:
            return answer


def _computes_blocks_twice(run: Run) -> bool:
    """Switches gradient checkpointing on, until `frozen` ends; False where it is, or would draw drop-out anew."""
    unet = run.components.unet
    if unet.is_gradient_checkpointing or getattr(run.settings, "dropout", None):
        return False
    unet.enable_gradient_checkpointing()
    return True


def fewer(at_once: int, tries: int) -> int:
    """Gives how many examples to try next where `at_once` are too many; the last of so many `tries` is one example."""
    return at_once // max(2, math.ceil(at_once ** (1 / tries)))


def _needed(error: Exception) -> str:
    """Gives the size that was asked for and not to be had, as far as the allocator says it."""
    found = re.search(r"tried to allocate ([\d.]+ \w+)", str(error), re.IGNORECASE)
    return f", {found[1]} more are needed" if found else ""
