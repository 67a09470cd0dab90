"""What a training run says while it works; consumers loop over these and need no callbacks.

Order: Prepared, then Stepped with Evaluated, Previewed and Saved in between, then Comparing with Scored once for each
drawn candidate, Picked, Finished. Extended may come after the last Scored, and then all from Stepped on once more.
Knows nothing of screens and files beyond their paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """Photos are read and encoded, the model is frozen, the first step is about to run.

    `learning_share` says about how much of the time from here on is learning; the rest is comparing candidates. `hint`
    is a sentence about what would make it learn better, empty where nothing is missing; `surprises` are sentences about
    what in the previews' prompt may not be what was meant.
    """

    photos: tuple[Path, ...]
    held_out: tuple[Path, ...]
    captions: Mapping[str, str]
    steps: int
    batch_size: int
    first_step: int
    run_folder: Path
    settings: Mapping[str, object]
    learning_share: float = 1.0
    hint: str = ""
    surprises: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stepped:
    """One optimizer step is done.

    `loss` is this batch's, `norms` how far it is from nothing (an embedding: the length of each vector), `seconds`
    since the start, the judging of this step included.
    `samples` counts photo passes since step 0. Where the loss is not a number, the step was skipped.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    norms: tuple[float, ...]
    seconds: float
    samples: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The deterministic loss on held-out photos: same latents, noise and timesteps every time."""

    step: int
    loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class Previewed:
    """A picture drawn with what is known by now."""

    step: int
    file: Path


@dataclass(frozen=True, slots=True)
class Saved:
    """A candidate is on disk, whole."""

    step: int
    file: Path


@dataclass(frozen=True, slots=True)
class Candidate:
    """One saved step; once scored, `scores` has `identity`, `prompt_fidelity`, `harmonic` and the number of `pictures`.

    Candidates are compared in rounds of more and more pictures: `scores` are those of the last round that it was in,
    `earlier` those of the rounds before. Only scores of equally many pictures can be compared. `loss` is the
    deterministic one; `is_average` marks the moving average of the vectors up to this step.
    """

    step: int
    file: Path
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    is_average: bool = False
    earlier: tuple[Mapping[str, float], ...] = ()

    @property
    def rounds(self) -> tuple[Mapping[str, float], ...]:
        """Gives the scores of all rounds that it was in, the one of fewest pictures first."""
        return (*self.earlier, self.scores) if self.scores else ()


@dataclass(frozen=True, slots=True)
class Comparing:
    """Candidates are being compared: of `of` pictures at most, `pictures` are drawn."""

    pictures: int
    of: int


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate was drawn and scored."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Extended:
    """The best of all steps is little like the person, so training goes on to `steps` at most; why in one sentence.

    `learning_share` says about how much of the time of all `steps` and of the comparison to come is learning.
    """

    steps: int
    reason: str
    learning_share: float


@dataclass(frozen=True, slots=True)
class Picked:
    """The candidate to keep, and why in one sentence."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over; `stop_reason` is one sentence, `file` the embedding or hypernetwork to use.

    `numbers` counts what was learned; `vectors` and `dim` are an embedding's, 0 for a hypernetwork.
    """

    name: str
    file: Path
    vectors: int
    dim: int
    numbers: int
    picked_step: int
    steps_run: int
    samples: int
    seconds: float
    stop_reason: str
    candidates: tuple[Candidate, ...]
    scores: Mapping[str, float]
    run_folder: Path
    times: Mapping[str, float] = field(default_factory=dict)


TrainingEvent = Prepared | Stepped | Evaluated | Previewed | Saved | Comparing | Scored | Extended | Picked | Finished
