"""Intervals by bootstrap: prompts are drawn anew within a person, people are drawn anew among one another.

Every recipe sees the same draws, so that differences are paired. Plain tensors in, plain numbers out.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from scipy.special import stdtrit
from torch import Tensor

from retrato.training.scores import Cells, Yardstick, score

SCORES = ("identity", "prompt_fidelity", "harmonic")
DRAWS = 400


def resampled_scores(cells: Cells, yardstick: Yardstick, prompts: int, seed: int, draws: int = DRAWS) -> Tensor:
    """Gives the scores [draws, 3] of as many sets of prompts drawn with replacement, each with all of its seeds.

    Cell i is prompt i mod `prompts`. Pictures of one prompt fail together, so that drawing cells would promise too
    much. One `seed` of the bootstrap always draws the same.
    """
    source = torch.Generator().manual_seed(seed)
    first_cells = torch.arange(0, len(cells.likeness), prompts)[:, None]
    found = []
    for _ in range(draws):
        chosen = (first_cells + torch.randint(prompts, (1, prompts), generator=source)).flatten()
        drawn = Cells(cells.likeness[chosen], cells.fidelity[chosen])
        own = yardstick.class_word
        stick = Yardstick(
            Cells(own.likeness[chosen], own.fidelity[chosen]),
            yardstick.ceiling,
            yardstick.unrelated,
            yardstick.shows_identity[chosen],
        )
        scores = score(drawn, stick)
        found.append([scores[name] for name in SCORES])
    return torch.tensor(found)


def interval(values: Tensor) -> tuple[float, float]:
    """Gives where the middle 95 % of `values` [n] lie."""
    low, high = torch.quantile(values.double(), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return (low, high)


def over_people(resampled: Mapping[str, Sequence[Tensor]], seed: int) -> Tensor:
    """Gives mean scores [draws, 3] of people drawn with replacement; `resampled` holds each person's trainings.

    A person's trainings are averaged first: they are no people of their own. Draws from few people lie too close
    together, so they are spread to what Student's t gives that many (Hesterberg 2015, section 3.2): of four people the
    interval holds the truth in 95 of 100 studies and not in 82.
    """
    people = torch.stack([torch.stack(tuple(trainings)).mean(dim=0) for trainings in resampled.values()])
    count, draws = people.shape[:2]
    source = torch.Generator().manual_seed(seed)
    chosen = torch.randint(count, (count, draws), generator=source)
    drawn, middle = people[chosen, torch.arange(draws)].mean(dim=0), people.mean(dim=(0, 1))
    spread = _students(count) / _students(math.inf) * math.sqrt(count / (count - 1)) if count > 1 else 1.0
    return middle + spread * (drawn - middle)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Gives the 95 % interval of the mean of two or more `values`, such as one difference for each person, by t."""
    found = torch.tensor(values, dtype=torch.float64)
    half = _students(len(found)) * float(found.std()) / math.sqrt(len(found))
    return (float(found.mean()) - half, float(found.mean()) + half)


def _students(count: float) -> float:
    """Gives how many standard errors each way hold 95 % for a mean of `count` values."""
    return float(stdtrit(count - 1, 0.975))


def best_obedient(points: Sequence[tuple[float, float]], least: float = 0.9) -> float | None:
    """Gives the highest y of the points (x, y) with an x of at least `least`, None where there is none."""
    return max((y for x, y in points if x >= least), default=None)


def area_under(points: Sequence[tuple[float, float]]) -> float:
    """Gives the area between (0, 0) and the points (x, y) that no other surpasses in both, each cut to 0..1."""
    cut = sorted(((min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)) for x, y in points), reverse=True)
    area, height = 0.0, 0.0
    for x, y in cut:  # from the right: a point adds what it is higher than all to its right
        if y > height:
            area += x * (y - height)
            height = y
    return area
