from statistics import median
from types import SimpleNamespace

import pytest

from retrato.embeddings import Embedding
from retrato.errors import PhotoError
from retrato.model import Components, initial_vectors
from retrato.photos import Photo
from retrato.photos.likeness import FaceDistance, KnownFaces, Quality
from retrato.training import verdict as module
from retrato.training.learnable import Subject
from retrato.training.recipes import RECIPES, PickPlan
from retrato.training.verdict import FaceSummary, ScoredPicture, Verdict, judge_artefact

from .conftest import ColourScorer


def embedding(components: Components, **facts: str) -> Embedding:
    return Embedding("ana-t1", initial_vectors(components, "a man", 2), metadata=facts)


def test_pictures_are_those_of_picking_and_the_scores_stand_on_them(
    tiny_components: Components, photos: list[Photo], scorer: ColourScorer
) -> None:
    *pictures, verdict = judge_artefact(tiny_components, embedding(tiny_components), photos, scorer)
    assert isinstance(verdict, Verdict)
    assert list(verdict.pictures) == pictures
    plan = RECIPES["retrato"].pick
    assert len(pictures) == plan.rounds[-1]
    assert all(isinstance(each, ScoredPicture) for each in pictures)
    assert pictures[0].prompt == "a photo of ana-t1"
    assert pictures[0].picture.seed == plan.first_seed
    alike = [each.likeness for each in pictures if each.shows_identity]
    floor, ceiling = verdict.yardstick["class_word_identity"], verdict.yardstick["photos_identity"]
    assert -1 <= floor <= 1
    assert (sum(alike) / len(alike) - verdict.scores["identity"] * max(ceiling - floor, 0.02)) == pytest.approx(
        floor, abs=0.1
    )
    assert verdict.taints == ()


def test_what_was_learned_with_a_clip_skip_is_drawn_and_compared_with_it(
    tiny_components: Components, photos: list[Photo], scorer: ColourScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def draw_cells(_: Components, plan: PickPlan, *__: object) -> list[object]:
        drawn.append(plan.clip_skip)
        return [_drawn(photo) for photo in photos] * 2

    monkeypatch.setattr(module, "draw_cells", draw_cells)
    list(judge_artefact(tiny_components, embedding(tiny_components, clip_skip="2"), photos, scorer))
    assert drawn == [2, 2], "the class word too"
    list(judge_artefact(tiny_components, embedding(tiny_components), photos, scorer))
    assert drawn[2:] == [1, 1]


def test_a_start_without_a_word_leaves_the_class_word_to_the_model(
    tiny_components: Components, photos: list[Photo], scorer: ColourScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A1111's embeddings begin with `*`."""
    said: list[str] = []

    def draw_cells(_: Components, plan: PickPlan, __: object, subject: Subject) -> list[object]:
        said.append(subject.words)
        return [_drawn(photo) for photo in photos] * 2

    monkeypatch.setattr(module, "draw_cells", draw_cells)
    list(judge_artefact(tiny_components, embedding(tiny_components, initializer_text="*"), photos, scorer))
    assert said == ["a person", "ana-t1"]


def _drawn(photo: Photo) -> object:
    """What stands in for a picture that was drawn."""
    return SimpleNamespace(image=photo.image, seed=1)


@pytest.mark.parametrize(
    ("facts", "seen", "taints"),
    [
        ({"picked_with": "colour", "harmonic": "0.5"}, (), ["by this very scorer (colour)"]),
        ({"picked_with": "another", "harmonic": "0.5"}, (), []),
        ({"harmonic": "0.5"}, (), ["does not name"]),
        ({}, ("01.png", "02.png"), ["2 of 6 photos were used in its training (01.png, 02.png)"]),
    ],
)
def test_what_makes_a_score_too_good_is_said(
    tiny_components: Components,
    photos: list[Photo],
    scorer: ColourScorer,
    monkeypatch: pytest.MonkeyPatch,
    facts: dict[str, str],
    seen: tuple[str, ...],
    taints: list[str],
) -> None:
    monkeypatch.setattr(module, "draw_cells", lambda *_: [_drawn(photo) for photo in photos] * 2)
    *_, found = judge_artefact(tiny_components, embedding(tiny_components, **facts), photos, scorer, seen=seen)
    assert isinstance(found, Verdict)
    assert len(found.taints) == len(taints)
    assert all(part in whole for part, whole in zip(taints, found.taints, strict=True))


def test_one_photo_is_too_few(tiny_components: Components, photos: list[Photo], scorer: ColourScorer) -> None:
    with pytest.raises(PhotoError, match="at least 2"):
        next(judge_artefact(tiny_components, embedding(tiny_components), photos[:1], scorer))


def face(distance: float | None, quality: Quality) -> FaceDistance:
    return FaceDistance(distance, quality)


def test_clear_faces_count_and_the_others_are_counted(
    tiny_components: Components, photos: list[Photo], scorer: ColourScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "why_missing", lambda: None)
    monkeypatch.setattr(module, "known_faces", lambda files: KnownFaces((), 0.25))
    faces = [
        face(0.3, "clear"),
        face(0.9, "unclear"),
        face(None, "none"),
        face(0.5, "clear"),
        *[face(0.4, "clear")] * 9,
    ]
    monkeypatch.setattr(KnownFaces, "distance_to", lambda *_: faces.pop(0))
    *pictures, verdict = judge_artefact(tiny_components, embedding(tiny_components), photos, scorer)
    assert isinstance(verdict, Verdict)
    shown = [each.face for each in pictures if isinstance(each, ScoredPicture) and each.shows_identity]
    counted = [each.distance for each in shown if each is not None and each.quality == "clear"]
    assert verdict.faces == FaceSummary(
        median(counted), 0.25, clear=len(counted), unclear=sum(each.quality == "unclear" for each in shown if each),
        none=sum(each.quality == "none" for each in shown if each),
    )  # fmt: skip
    assert 0 < len(counted) < len(pictures)


def test_where_there_are_no_faces_the_reason_is_said(
    tiny_components: Components, photos: list[Photo], scorer: ColourScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "draw_cells", lambda *_: [_drawn(photo) for photo in photos] * 2)
    for found, reason in ((lambda: "there is no face finder", "no face finder"), (lambda: None, "00.png")):
        monkeypatch.setattr(module, "why_missing", found)
        *pictures, verdict = judge_artefact(tiny_components, embedding(tiny_components), photos, scorer)
        assert isinstance(verdict, Verdict)
        assert isinstance(verdict.faces, str)
        assert reason in verdict.faces
        assert all(each.face is None for each in pictures if isinstance(each, ScoredPicture))
