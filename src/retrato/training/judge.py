"""How pictures are judged: raw cosines to a person's photos and to the prompts they were drawn for.

Knows nothing of what drew the pictures, and of what follows from the cosines (see `scores`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from PIL import Image
from torch import Tensor

from retrato.model.score import Scorer
from retrato.training.recipes import PickPlan
from retrato.training.scores import Cells, Yardstick


@dataclass(frozen=True, slots=True)
class Looks:
    """What the scorer sees in n pictures: `identity` [n, E] for people, `images` [n, F] for what is shown."""

    identity: Tensor
    images: Tensor

    @classmethod
    def at(cls, scorer: Scorer, pictures: Sequence[Image.Image]) -> Self:
        """Gives what `scorer` sees in `pictures`; a plain CLIP sees people in what it sees at all."""
        images = scorer.embed_images(pictures)
        is_one = type(scorer).embed_identity is Scorer.embed_identity and scorer.identity is None
        return cls(images if is_one else scorer.embed_identity(pictures), images)

    def __add__(self, others: "Looks") -> "Looks":
        """Gives the looks of these pictures and then the others."""
        return Looks(torch.cat([self.identity, others.identity]), torch.cat([self.images, others.images]))


@dataclass(frozen=True, slots=True)
class Judge:
    """The scorer, and what it compares pictures with: `photos` [M, E] of the person, `texts` [P, F] of the prompts.

    Pictures come in the order of cells: cell i was drawn with prompt i mod P.
    """

    scorer: Scorer
    photos: Tensor
    texts: Tensor

    def look(self, pictures: Sequence[Image.Image]) -> Looks:
        """Gives what the scorer sees in `pictures`."""
        return Looks.at(self.scorer, pictures)

    def cells(self, pictures: Sequence[Image.Image]) -> Cells:
        """Gives the raw cosines of pictures drawn in the cells 0, 1, 2 and so on."""
        return self.cells_of(self.look(pictures))

    def cells_of(self, looks: Looks) -> Cells:
        """Gives the same of pictures that were looked at already."""
        texts = self.texts[torch.arange(len(looks.images)) % len(self.texts)]
        return Cells((looks.identity @ self.photos.T).mean(dim=1), (looks.images * texts).sum(dim=1))

    def unrelated_of(self, images: Tensor) -> float:
        """Gives the mean cosine of pictures [n, F], looked at already, to the prompts they were not drawn for."""
        own = torch.arange(len(images)) % len(self.texts)
        return float((images @ self.texts.T)[own[:, None] != torch.arange(len(self.texts))].mean())

    def ceiling(self, others: Sequence[Image.Image] = ()) -> float:
        """Gives how alike real photos are: `photos` against the `others`, or against each other where there are none.

        A single photo has nothing to be compared with: 1, what it is to itself.
        """
        if others:
            return float((self.scorer.embed_identity(others) @ self.photos.T).mean())
        count = len(self.photos)
        cosines = self.photos @ self.photos.T
        return float(cosines[~torch.eye(count, dtype=torch.bool)].mean()) if count > 1 else 1.0

    def yardstick(self, plan: PickPlan, class_word: Looks, ceiling: float) -> Yardstick:
        """Gives what raw cosines mean, from looks at pictures drawn with the class word in the same cells."""
        count = len(class_word.images)
        shows = torch.tensor([plan.prompts[cell % len(plan.prompts)].shows_identity for cell in range(count)])
        return Yardstick(self.cells_of(class_word), ceiling, self.unrelated_of(class_word.images), shows)


def judge_of(scorer: Scorer, photos: Sequence[Image.Image], prompts: Sequence[str]) -> Judge:
    """Gives the judge that compares with `photos` and with `prompts`."""
    return Judge(scorer, scorer.embed_identity(photos), scorer.embed_texts(prompts))
