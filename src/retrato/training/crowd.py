"""Many people in one batch: the model is frozen and only the vectors differ, so one pass answers many lessons.

Each lesson draws, evaluates, saves, stops and picks by itself, as if it were alone; only its gradients are computed
together with the others'. What goes wrong in one ends that one. There are never more begun than fill a pass, as each
holds its photos. Knows nothing of what lessons do with their gradients.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from retrato.errors import RetratoError
from retrato.model import Components, encode, token_chunks
from retrato.model.memory import is_out_of_memory
from retrato.prompts import Chunk
from retrato.training.answer import MOST_TRIES, Answer, Lesson, Room, Wanted, answer_of, fewer
from retrato.training.optimizer import Parameters
from retrato.training.step import Batch, loss_scale, losses

logger = logging.getLogger("retrato")
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Failed:
    """This person's training ended with an error, said in one sentence; the others go on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Of(Generic[Event]):
    """What happened to one person of a crowd."""

    name: str
    event: Event | Failed


@dataclass(frozen=True, slots=True)
class _Piece:
    """Examples of one person that are encoded alike: `whose` is their place in the crowd, `weights` [b] of the loss."""

    whose: int
    batch: Batch
    chunks: list[list[Chunk]]
    weights: Tensor


def crowd(
    components: Components, lessons: Mapping[str, Lesson[Event]], *, at_once: int = 32
) -> Generator[Of[Event], None, None]:
    """Gives the events of all lessons, which learn embeddings on the one model `components`, until the last is over.

    Passes hold at most `at_once` examples, fewer where memory does not suffice. A lesson begins once those at work
    leave room in a pass; what it needs it should take only then. Whoever stops consuming stops all lessons; each of
    them saves what it knows.
    """
    waiting: dict[str, Wanted] = {}
    to_come = iter(lessons.items())
    with contextlib.ExitStack() as open_lessons:
        for lesson in lessons.values():
            open_lessons.callback(lesson.close)
        while True:
            while _examples(waiting) < at_once and (following := next(to_come, None)):
                yield from _goes_on(*following, None, waiting)
            if not waiting:
                return
            at_once = yield from _step(components, lessons, waiting, at_once)


def _examples(waiting: Mapping[str, Wanted]) -> int:
    return sum(wanted.run.plan.samples_per_step for wanted in waiting.values())


def _step(
    components: Components, lessons: Mapping[str, Lesson[Event]], waiting: dict[str, Wanted], at_once: int
) -> Generator[Of[Event], None, int]:
    """Answers all that are `waiting`, gives the events until they wait again, and how many examples a pass can hold."""
    asked = list(waiting.items())
    waiting.clear()
    answers, at_once = _answers(components, [wanted for _, wanted in asked], at_once)
    for (name, wanted), answer in zip(asked, answers, strict=True):
        yield from _goes_on(name, lessons[name], answer, waiting, wanted, at_once)
    return at_once


def _goes_on(
    name: str,
    lesson: Lesson[Event],
    answer: Answer | None,
    waiting: dict[str, Wanted],
    asked: Wanted | None = None,
    at_once: int | None = None,
) -> Generator[Of[Event], None, None]:
    """Gives a lesson's events until it wants its next gradient, which is then `waiting`, or is over, well or badly.

    Where there is no `answer` to what it `asked`, it is answered alone, `at_once` examples at a time, so that what is
    wrong is its own.
    """
    try:
        if answer is None and asked is not None:
            answer = answer_of(asked, room=Room(at_once))
        while True:
            said = lesson.send(answer)
            if isinstance(said, Wanted):
                waiting[name] = said
                return
            answer = None
            yield Of(name, said)
    except StopIteration:
        return
    except Exception as error:
        if not isinstance(error, RetratoError):
            logger.warning("%s: unexpected %s", name, type(error).__name__, exc_info=error)
        with contextlib.suppress(RetratoError, OSError):
            lesson.close()
        yield Of(name, Failed(str(error) or type(error).__name__))


def _answers(components: Components, wanted: Sequence[Wanted], at_once: int) -> tuple[list[Answer | None], int]:
    """Gives all answers, and how many examples a pass can hold; None for all where they cannot be computed together.

    Passes of one example hold nothing together: everybody alone is then the last of MOST_TRIES.
    """
    for left in reversed(range(1, MOST_TRIES)):
        if at_once == 1:
            break
        try:
            return list(joint_gradients(components, wanted, at_once)), at_once
        except Exception as error:
            if not is_out_of_memory(error):
                logger.warning("a step could not be made together (%s), so everybody makes it alone", error)
                break
        at_once = fewer(at_once, left)
    return [None] * len(wanted), at_once


def joint_gradients(components: Components, wanted: Sequence[Wanted], at_once: int) -> list[Answer]:
    """Gives (mean loss, gradient) for each lesson, as `step.gradients` does for it alone, but for rounding.

    Examples whose texts are equally many chunks long go through the model together: padding shorter ones would change
    what they are told.
    """
    leaves = [
        tuple(each.detach().to(components.device).requires_grad_(True) for each in one.state.parameters)
        for one in wanted
    ]
    sums = [[torch.zeros_like(each) for each in own] for own in leaves]
    totals = [0.0] * len(wanted)
    scale = loss_scale(components)
    for pieces in _passes(components, wanted, at_once):
        present = sorted({piece.whose for piece in pieces})
        each_loss = _losses(components, wanted, leaves, pieces)
        weights = torch.cat([piece.weights for piece in pieces]).to(components.device)
        flat = [leaf for whose in present for leaf in leaves[whose]]
        found = iter(torch.autograd.grad((each_loss * weights).sum() * scale, flat))
        for whose in present:
            sums[whose] = [kept + next(found) / scale for kept in sums[whose]]
        parts = each_loss.detach().split([len(piece.weights) for piece in pieces])
        for piece, own in zip(pieces, parts, strict=True):
            totals[piece.whose] += float(own.sum())
    return [
        (total / one.run.plan.samples_per_step, _on_cpu(own))
        for total, one, own in zip(totals, wanted, sums, strict=True)
    ]


def _losses(
    components: Components, wanted: Sequence[Wanted], leaves: Sequence[Parameters], pieces: Sequence[_Piece]
) -> Tensor:
    """Gives the loss of each example of one pass."""
    first = wanted[pieces[0].whose]
    vectors = {wanted[piece.whose].run.settings.name: leaves[piece.whose] for piece in pieces}
    every_chunk = [chunks for piece in pieces for chunks in piece.chunks]
    conditioning = encode(components, every_chunk, vectors, clip_skip=first.run.plan.clip_skip)
    batch = Batch(
        torch.cat([piece.batch.latents for piece in pieces]),
        torch.cat([piece.batch.noise for piece in pieces]),
        torch.cat([piece.batch.timesteps for piece in pieces]),
        tuple(text for piece in pieces for text in piece.batch.texts),
        _masks([piece.batch for piece in pieces]),
    )
    return losses(components, first.run.diffusion, batch, conditioning, first.autocast)


def _masks(batches: Sequence[Batch]) -> Tensor | None:
    """Gives the masks of all examples; those of a person without any are 1."""
    if all(batch.masks is None for batch in batches):
        return None
    return torch.cat(
        [torch.ones_like(batch.latents[:, :1]) if batch.masks is None else batch.masks for batch in batches]
    )


def _passes(components: Components, wanted: Sequence[Wanted], at_once: int) -> Iterable[list[_Piece]]:
    """Gives the examples of all lessons in passes of at most `at_once`, those of a pass alike for model and encoder."""
    alike: dict[tuple[object, ...], list[_Piece]] = {}
    for whose, one in enumerate(wanted):
        plan, taken = one.run.plan, {one.run.settings.name: len(one.state.parameters[0])}
        # A lesson alone pads the texts of a part of its batch to the longest of them, and so it does here.
        for part in one.batch().split(plan.batch_size):
            chunks = [token_chunks(components, text, taken) for text in part.texts]
            longest = max(map(len, chunks))
            chunks = [own + [Chunk((), ())] * (longest - len(own)) for own in chunks]
            weights = torch.full((len(chunks),), 1 / plan.samples_per_step)
            for start in range(0, len(chunks), at_once):
                few = slice(start, start + at_once)
                piece = _Piece(whose, part.part(few), chunks[few], weights[few])
                alike.setdefault((longest, one.autocast, plan.clip_skip, *part.latents.shape[1:]), []).append(piece)
    for pieces in alike.values():
        one_pass: list[_Piece] = []
        for piece in pieces:
            if one_pass and sum(len(each.weights) for each in one_pass) + len(piece.weights) > at_once:
                yield one_pass
                one_pass = []
            one_pass.append(piece)
        yield one_pass


def _on_cpu(tensors: Sequence[Tensor]) -> Parameters:
    return tuple(each.cpu() for each in tensors)
