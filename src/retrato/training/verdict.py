"""How good something learned is, on photos it never saw: the scores of picking, and whether they can be trusted.

Knows nothing of how it was learned.
"""

import dataclasses
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from retrato.embeddings.embedding import clip_skip_in
from retrato.errors import PhotoError
from retrato.generation import GeneratedImage
from retrato.model import Components
from retrato.model.score import Scorer
from retrato.photos import Photo
from retrato.photos.faces import why_missing
from retrato.photos.likeness import FaceDistance, KnownFaces, known_faces
from retrato.training.captions import class_phrase
from retrato.training.drawing import draw_cells
from retrato.training.judge import judge_of
from retrato.training.learnable import Artefact, Subject, subject_of
from retrato.training.recipes import RECIPES, PickPlan
from retrato.training.scores import Cells, score

FEWEST_PHOTOS = 2  # below that there is no telling how alike real photos are
PICKED_WITH = "picked_with"


@dataclass(frozen=True, slots=True)
class ScoredPicture:
    """One picture, the raw cosines it was judged by, and whether likeness counts under its prompt.

    `face` says how far its face is from those in the photos, None where these give nothing to compare with.
    """

    picture: GeneratedImage
    prompt: str
    likeness: float
    fidelity: float
    shows_identity: bool
    face: FaceDistance | None = None


@dataclass(frozen=True, slots=True)
class FaceSummary:
    """The faces of pictures whose prompts show who it is: `distance` is the median of the clear ones, None without any.

    `photos_distance` is that of the photos to one another; up to about 0.6 faces are one person's.
    """

    distance: float | None
    photos_distance: float
    clear: int
    unclear: int
    none: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`scores` are `identity`, `prompt_fidelity` and `harmonic` (see `scores.score`), from `pictures`.

    `taints` says in sentences why they are better than they should be; empty where nothing speaks against them.
    `yardstick` is what the raw cosines were compared with. `faces` sums up the pictures' faces, or is the sentence that
    says why there is nothing to sum up.
    """

    scores: Mapping[str, float]
    pictures: tuple[ScoredPicture, ...]
    yardstick: Mapping[str, float]
    taints: tuple[str, ...]
    faces: FaceSummary | str


def judge_artefact(
    components: Components,
    artefact: Artefact,
    photos: Sequence[Photo],
    scorer: Scorer,
    *,
    seen: Sequence[str] = (),
) -> Generator[ScoredPicture | Verdict, None, None]:
    """Draws `artefact` with the prompts and seeds of picking and compares the pictures with `photos`.

    Yields each picture, the Verdict last. `seen` are the names of those photos that it is known to have been trained or
    picked with. Where the `faces` extra is there and the photos show faces, those are compared too, from the photos'
    files. Raises PhotoError for fewer than two photos.
    """
    if len(photos) < FEWEST_PHOTOS:
        raise PhotoError(
            f"{len(photos)} photo can be used: a score takes at least {FEWEST_PHOTOS}, to know how alike photos are"
        )
    plan = dataclasses.replace(RECIPES["retrato"].pick, clip_skip=clip_skip_in(artefact.metadata))
    said = artefact.metadata.get("initializer_text", "")
    anybody = Subject(class_phrase(said, components.defaults.class_word))
    texts = [anybody.prompt(prompt.text) for prompt in plan.prompts]
    judge = judge_of(scorer, [photo.image for photo in photos], texts)
    class_word = judge.look([each.image for each in _draw(components, plan, anybody)])
    yardstick = judge.yardstick(plan, class_word, judge.ceiling())
    subject = subject_of(artefact, components.defaults.class_word)
    drawn = _draw(components, plan, subject)
    cells = judge.cells([each.image for each in drawn])
    known = _known_faces(photos)
    pictures = tuple(_pictures(plan, drawn, subject, cells, known))
    yield from pictures
    yield Verdict(
        scores=score(cells, yardstick),
        pictures=pictures,
        yardstick=yardstick.figures(),
        taints=tuple(_taints(artefact, scorer, len(photos), seen)),
        faces=_summary(pictures, known),
    )


def _known_faces(photos: Sequence[Photo]) -> KnownFaces | str:
    """Gives the faces to compare with, or the sentence that says why there are none."""
    if missing := why_missing():
        return missing
    try:
        return known_faces([photo.path for photo in photos])
    except PhotoError as error:
        return str(error)


def _summary(pictures: Sequence[ScoredPicture], known: KnownFaces | str) -> FaceSummary | str:
    if isinstance(known, str):
        return known
    faces = [each.face for each in pictures if each.face is not None and each.shows_identity]
    counts = Counter(face.quality for face in faces)
    clear = [face.distance for face in faces if face.quality == "clear" and face.distance is not None]
    return FaceSummary(
        median(clear) if clear else None,
        known.among_themselves,
        clear=counts["clear"],
        unclear=counts["unclear"],
        none=counts["none"],
    )


def _draw(components: Components, plan: PickPlan, subject: Subject) -> list[GeneratedImage]:
    return draw_cells(components, plan, range(plan.rounds[-1]), subject)


def _pictures(
    plan: PickPlan, drawn: Sequence[GeneratedImage], subject: Subject, cells: Cells, known: KnownFaces | str
) -> Iterator[ScoredPicture]:
    for number, picture in enumerate(drawn):
        prompt = plan.prompts[number % len(plan.prompts)]
        yield ScoredPicture(
            picture,
            subject.prompt(prompt.text),
            float(cells.likeness[number]),
            float(cells.fidelity[number]),
            prompt.shows_identity,
            known.distance_to(picture.image) if isinstance(known, KnownFaces) else None,
        )


def _taints(artefact: Artefact, scorer: Scorer, photos: int, seen: Sequence[str]) -> Iterator[str]:
    """Gives the reasons to distrust a score; what a file does not say is taken from who can have written it."""
    picked_with = artefact.metadata.get(PICKED_WITH)
    if picked_with == scorer.hash:
        yield f"it was picked among its candidates by this very scorer ({scorer.hash}): score it by another one"
    elif picked_with is None and "harmonic" in artefact.metadata:
        yield "it was picked by a scorer that it does not name, most likely this one: score it by another one"
    if seen:
        yield f"{len(seen)} of {photos} photos were used in its training ({', '.join(seen[:3])}): give others"
