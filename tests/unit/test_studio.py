import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from retrato.embeddings import Embedding, read_embedding, write_embedding
from retrato.errors import EmbeddingError, ModelError, PhotoError, TrainingError
from retrato.photos import Refused
from retrato.settings import GenerateSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Finished, Picked, Prepared, Stepped


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


def short(name: str = "ana-t1", **values: object) -> TrainSettings:
    return TrainSettings(**({"name": name, "steps": 3, "batch_size": 2} | values))


DRAWING = GenerateSettings(prompt="a photo of ana-t1", seed=3, steps=2, width=64, height=64)


def test_a_model_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not on this machine"):
        Studio.open(tmp_path / "nowhere", home=tmp_path)


def test_opening_loads_and_writes_nothing(studio: Studio) -> None:
    assert "_components" not in vars(studio)
    assert not studio.home.exists()


def test_a_model_without_scorer_and_captioner_has_none(studio: Studio) -> None:
    assert studio.scorer is None
    assert studio.captioner is None


def test_training_installs_what_was_picked(studio: Studio, photos: Path) -> None:
    installed_when_picked = False
    for event in studio.train(photos, short()):
        if isinstance(event, Picked):
            installed_when_picked = "ana-t1" in studio.library
    assert installed_when_picked
    assert isinstance(event, Finished)
    assert event.file == studio.home / "embeddings" / "ana-t1.safetensors"
    picked = read_embedding(event.run_folder / "ana-t1.safetensors")
    assert torch.equal(read_embedding(event.file).vectors[0], picked.vectors[0])


@pytest.mark.parametrize("name", ["portrait", "../up", "a b/c", "ana."])
def test_names_are_refused_before_anything_is_done(studio: Studio, photos: Path, name: str) -> None:
    with pytest.raises(EmbeddingError):
        studio.train(photos, short(name))
    assert not studio.home.exists()


def test_a_name_in_a_file_of_another_model_is_taken_too(studio: Studio, photos: Path) -> None:
    write_embedding(Embedding("ana-t1", (torch.ones(1, 8),)), studio.home / "embeddings" / "ana-t1.safetensors")
    with pytest.raises(EmbeddingError, match="is taken by"):
        studio.train(photos, short())


def test_photos_left_out_come_first(studio: Studio, photos: Path) -> None:
    (photos / "0.png").write_bytes(b"no picture")
    events = studio.train(photos, short())
    first, second = next(events), next(events)
    events.close()
    assert isinstance(first, Refused)
    assert first.file.name == "0.png"
    assert isinstance(second, Prepared)
    assert len(second.photos) + len(second.held_out) == 4


def test_too_few_photos_name_the_refused_ones(studio: Studio, photos: Path) -> None:
    for number in range(3):
        (photos / f"{number}.png").write_bytes(b"no picture")
    with pytest.raises(PhotoError, match=r"two usable photos \(0\.png"):
        studio.train(photos, short())


def test_who_stops_listening_keeps_what_was_learned(studio: Studio, photos: Path) -> None:
    events = studio.train(photos, short(steps=100))
    for event in events:
        if isinstance(event, Stepped) and event.step == 2:
            break
    events.close()
    (saved,) = studio.home.rglob("ana-t1-2.safetensors")
    assert read_embedding(saved).step == 2
    assert "ana-t1" not in studio.library
    *_, finished = studio.train(photos, short(steps=4), resume=True)
    assert isinstance(finished, Finished)
    assert finished.steps_run == 4
    assert finished.run_folder == saved.parent.parent


def test_where_the_library_refuses_the_work_is_not_lost(studio: Studio, photos: Path) -> None:
    events = studio.train(photos, short())
    next(events)
    studio.library.add(Embedding("ana-t1", (torch.ones(1, 32),)))  # somebody else takes the name meanwhile
    with pytest.raises(TrainingError, match=r"textual_inversion.*is learned but could not go into the library"):
        list(events)
    assert len(list(studio.home.glob("textual_inversion/*/ana-t1/ana-t1.safetensors"))) == 1


def test_the_log_says_what_was_loaded_and_what_was_not(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    folder = studio.home / "embeddings"
    write_embedding(Embedding("ana-t1", (torch.ones(1, 32),)), folder / "ana-t1.safetensors")
    write_embedding(Embedding("wide", (torch.ones(1, 768),)), folder / "wide.safetensors")
    with caplog.at_level(logging.INFO, "retrato"):
        list(studio.draw(DRAWING))
        list(studio.draw(DRAWING))
    loaded, skipped = (record for record in caplog.records if record.name == "retrato")
    assert loaded.getMessage() == "Loaded a total of 1 textual inversion embeddings. Embeddings: ana-t1"
    assert skipped.levelno == logging.WARNING
    assert "wide.safetensors holds vectors of 768, this model takes 32" in skipped.getMessage()


def test_a_drawn_seed_is_one_for_all_images(studio: Studio) -> None:
    images = list(studio.draw(DRAWING.changed(seed=-1, count=3, batch_size=1, steps=1)))
    assert [image.seed - images[0].seed for image in images] == [0, 1, 2]
    assert images[0].settings.seed == images[0].seed >= 0


def test_two_studios_do_not_disturb_one_another(
    studio: Studio, photos: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    """One trains while the other draws; both give what they give alone."""
    other = Studio.open(tiny_folder, home=tmp_path / "other", device="cpu")
    write_embedding(Embedding("ana-t1", (torch.ones(1, 32),)), other.home / "embeddings" / "ana-t1.safetensors")
    (alone,) = other.draw(DRAWING)
    together = []
    for event in studio.train(photos, short()):
        if isinstance(event, Stepped):
            together += list(other.draw(DRAWING))
    assert isinstance(event, Finished)
    assert {image.image.tobytes() for image in together} == {alone.image.tobytes()}
    undisturbed = Studio.open(tiny_folder, home=tmp_path / "third", device="cpu")
    *_, again = undisturbed.train(photos, short())
    assert isinstance(again, Finished)
    assert torch.equal(read_embedding(again.file).vectors[0], read_embedding(event.file).vectors[0])
    assert other.library.names == ["ana-t1"]
    assert float(other.library["ana-t1"].vectors[0].sum()) == 32
