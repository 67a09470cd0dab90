"""What pictures are compared with: a person's photos and the prompts, as the scorer sees them.

Knows nothing of who drew the pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from retrato.model.score import Scorer
from retrato.training.recipes import PickPlan
from retrato.training.scores import Cells, Yardstick


@dataclass(frozen=True, slots=True)
class Judge:
    """The scorer, and what it compares pictures with: `photos` [M, E] of the person, `texts` [P, E] of the prompts."""

    scorer: Scorer
    photos: Tensor
    texts: Tensor

    def cells(self, pictures: Sequence[Image.Image]) -> Cells:
        """Gives the raw cosines of pictures drawn in the cells 0, 1, 2 and so on."""
        likeness = (self.scorer.embed_identity(pictures) @ self.photos.T).mean(dim=1)
        texts = self.texts[torch.arange(len(pictures)) % len(self.texts)]
        return Cells(likeness, (self.scorer.embed_images(pictures) * texts).sum(dim=1))

    def unrelated(self, pictures: Sequence[Image.Image]) -> float:
        """Gives the mean cosine of such pictures to the prompts they were not drawn for."""
        cosines = self.scorer.embed_images(pictures) @ self.texts.T
        own = torch.arange(len(pictures)) % len(self.texts)
        return float(cosines[own[:, None] != torch.arange(len(self.texts))].mean())

    def ceiling(self, others: Sequence[Image.Image] = ()) -> float:
        """Gives how alike real photos are: those compared with, against `others` (else each pair of them)."""
        if others:
            return float((self.scorer.embed_identity(others) @ self.photos.T).mean())
        count = len(self.photos)
        cosines = self.photos @ self.photos.T
        return float(cosines[~torch.eye(count, dtype=torch.bool)].mean())

    def yardstick(self, plan: PickPlan, class_pictures: Sequence[Image.Image], ceiling: float) -> Yardstick:
        """Gives what raw cosines mean, from pictures drawn with the class word in the same cells."""
        count = len(class_pictures)
        shows = torch.tensor([plan.prompts[cell % len(plan.prompts)].shows_identity for cell in range(count)])
        return Yardstick(self.cells(class_pictures), ceiling, self.unrelated(class_pictures), shows)


def judge_of(scorer: Scorer, photos: Sequence[Image.Image], prompts: Sequence[str]) -> Judge:
    """Gives the judge that compares with `photos` and with `prompts`."""
    return Judge(scorer, scorer.embed_identity(photos), scorer.embed_texts(prompts))
