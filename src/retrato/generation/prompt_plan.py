"""From the words of a prompt to what the U-Net is told at each step. Each distinct text is encoded once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import torch

from retrato.embeddings import Embedding
from retrato.errors import EmbeddingError, PromptError
from retrato.model.components import Components
from retrato.model.text import Conditioning, encode, token_chunks
from retrato.prompts import Chunk, Tag, extract_tags, prompt_schedule, split_and
from retrato.sampling.guidance import Guidance
from retrato.settings import GenerateSettings

LARGEST_WEIGHT = 100.0
"""The most that a word or a prompt may weigh, up or down; pictures fall apart long before."""

ROWS_AT_ONCE = 16
"""Chunks encoded together: an alternation has a text for each step, and of 150 the hidden states in XL take 2.6 GB."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which conditioning holds up to which step (inclusive); one part of a prompt, or the negative prompt.

    `names` are the embeddings in it, in order.
    """

    ends: tuple[tuple[int, Conditioning], ...]
    names: tuple[str, ...] = ()

    def at(self, step: int) -> Conditioning:
        """Gives what holds at `step`, counted from 1."""
        return next((conditioning for end, conditioning in self.ends if step <= end), self.ends[-1][1])


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A prompt read and encoded: its parts (more than one with AND) with their weights, and the negative prompt.

    `tags` are those of the prompt, for whoever can apply them.
    """

    parts: tuple[tuple[Schedule, float], ...]
    negative: Schedule
    scale: float
    tags: tuple[Tag, ...] = ()

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """Gives the embeddings in both prompts, in order of first use."""
        schedules = [*(part for part, _ in self.parts), self.negative]
        return tuple(dict.fromkeys(name for schedule in schedules for name in schedule.names))

    def guidance_at(self, step: int) -> Guidance:
        """Gives what holds at `step`, counted from 1."""
        return Guidance(
            tuple((part.at(step), weight) for part, weight in self.parts), self.negative.at(step), self.scale
        )


def plan_prompt(
    components: Components,
    settings: GenerateSettings,
    embeddings: Mapping[str, Embedding],
    *,
    hires_steps: int | None = None,
) -> PromptPlan:
    """Reads and encodes `settings`' prompts, in which the names of `embeddings` stand for their vectors.

    With `hires_steps` it is what holds in the second pass of that many steps.

    Raises PromptError for weights beyond all bounds, and EmbeddingError for an embedding in the prompt that was made
    for another model.
    """
    text, tags = extract_tags(settings.prompt)
    for part, weight in split_and(text):
        _check_weight(part, weight)
    parts = tuple(
        (_encode_schedule(components, part, settings, embeddings, hires_steps), weight)
        for part, weight in split_and(text)
    )
    negative = _encode_schedule(components, settings.negative_prompt, settings, embeddings, hires_steps)
    if components.zero_empty_negative and not settings.negative_prompt.strip():
        negative = Schedule(tuple((end, _zeros_like(conditioning)) for end, conditioning in negative.ends))
    scale = settings.guidance_scale
    return PromptPlan(parts, negative, components.defaults.guidance_scale if scale is None else scale, tuple(tags))


@torch.no_grad()
def _encode_schedule(
    components: Components,
    prompt: str,
    settings: GenerateSettings,
    embeddings: Mapping[str, Embedding],
    hires_steps: int | None,
) -> Schedule:
    """Encodes the distinct texts of one schedule, few at a time, so that they all have the same number of chunks."""
    schedule = prompt_schedule(prompt, settings.steps, rules=settings.schedule_rules, hires_steps=hires_steps)
    counts = {name: embedding.vectors_per_token for name, embedding in embeddings.items()}
    chunks = {
        text: token_chunks(components, text, counts, emphasis=settings.emphasis)
        for text in dict.fromkeys(text for _, text in schedule)
    }
    _check_weights(chain.from_iterable(chunks.values()))
    used = dict.fromkeys(slot.name for chunk in chain.from_iterable(chunks.values()) for slot in chunk.slots)
    vectors = {name: _fitting_vectors(components, embeddings[name]) for name in used}
    texts = list(chunks)
    longest = max(map(len, chunks.values()))
    at_once = max(1, ROWS_AT_ONCE // longest)
    rows: dict[str, Conditioning] = {}
    for first in range(0, len(texts), at_once):
        some = texts[first : first + at_once]
        encoded = encode(
            components,
            [chunks[text] for text in some],
            vectors,
            clip_skip=settings.clip_skip,
            emphasis=settings.emphasis,
            least=longest,
        )
        rows |= {text: encoded.row(number) for number, text in enumerate(some)}
    return Schedule(tuple((end, rows[text]) for end, text in schedule), tuple(used))


def _check_weights(chunks: Iterable[Chunk]) -> None:
    for chunk in chunks:
        for weight in chunk.weights:
            _check_weight("a word", weight)


def _check_weight(what: str, weight: float) -> None:
    if abs(weight) > LARGEST_WEIGHT:
        raise PromptError(
            f"{what.strip()[:40]} weighs {weight:g}: at most {LARGEST_WEIGHT:g} can be drawn, and 1.5 is much already"
        )


def _fitting_vectors(components: Components, embedding: Embedding) -> tuple[torch.Tensor, ...]:
    if embedding.dims != components.token_widths:
        held, wanted = (" and ".join(map(str, each)) for each in (embedding.dims, components.token_widths))
        raise EmbeddingError(
            f"{embedding.name} holds vectors of {held}, but {components.name} takes {wanted}: "
            "it was made for another model"
        )
    return embedding.vectors


def _zeros_like(conditioning: Conditioning) -> Conditioning:
    """XL was trained with zeros, not with an encoded empty text, for "no prompt"."""
    pooled = None if conditioning.pooled is None else torch.zeros_like(conditioning.pooled)
    return Conditioning(torch.zeros_like(conditioning.states), pooled)
