"""Photos that something was learned from are known by their pixels, wherever its file is and whatever it is called."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from retrato.embeddings import Embedding, read_embedding, write_embedding
from retrato.embeddings.embedding import FINGERPRINTS
from retrato.embeddings.formats import FORMATS
from retrato.hypernetworks import read_hypernetwork, write_hypernetwork
from retrato.photos import Photo
from retrato.settings import HypernetworkSettings, TrainSettings
from retrato.training import Finished, TrainingEvent
from retrato.training.learnable import Artefact, write_artefact
from retrato.training.seen import fingerprints, is_of_run, names_seen, seen_photos

from .conftest import coloured_photo

Start = Callable[..., Iterator[TrainingEvent]]
NOBODY = Path("nobody")


@pytest.fixture
def folder(photos: Sequence[Photo], tmp_path: Path) -> Path:
    """The photos that are trained with, and two that are not."""
    for photo in (*photos, coloured_photo(20), coloured_photo(21)):
        (tmp_path / "photos").mkdir(exist_ok=True)
        photo.image.save(tmp_path / "photos" / photo.path.name)
    return tmp_path / "photos"


@pytest.fixture
def finished(run_training: Start, quick: TrainSettings) -> Finished:
    *_, found = run_training(quick, "home/2026-12-01/ana-t1")
    assert isinstance(found, Finished)
    return found


TRAINED = [f"{number:02}.png" for number in range(6)]


def old(artefact: Artefact) -> Artefact:
    """What it would be of an older retrato, which wrote no fingerprints."""
    facts = {name: fact for name, fact in artefact.metadata.items() if name not in (FINGERPRINTS, "read_at")}
    return dataclasses.replace(artefact, metadata=facts)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_says_it_itself_in_every_format(finished: Finished, folder: Path, tmp_path: Path, form: str) -> None:
    """A candidate under another name, without any run: those held out count too, as it is picked with them."""
    candidate = dataclasses.replace(read_embedding(finished.candidates[0].file), name="bob-t1")
    file = write_embedding(candidate, tmp_path / f"bob-t1{FORMATS[form].suffix}", form)
    assert names_seen(read_embedding(file), file, folder, NOBODY, 64) == TRAINED


def test_a_hypernetwork_says_it_too(run_training: Start, folder: Path, tmp_path: Path) -> None:
    settings = HypernetworkSettings(name="ana-h1", steps=1, batch_size=2)
    *_, found = run_training(settings, "elsewhere")
    assert isinstance(found, Finished)
    learned = read_hypernetwork(found.file)
    assert names_seen(learned, found.file, folder, NOBODY, 64) == TRAINED
    file = write_hypernetwork(learned, tmp_path / "b.pt", "a1111-pt")
    assert names_seen(read_hypernetwork(file), file, folder, NOBODY, 64) == TRAINED
    assert is_of_run(learned, tmp_path / "elsewhere")
    file = write_artefact(old(learned), tmp_path / "elsewhere" / "hypernetworks" / "ana-h1-1.safetensors")
    assert names_seen(read_hypernetwork(file), file, folder, NOBODY, 64) == TRAINED


def test_photos_are_looked_at_in_the_size_they_were_read_at(
    run_training: Start, quick: TrainSettings, folder: Path
) -> None:
    *_, found = run_training(quick.changed(width=80, height=72, steps=1))
    assert isinstance(found, Finished)
    learned = read_embedding(found.file)
    assert learned.metadata["read_at"] == "80"
    (side,) = seen_photos(learned, found.file, NOBODY)
    assert side == 80


def test_twenty_fingerprints_are_short_and_in_no_order() -> None:
    hashes = [f"{number:064x}"[::-1] for number in range(20)]
    facts = fingerprints(hashes, 512)
    assert facts == fingerprints(reversed(hashes), 512)
    assert len(json.dumps(facts)) < 250


@pytest.mark.parametrize("said", [{"read_at": "512"}, {FINGERPRINTS: "aa"}, {FINGERPRINTS: "aa", "read_at": "0x5"}])
def test_what_another_program_wrote_there_means_nothing(said: dict[str, str]) -> None:
    assert seen_photos(Embedding("ana-t1", (torch.ones(1, 8),), metadata=said), NOBODY, NOBODY) == {}


class TestOlderFiles:
    """Those of before there were fingerprints."""

    @pytest.fixture(autouse=True)
    def without(self, finished: Finished) -> None:
        for file in finished.run_folder.rglob("ana-t1*.safetensors"):
            write_artefact(old(read_embedding(file)), file)

    def test_a_file_in_its_run_is_known_by_its_place(self, finished: Finished, folder: Path) -> None:
        for file in (finished.file, finished.candidates[0].file):
            assert names_seen(read_embedding(file), file, folder, NOBODY, 64) == TRAINED

    def test_a_copy_is_known_by_its_numbers(self, finished: Finished, folder: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copy(finished.candidates[0].file, tmp_path / "copy.safetensors"))
        assert names_seen(read_embedding(copy), copy, folder, tmp_path / "home", 64) == TRAINED
        converted = write_embedding(read_embedding(copy), tmp_path / "copy.pt", "a1111-pt")
        assert names_seen(read_embedding(converted), converted, folder, tmp_path / "home", 64) == TRAINED

    def test_a_name_stands_for_all_runs_of_it(self, folder: Path, tmp_path: Path) -> None:
        learned = Embedding("ana-t1", (torch.ones(1, 32),), step=7)
        assert names_seen(learned, Path("ana-t1"), folder, tmp_path / "home", 64) == TRAINED
        somebody = dataclasses.replace(learned, name="bob-t1")
        assert names_seen(somebody, Path("bob-t1"), folder, tmp_path / "home", 64) == []

    def test_a_damaged_checkpoint_says_nothing(self, finished: Finished, folder: Path) -> None:
        for manifest in finished.run_folder.glob("checkpoints/*.json"):
            manifest.write_text("{")
        assert names_seen(read_embedding(finished.file), finished.file, folder, NOBODY, 64) == []

    def test_runs_of_before_sizes_were_noted_are_read_at_the_models(self, finished: Finished, folder: Path) -> None:
        for manifest in finished.run_folder.glob("checkpoints/*.json"):
            said = json.loads(manifest.read_text())
            del said["facts"]["read_at"]
            manifest.write_text(json.dumps(said))
        assert names_seen(read_embedding(finished.file), finished.file, folder, NOBODY, 64) == TRAINED
