import pytest

from retrato.embeddings import Embedding
from retrato.errors import PhotoError
from retrato.model import Components, initial_vectors
from retrato.photos import Photo
from retrato.training.recipes import RECIPES
from retrato.training.verdict import ScoredPicture, Verdict, judge_artefact

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
    from retrato.training import verdict

    pictures = [type("Drawn", (), {"image": photo.image, "seed": 1})() for photo in photos] * 2
    monkeypatch.setattr(verdict, "draw_cells", lambda *_: pictures)
    *_, found = judge_artefact(tiny_components, embedding(tiny_components, **facts), photos, scorer, seen=seen)
    assert isinstance(found, Verdict)
    assert len(found.taints) == len(taints)
    assert all(part in whole for part, whole in zip(taints, found.taints, strict=True))


def test_one_photo_is_too_few(tiny_components: Components, photos: list[Photo], scorer: ColourScorer) -> None:
    with pytest.raises(PhotoError, match="at least 2"):
        next(judge_artefact(tiny_components, embedding(tiny_components), photos[:1], scorer))
