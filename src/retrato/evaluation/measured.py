"""What an evaluation says while it works and in the end: plain numbers, ready for JSON. Knows not how they came."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Started:
    """The training `number` of `count` begins."""

    number: int
    count: int
    person: str
    recipe: str
    seed: int


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a curve: `at` is the number of samples, or a prompt weight; `seconds` of training on the clock."""

    at: float
    seconds: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """One person, learned once by one recipe.

    scores        identity, prompt_fidelity, harmonic on photos, prompts and seeds that neither trained nor picked
    intervals     95 % of the same, over prompts
    satisfied     share of pictures that are nearer to their prompt than to the prompt without its wish
    diversity     mean of 1 - cosine between pictures of one prompt; None with a single picture of each
    closest       highest cosine of a picture to a training photo as a whole: near 1, it copies
    rank1         share of pictures nearest to their own person among all evaluated; None for a single person
    steps, samples, seconds   of training; `picked_samples` is where the picked checkpoint lay
    learning      scores of twenty checkpoints at most, at their samples
    weights       scores at each weight of the name in the prompt
    area          under the best of (prompt_fidelity, identity) that the weights reach, from (0, 0); 1 is everything
    obedient      highest identity at a weight whose prompt_fidelity is at least 0.9; None where none is
    regret        harmonic of the best checkpoint minus that of the picked one, on the pictures of the curve
    pick_seconds  of comparing checkpoints, beyond `seconds`; 0 for who keeps the last step
    anybody, themselves   raw cosines that are identity 0 and 1; `is_told_apart` where they lie so far apart that
                  identity means something
    """

    person: str
    recipe: str
    seed: int
    scores: Mapping[str, float]
    intervals: Mapping[str, Interval]
    satisfied: float | None
    diversity: float | None
    closest: float
    rank1: float | None
    steps: int
    samples: int
    picked_samples: int
    seconds: float
    learning: tuple[Point, ...]
    weights: tuple[Point, ...]
    area: float | None
    obedient: float | None
    regret: float | None
    embedding: Path
    pictures: tuple[Path, ...]
    pick_seconds: float = 0.0
    anybody: float | None = None
    themselves: float | None = None
    is_told_apart: bool = True


@dataclass(frozen=True, slots=True)
class Summary:
    """One recipe over all people and seeds: means, 95 % intervals over people and prompts.

    `failed` are people with an identity below 0.2, `obedient` is the mean over the trainings that have one.
    `to_quality` are the samples and seconds until the reference's quality is first reached, medians of the `reached`
    trainings that reach it (None where none left checkpoints to look at); `difference` is this recipe minus the first
    one in each score, with its interval. `at_equal_likeness` is its prompt fidelity over the reference's where it is at
    least as alike as the reference is in the end, at whatever checkpoint or weight (M4 of the protocol): the geometric
    mean over the `as_alike` trainings that are.
    """

    recipe: str
    trainings: int
    scores: Mapping[str, float]
    intervals: Mapping[str, Interval]
    satisfied: float | None
    rank1: float | None
    area: float | None
    obedient: float | None
    regret: float | None
    failed: tuple[str, ...]
    samples: float
    seconds: float
    pick_seconds: float
    reached: int | None
    to_quality: Mapping[str, float]
    difference: Mapping[str, tuple[float, float, float]]
    at_equal_likeness: float | None = None
    as_alike: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """The end: everything measured, summed up, and the files that hold it."""

    people: tuple[str, ...]
    measured: tuple[Measured, ...]
    summaries: tuple[Summary, ...]
    class_word_rank1: float | None
    judge: str
    reference: str
    facts: Mapping[str, object]
    report: Path
    record: Path
    seconds: float
