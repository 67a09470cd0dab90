"""The arithmetic of comparing candidates: likeness and prompt fidelity on scales that mean something, and who wins.

Plain tensors in, plain numbers out. Knows nothing of pictures and models.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# A scale shorter than this (in cosine) measures nothing: the scorer cannot tell its two ends apart.
SHORTEST_SCALE = 0.02


@dataclass(frozen=True, slots=True)
class Cells:
    """Raw cosines of one candidate (or of the class word), one [n] each: to the held-out photos, to the prompt."""

    likeness: Tensor
    fidelity: Tensor


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What the raw cosines are compared with.

    `class_word` are the cells drawn with the class word, `ceiling` is the likeness of real photos among themselves,
    `unrelated` the cosine of a picture to a prompt that it was not drawn for; `shows_identity` [n] says in which cells
    likeness counts.
    """

    class_word: Cells
    ceiling: float
    unrelated: float
    shows_identity: Tensor

    def figures(self) -> dict[str, float]:
        """Gives the cosines at the ends of both scales, as `run.json` and `retrato score` name them."""
        return {
            "class_word_identity": float(self.class_word.likeness.mean()),
            "photos_identity": self.ceiling,
            "class_word_fidelity": float(self.class_word.fidelity.mean()),
            "unrelated_fidelity": self.unrelated,
        }


def score(cells: Cells, yardstick: Yardstick, left_out: int | None = None) -> dict[str, float]:
    """Gives `identity`, `prompt_fidelity` and `harmonic`, their harmonic mean; optionally without one cell.

    identity         0: as alike as the class word in the same cells, 1: as alike as the photos to each other
    prompt_fidelity  0: as near to its prompt as to any other, 1: as near as the class word in the same cells
    The harmonic mean takes both cut to 0..1, so neither can be bought with the other.
    """
    count = len(cells.likeness)
    kept = torch.ones(count, dtype=torch.bool)
    if left_out is not None:
        kept[left_out] = False
    alike = kept & yardstick.shows_identity[:count]
    if not alike.any():
        alike = kept
    floor = float(yardstick.class_word.likeness[:count][alike].mean())
    identity = _on_scale(float(cells.likeness[alike].mean()), floor, yardstick.ceiling)
    own = float(yardstick.class_word.fidelity[:count][kept].mean())
    fidelity = _on_scale(float(cells.fidelity[kept].mean()), yardstick.unrelated, own)
    return {"identity": identity, "prompt_fidelity": fidelity, "harmonic": harmonic_mean(identity, fidelity)}


def harmonic_mean(one: float, other: float) -> float:
    """Gives the harmonic mean of two numbers cut to 0..1; 0 where either is."""
    one, other = min(max(one, 0.0), 1.0), min(max(other, 0.0), 1.0)
    return 2 * one * other / (one + other) if one and other else 0.0


def standard_error(one: Cells, other: Cells, yardstick: Yardstick, of: str = "harmonic") -> float:
    """Gives the standard error of the difference of two scores over the same cells (paired jackknife)."""
    count = len(one.likeness)
    if count < 2:
        return 0.0
    differences = torch.tensor(
        [score(one, yardstick, left_out)[of] - score(other, yardstick, left_out)[of] for left_out in range(count)],
        dtype=torch.float64,
    )
    return math.sqrt((count - 1) / count * float((differences - differences.mean()).square().sum()))


def earliest_within_error(cells: Mapping[int, Cells], yardstick: Yardstick, order: Sequence[int]) -> tuple[int, int]:
    """Gives (picked, best): the first in `order` within one standard error of the one of the highest harmonic score.

    In that score, and in identity alone: where a scorer sees much in few pictures, prompt fidelity scatters so widely
    that the error of both together would let a candidate through that is plainly less alike.
    """
    scores = {key: score(cells[key], yardstick) for key in order}
    best = max(order, key=lambda key: scores[key]["harmonic"])

    def is_near(key: int) -> bool:
        return all(
            scores[best][name] - scores[key][name] <= standard_error(cells[best], cells[key], yardstick, name)
            for name in ("harmonic", "identity")
        )

    return next(key for key in order if is_near(key)), best


def _on_scale(value: float, zero: float, one: float) -> float:
    return (value - zero) / max(one - zero, SHORTEST_SCALE)
