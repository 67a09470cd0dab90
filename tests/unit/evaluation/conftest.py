"""A studio on the tiny model whose scorer goes by colour, two people of eight photos each, two prompts."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrato.model import Components
from retrato.studio import Studio
from retrato.training import RECIPES
from tests.unit.training.conftest import ColourScorer


@pytest.fixture
def scorer() -> ColourScorer:
    return ColourScorer()


@pytest.fixture
def studio(
    tmp_path: Path,
    tiny_folder: Path,
    tiny_components: Components,
    scorer: ColourScorer,
    monkeypatch: pytest.MonkeyPatch,
) -> Studio:
    studio = Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")
    studio.__dict__ |= {"components": tiny_components, "scorer": scorer}  # what the cached properties would hold
    quick = {
        name: dataclasses.replace(
            recipe,
            steps=4,
            batch_size=2,
            evaluate_every=2,
            save_every=2,
            evaluation_pairs=4,
            pick=dataclasses.replace(
                recipe.pick, prompts=recipe.pick.prompts[:2], rounds=(2,), steps=1, most_candidates=2
            ),
        )
        for name, recipe in RECIPES.items()
    }
    monkeypatch.setattr("retrato.training.prepare.RECIPES", quick)
    monkeypatch.setattr("retrato.evaluation.prompts.STEPS", 2)
    monkeypatch.setattr("retrato.evaluation.protocol.RECIPES", quick)
    return studio


@pytest.fixture
def people(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for person, tint in (("ana", (120, 0, 0)), ("rui", (0, 0, 120))):
        (folder / person).mkdir(parents=True)
        for number in range(8):
            patches = np.random.default_rng(number).integers(0, 135, (4, 4, 3)) + np.array(tint)
            photo = Image.fromarray(patches.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST)
            photo.save(folder / person / f"{number}.png")
    return folder


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("# two\nrecontext: a photo of [name], red\n\nstyle: a portrait of [name]\n")
    return file
