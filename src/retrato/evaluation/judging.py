"""Draws embeddings in the prompts of the protocol and judges the pictures. Knows nothing of how they were learned."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import torch
from PIL import Image
from torch import Tensor

from retrato.embeddings import Embedding
from retrato.evaluation.people import Person
from retrato.evaluation.prompts import JudgedPrompt
from retrato.generation import GeneratedImage
from retrato.model import Components, Scorer
from retrato.training.drawing import draw_cells
from retrato.training.judge import Judge, Looks
from retrato.training.learnable import Subject
from retrato.training.recipes import PickPlan
from retrato.training.scores import SHORTEST_SCALE, Cells, Yardstick, score


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Pictures of an embedding, one for each cell, and what they say about it (see `measured.Measured`)."""

    pictures: tuple[GeneratedImage, ...]
    cells: Cells
    yardstick: Yardstick
    scores: dict[str, float]
    satisfied: float | None
    diversity: float | None
    closest: float
    rank1: float | None

    @property
    def anybody(self) -> float:
        """How alike the class word's pictures are to the person's photos, in raw cosine: identity 0."""
        return float(self._class_word_likeness.mean())

    @property
    def is_told_apart(self) -> bool:
        """Whether the person's own photos lie five standard errors of identity 0 above it; else identity is noise."""
        found = self._class_word_likeness
        error = float(found.std()) / len(found) ** 0.5 if len(found) > 1 else 0.0
        return self.yardstick.ceiling - self.anybody >= max(SHORTEST_SCALE, 5 * error)

    @property
    def _class_word_likeness(self) -> Tensor:
        cells, shown = self.yardstick.class_word.likeness, self.yardstick.shows_identity
        return cells[shown] if shown.any() else cells


@dataclasses.dataclass(frozen=True, slots=True)
class Court:
    """Prompts, seeds and scorer, and what every person is compared with; the same for all embeddings.

    Cell i is prompt i mod P with the seed `plan.first_seed + i // P`. `class_word` is what the scorer sees in the class
    word's pictures of all cells. `own` are each person's photos [M, E] that judge, `galleries` [people, E] their means.
    `wishes` are the texts [P, F] of the prompts, and `wishless` [P, F] of the prompts without what they wish for, with
    `has_wish` [P] where there is such a thing.
    """

    components: Components
    scorer: Scorer
    plan: PickPlan
    cells: range
    class_word: Looks
    ceilings: dict[str, float]
    own: dict[str, Tensor]
    galleries: Tensor
    wishes: Tensor
    wishless: Tensor
    has_wish: Tensor
    learned: dict[str, Tensor]

    @classmethod
    def open(
        cls,
        components: Components,
        scorer: Scorer,
        plan: PickPlan,
        prompts: Sequence[JudgedPrompt],
        people: Sequence[Person],
        subject: str,
        per_prompt: int,
    ) -> Self:
        """Gives the court: the class word drawn in all cells, everyone's photos looked at once."""
        cells = range(len(prompts) * per_prompt)
        texts = [prompt.text.replace("[name]", subject) for prompt in prompts]
        wishless = [(prompt.without_its_wish or prompt.text).replace("[name]", subject) for prompt in prompts]
        drawn = [picture.image for picture in draw_cells(components, plan, cells, Subject(subject))]
        own = {person.name: scorer.embed_identity(_images(person.judged_by)) for person in people}
        wishes = scorer.embed_texts(texts)
        means = torch.stack([photos.mean(dim=0) for photos in own.values()])
        return cls(
            components=components,
            scorer=scorer,
            plan=plan,
            cells=cells,
            class_word=Looks.at(scorer, drawn),
            ceilings={
                person.name: Judge(scorer, own[person.name], wishes).ceiling(_images(person.learned))
                for person in people
            },
            own=own,
            galleries=torch.nn.functional.normalize(means, dim=1),
            wishes=wishes,
            wishless=scorer.embed_texts(wishless),
            has_wish=torch.tensor([prompt.without_its_wish is not None for prompt in prompts]),
            learned={person.name: scorer.embed_images(_images(person.learned)) for person in people},
        )

    def judge(self, embedding: Embedding, person: Person, subject: str) -> Verdict:
        """Gives the verdict on `embedding`, drawn in all cells with `subject` in place of [name]."""
        pictures = self._draw(embedding, subject, self.cells)
        judge = self._judge(person)
        looks = judge.look([picture.image for picture in pictures])
        cells, yardstick = judge.cells_of(looks), self._yardstick(judge, person, len(self.cells))
        own = list(self.own).index(person.name)
        return Verdict(
            pictures=tuple(pictures),
            cells=cells,
            yardstick=yardstick,
            scores=score(cells, yardstick),
            satisfied=self._satisfied(looks.images),
            diversity=self._diversity(looks.images),
            closest=float((looks.images @ self.learned[person.name].T).max()),
            rank1=self._rank1(looks.identity, own),
        )

    def quick_scores(self, embedding: Embedding, person: Person, subject: str, most: int) -> dict[str, float]:
        """Gives the three scores from the first `most` cells."""
        cells = self.cells[:most]
        judge = self._judge(person)
        pictures = [picture.image for picture in self._draw(embedding, subject, cells)]
        return score(judge.cells(pictures), self._yardstick(judge, person, len(cells)))

    def class_word_rank1(self) -> float | None:
        """Gives the share that chance would recognise, were the class word's pictures those of each person in turn."""
        found = [self._rank1(self.class_word.identity, own) for own in range(len(self.galleries))]
        known = [share for share in found if share is not None]
        return sum(known) / len(known) if known else None

    def _draw(self, embedding: Embedding, subject: str, cells: range) -> list[GeneratedImage]:
        name = subject.strip("()").split(":")[0]
        named = {name: dataclasses.replace(embedding, name=name)}
        return draw_cells(self.components, self.plan, cells, Subject(subject, embeddings=named))

    def _judge(self, person: Person) -> Judge:
        return Judge(self.scorer, self.own[person.name], self.wishes)

    def _yardstick(self, judge: Judge, person: Person, count: int) -> Yardstick:
        first = Looks(self.class_word.identity[:count], self.class_word.images[:count])
        return Yardstick(
            class_word=judge.cells_of(first),
            ceiling=self.ceilings[person.name],
            unrelated=judge.unrelated_of(self.class_word.images),
            shows_identity=self._shows_identity(count),
        )

    def _shows_identity(self, count: int) -> Tensor:
        prompts = self.plan.prompts
        return torch.tensor([prompts[cell % len(prompts)].shows_identity for cell in range(count)])

    def _satisfied(self, images: Tensor) -> float | None:
        of = torch.arange(len(images)) % len(self.wishes)
        nearer = (images * (self.wishes[of] - self.wishless[of])).sum(dim=1) > 0
        asked = self.has_wish[of]
        return float(nearer[asked].float().mean()) if asked.any() else None

    def _diversity(self, images: Tensor) -> float | None:
        prompts = len(self.wishes)
        groups = [images[number::prompts] for number in range(prompts)]
        distances = [1 - (group @ group.T)[~torch.eye(len(group), dtype=torch.bool)] for group in groups]
        found = torch.cat(distances)
        return float(found.mean()) if len(found) else None

    def _rank1(self, identity: Tensor, own: int) -> float | None:
        if len(self.galleries) < 2:
            return None
        shown = identity[self._shows_identity(len(identity))]
        return float(((shown @ self.galleries.T).argmax(dim=1) == own).float().mean())


def _images(photos: Sequence[object]) -> list[Image.Image]:
    return [photo.image for photo in photos]  # type: ignore[attr-defined]
