import gc
import logging
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from retrato.embeddings import Embedding, read_embedding, write_embedding
from retrato.errors import EmbeddingError, ModelError, PhotoError, PromptError, RetratoError, TrainingError
from retrato.generation import Cell, Drawn, parse_axis, parse_infotext
from retrato.photos import Photo, Refused, read_photos
from retrato.prompts import Style
from retrato.settings import GenerateSettings, HypernetworkSettings, TrainSettings
from retrato.studio import Studio
from retrato.training import Failed, Finished, Picked, Prepared, Stepped


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


WRONG = {
    "learning_rate": "0,005",
    "gradient_clip": "x",
    "width": 65,
    "held_out": 100,
    "template": "nowhere.txt",
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_nobody_can_be_learned_with_are_refused_before_they_are_queued(
    studio: Studio, photos: Path, name: str
) -> None:
    """Photos are not read for it: what the page and the API ask is quick."""
    (photos / "0.png").write_bytes(b"no picture")
    studio.check_training(photos, short())
    with pytest.raises(RetratoError, match="the learning rate" if name == "learning_rate" else f"{name}|{WRONG[name]}"):
        studio.check_training(photos, short(**{name: WRONG[name]}))


@pytest.mark.parametrize("said", [{"layer_structure": "2, 1"}, {"sizes": "a lot"}, {"dropout": "0.5"}])
def test_networks_that_cannot_be_built_are_refused_before_they_are_queued(
    studio: Studio, photos: Path, said: dict[str, str]
) -> None:
    studio.check_training(photos, HypernetworkSettings(name="ana-h1"))
    with pytest.raises(RetratoError):
        studio.check_training(photos, HypernetworkSettings(name="ana-h1", **said))


def test_settings_are_read_before_the_model_is_and_for_many_people_at_once(studio: Studio, photos: Path) -> None:
    for name in ("learning_rate", "gradient_clip", "template"):
        with pytest.raises(RetratoError):
            studio.train(photos, short(**{name: WRONG[name]}))
        with pytest.raises(RetratoError):
            studio.train_many(photos.parent, short("*-t1", **{name: WRONG[name]}))
    assert "_components" not in vars(studio)
    with pytest.raises(RetratoError, match="width is 65"):
        studio.train_many(photos.parent, short("*-t1", width=65))


def people_of(folder: Path, photos: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(photos, folder / name)
    return folder


def test_of_many_people_only_those_at_work_have_their_photos_in_memory(
    studio: Studio, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = people_of(tmp_path / "people", photos, "ana", "bob", "cid", "dan", "eve", "fay")
    read: dict[str, weakref.ref[Image.Image]] = {}
    held: list[int] = []

    def reading(folder: Path, **options: object) -> tuple[list[Photo], list[Refused]]:
        gc.collect()
        held.append(sum(image() is not None for image in read.values()))
        if folder.name == "dan":
            raise OSError("the disk is gone")
        usable, refused = read_photos(folder, **options)
        read[folder.name] = weakref.ref(usable[0].image)
        return usable, refused

    monkeypatch.setattr("retrato.studio.read_photos", reading)
    (people / "fay" / "0.png").write_bytes(b"no photo")
    studio.library.add(learned(studio, "eve-t1"))
    events = list(studio.train_many(people, short("*-t1"), at_once=4))
    failed = {each.name: each.event.reason for each in events if isinstance(each.event, Failed)}
    assert set(failed) == {"dan-t1", "eve-t1"}
    assert (events[0].name, events[1].name) == ("eve-t1", "ana-t1")  # a name that is taken needs no reading
    assert {each.name for each in events if isinstance(each.event, Finished)} == {
        "ana-t1",
        "bob-t1",
        "cid-t1",
        "fay-t1",
    }
    assert [each.name for each in events if isinstance(each.event, Refused)] == ["fay-t1"]
    assert held == [0, 1, 0, 1, 1]


def learned(studio: Studio, name: str) -> Embedding:
    return Embedding(name, tuple(torch.ones(1, width) for width in studio.components.token_widths))


def test_many_people_go_on_where_they_were_and_who_had_not_begun_begins(
    studio: Studio, photos: Path, tmp_path: Path
) -> None:
    people = people_of(tmp_path / "people", photos, "ana", "bob", "cid")
    events = studio.train_many(people, short("*-t1"), at_once=2)
    next(each for each in events if each.name == "bob-t1" and isinstance(each.event, Stepped) and each.event.step == 2)
    events.close()
    again = list(studio.train_many(people, short("*-t1"), at_once=2, resume=True))
    first = {each.name: each.event.first_step for each in again if isinstance(each.event, Prepared)}
    assert first == {"bob-t1": 2, "cid-t1": 0}
    assert {each.name for each in again if isinstance(each.event, Finished)} == {"bob-t1", "cid-t1"}


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


def cells_of(studio: Studio, settings: GenerateSettings, *axes: str) -> list[Cell]:
    events = studio.draw_grid(settings, [parse_axis(axis) for axis in axes])
    return [event for event in events if isinstance(event, Cell)]


def test_a_sheet_compares_models_each_with_the_people_learned_for_it(
    studio: Studio, tiny_folder: Path, tiny_xl_folder: Path
) -> None:
    shutil.copytree(tiny_xl_folder, studio.home / "models" / "large")
    vectors = torch.randn(1, 32, generator=torch.Generator().manual_seed(0))
    write_embedding(Embedding("ana-t1", (vectors,)), studio.home / "embeddings" / "ana-t1.safetensors")
    both = (vectors, torch.ones(1, 48))
    write_embedding(Embedding("ana-xl", both), studio.home / "embeddings" / "ana-xl.safetensors")
    asked = DRAWING.changed(prompt="a photo of ana-t1 and ana-xl")
    own, large = cells_of(studio, asked, f"Checkpoint name={tiny_folder},large")
    assert (own.labels, large.labels) == ((tiny_folder.name,), ("large",))
    assert ("ana-t1: " in own.image.infotext, "ana-xl: " in own.image.infotext) == (True, False)
    assert ("ana-t1: " in large.image.infotext, "ana-xl: " in large.image.infotext) == (False, True)
    (alone,) = Studio.open(tiny_xl_folder, home=studio.home, device="cpu").draw(asked)
    assert large.image.image.tobytes() == alone.image.tobytes()
    with pytest.raises(ModelError, match="did you mean large"):
        next(studio.draw_grid(asked, [parse_axis("Checkpoint name=large,larg")]))


def test_a_sheet_compares_vaes_and_each_picture_remembers_its_own(
    studio: Studio, tiny_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (studio.home / "models").mkdir(parents=True)
    weights = load_file(tiny_folder / "vae" / "diffusion_pytorch_model.safetensors")
    scaled = {name: value * 0.5 if value.ndim > 1 else value for name, value in weights.items()}
    shutil.copytree(tiny_folder / "vae", studio.home / "other")
    save_file(scaled, studio.home / "other" / "diffusion_pytorch_model.safetensors")
    with caplog.at_level(logging.INFO):
        own, other = cells_of(studio, DRAWING, f"VAE=None,{studio.home / 'other'}")
    assert caplog.text.count("Loaded a total of") == 2  # the studio's own, which None means here too, and the other
    (alone,) = studio.draw(DRAWING)
    assert own.image.image.tobytes() == alone.image.tobytes() != other.image.image.tobytes()
    fields = parse_infotext(other.image.infotext)
    assert ("VAE" in own.image.infotext, fields["VAE"], len(fields["VAE hash"])) == (False, "other", 10)
    file = other.image.save(studio.home)
    with caplog.at_level(logging.WARNING):
        studio.recall(file)
        assert "it was drawn with the VAE other, this one is what the model brings" in caplog.text
        caplog.clear()
        same = Studio.open(tiny_folder, home=studio.home, device="cpu", vae=studio.home / "other")
        (again,) = (e.image for e in same.draw_again(same.recall(file)) if isinstance(e, Drawn))
    assert "VAE" not in caplog.text
    assert again.image.tobytes() == other.image.image.tobytes()


def test_a_sheet_loads_nothing_that_is_loaded_already(studio: Studio, tiny_folder: Path) -> None:
    """Whichever way a model or a VAE is written, also where the studio was given text."""
    folder, vae = shutil.copytree(tiny_folder, studio.home / "models" / "tiny"), studio.home / "other"
    shutil.copytree(tiny_folder / "vae", vae)
    own = Studio.open(str(folder), home=studio.home, device="cpu", vae=f"{vae}/../other")
    for model in ("", "tiny", f"{folder.parent}/../models/tiny"):
        assert own._other(model, str(vae))(DRAWING)[0] is own.components
    assert own._other("tiny", "")(DRAWING)[0] is not own.components  # which has another VAE


def test_a_sheet_compares_styles_after_what_changes_the_prompt(studio: Studio) -> None:
    studio.styles.save(Style("Oil", "{prompt} in {oil|oil}", "dull"))
    studio.styles.save(Style("Big", "big {prompt}"))
    asked = DRAWING.changed(prompt="a hat", styles=("Big",))
    cells = cells_of(studio, asked, "Styles=None,Oil", "Prompt S/R=hat,oil")
    assert [cell.image.settings.prompt for cell in cells] == [
        *("big a hat", "big a hat in oil", "big a oil", "big a oil in oil"),
    ]
    assert [cell.image.settings.negative_prompt for cell in cells] == ["", "dull"] * 2
    with pytest.raises(PromptError, match="did you mean Oil"):
        next(studio.draw_grid(asked, [parse_axis("Styles=None,Oill")]))
