from collections.abc import Sequence

import pytest
import torch
from PIL import Image

from retrato.model import Scorer
from retrato.training.judge import Looks, judge_of
from retrato.training.recipes import RECIPES

from .conftest import ColourScorer

RED, BLUE, GREY = (Image.new("RGB", (8, 8), colour) for colour in ((250, 20, 20), (20, 20, 250), (120, 120, 130)))


def test_cells_take_prompts_in_turn(scorer: ColourScorer) -> None:
    judge = judge_of(scorer, [RED], ["a", "bb"])
    cells = judge.cells([RED, BLUE, RED])
    assert cells.likeness[0] == pytest.approx(1.0, abs=1e-5)
    assert cells.likeness[1] < 0
    own = scorer.embed_images([RED, BLUE, RED]) @ judge.texts.T
    assert torch.allclose(cells.fidelity, torch.stack([own[0, 0], own[1, 1], own[2, 0]]))
    assert judge.unrelated_of(scorer.embed_images([RED, BLUE])) == pytest.approx(float((own[0, 1] + own[1, 0]) / 2))


def test_the_ceiling_is_how_alike_photos_are(scorer: ColourScorer) -> None:
    judge = judge_of(scorer, [RED, RED, BLUE], ["a"])
    vectors = scorer.embed_identity([RED, RED, BLUE])
    pairs = [float(vectors[i] @ vectors[j]) for i in range(3) for j in range(3) if i != j]
    assert judge.ceiling() == pytest.approx(sum(pairs) / 6, abs=1e-5)
    expected = float((scorer.embed_identity([GREY]) @ vectors.T).mean())
    assert judge.ceiling([GREY]) == pytest.approx(expected, abs=1e-5)


def test_the_yardstick_knows_which_prompts_show_identity(scorer: ColourScorer) -> None:
    plan = RECIPES["retrato"].pick
    judge = judge_of(scorer, [RED], [prompt.text for prompt in plan.prompts])
    yardstick = judge.yardstick(plan, judge.look([GREY] * 8), 0.9)
    assert yardstick.shows_identity.tolist() == [plan.prompts[cell % 6].shows_identity for cell in range(8)]
    assert yardstick.ceiling == 0.9


def test_a_plain_clip_looks_once_at_each_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def embed(self: Scorer, images: Sequence[Image.Image]) -> torch.Tensor:
        seen.append(len(images))
        return torch.ones(len(images), 2)

    monkeypatch.setattr(Scorer, "embed_images", embed)
    clip = object.__new__(Scorer)
    object.__setattr__(clip, "identity", None)
    first, second = Looks.at(clip, [RED, BLUE]), Looks.at(clip, [GREY])
    assert seen == [2, 1]
    assert (first + second).identity.shape == (3, 2)
