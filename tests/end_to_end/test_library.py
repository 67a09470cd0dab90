from pathlib import Path
from types import ModuleType

import pytest

import retrato
from retrato import EmbeddingError, GenerateSettings, Studio, TrainSettings, errors, settings
from retrato.generation import GeneratedImage
from retrato.training import Finished


def test_the_way_in_the_documentation(home: Path, photos: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """Open, train, draw, save: what `docs` promise to scripts."""
    studio = Studio.open(model=tiny_folder)
    settings = TrainSettings(name="realbenny-t2", initializer_text="person", vectors_per_token=2, steps=4, batch_size=2)
    *_, finished = studio.train(photos, settings)
    assert isinstance(finished, Finished)
    assert finished.file == home / "embeddings" / "realbenny-t2.safetensors"
    saved = []
    drawing = GenerateSettings(prompt="a portrait of realbenny-t2", seed=7, count=3, steps=2, width=64, height=64)
    for image in studio.draw(drawing):
        assert isinstance(image, GeneratedImage)
        saved.append(image.save(tmp_path / "out"))
    assert [image.name for image in saved] == ["00000-7.png", "00001-8.png", "00002-9.png"]


def test_what_is_learned_changes_what_is_drawn(home: Path, photos: Path, tiny_folder: Path) -> None:
    studio = Studio.open(model=tiny_folder)
    drawing = GenerateSettings(prompt="ana-t1", seed=7, steps=2, width=64, height=64)
    (before,) = studio.draw(drawing)
    list(studio.train(photos, TrainSettings(name="ana-t1", steps=2, batch_size=2)))
    (after,) = studio.draw(drawing)
    (again,) = studio.draw(drawing)
    assert before.image.tobytes() != after.image.tobytes()
    assert after.image.tobytes() == again.image.tobytes()


def test_public_names_are_there_and_no_others() -> None:
    for name in retrato.__all__:
        assert getattr(retrato, name) is not None
        assert name in dir(retrato)
    assert issubclass(EmbeddingError, retrato.RetratoError)
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        _ = retrato.Painter  # type: ignore[attr-defined]


@pytest.mark.parametrize(("module", "kind"), [(errors, errors.RetratoError), (settings, settings.Settings)])
def test_every_error_and_all_settings_are_public(module: ModuleType, kind: type) -> None:
    own = {name for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, kind)}
    assert own - {"Settings", "LearnSettings"} <= set(retrato.__all__)  # these two are only the bases of the others
