"""What the fields of a sheet say becomes axes; mistakes know their field, and files come from the home folder alone."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from retrato.embeddings import Embedding, EmbeddingLibrary, write_embedding
from retrato.errors import SettingsError
from retrato.generation import AXES
from retrato.jobs import JobQueue
from retrato.server.service import Model, Service
from retrato.server.web.sheet import CHECKPOINT, EXAMPLES, NAMES, axes_of, example_of
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings

DRAWING = GenerateSettings(prompt="a portrait of ana")
NONE = dict.fromkeys(NAMES, "")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    queue = JobQueue(tmp_path)
    for folder, name, number in (
        ("embeddings", "ana", ""),
        ("textual_inversion/2026-01-01/ana/embeddings", "ana", "-9"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        write_embedding(Embedding(name, (torch.zeros(1, 4),)), tmp_path / folder / f"{name}{number}.safetensors")
    service: Any = SimpleNamespace(home=tmp_path, queue=queue, everybody=EmbeddingLibrary(tmp_path / "embeddings"))
    service.learned_files = lambda *, owner: Service.learned_files(service, owner=owner)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sharp.vae.pt").write_bytes(b"")
    (tmp_path / "styles.csv").write_text("name,prompt,negative_prompt\nOil,in oil,\n", "utf-8")
    service.models = lambda: [Model("retrato-mini", "mini", tmp_path), Model("large", str(tmp_path / "x"), tmp_path)]
    service.find_model = lambda name: Service.find_model(service, name)
    service.find_vae = lambda name: Service.find_vae(service, name)
    yield Site(cast("Service", service), "en")
    queue.close()


def test_nothing_chosen_is_no_sheet(site: Site) -> None:
    assert axes_of(site, NONE, DRAWING, "local") == []
    assert axes_of(site, {**NONE, "x_values": "1, 2"}, DRAWING, "local") == []


def test_axes_are_written_as_the_command_line_writes_them(site: Site) -> None:
    said = {**NONE, "x": "Seed", "x_values": "1-4", "z": "Sampler", "z_values": "Euler a, LMS"}
    assert axes_of(site, said, DRAWING, "local") == ["Seed=1,2,3,4", "Sampler=Euler a, LMS"]


def test_a_checkpoint_is_one_of_the_home_folder(site: Site) -> None:
    said = {**NONE, "x": CHECKPOINT, "x_values": "ana-9, ana", "y": "Seed", "y_values": "1-2"}
    axis, _ = axes_of(site, said, DRAWING, "local")
    files = axis.removeprefix(f"{CHECKPOINT}=").split(",")
    assert [Path(file).is_relative_to(site.service.home) for file in files] == [True, True]
    assert example_of(site.service, CHECKPOINT, "local") == "ana-9, ana"


def test_a_checkpoint_is_seen_and_drawn_by_who_trained_it_alone(site: Site) -> None:
    assert example_of(site.service, CHECKPOINT, "rui") == "ana"
    with pytest.raises(SettingsError, match=r"there is no checkpoint 'ana-9': there are ana$"):
        axes_of(site, {**NONE, "x": CHECKPOINT, "x_values": "ana-9, ana"}, DRAWING, "rui")


def test_models_and_vaes_become_files_of_the_home_folder(site: Site) -> None:
    said = {**NONE, "x": "Checkpoint name", "x_values": "retrato-mini, LARGE", "y": "VAE", "y_values": "None, sharp"}
    home = site.service.home
    assert axes_of(site, said, DRAWING, "local") == [
        f"Checkpoint name=mini,{home / 'x'}",
        f"VAE=Automatic,{home}/models/sharp.vae.pt",
    ]
    assert example_of(site.service, "Checkpoint name", "local") == "retrato-mini, large"
    assert example_of(site.service, "VAE", "local") == "Automatic, sharp.vae.pt"
    assert example_of(site.service, "Styles", "local") == "None, Oil"


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"x": "Seed", "x_values": "many"}, "x_values", "axis Seed has the value 'many'"),
        ({"y": "Seed", "y_values": ""}, "y_values", "axis Seed has no values"),
        ({"y": "Steps", "y_values": "1, 9999"}, "y_values", "steps is '9999'"),
        ({"x": "Seed", "x_values": "1-30", "y": "Steps", "y_values": "1-30"}, "y_values", "900 pictures"),
        ({"x": CHECKPOINT, "x_values": "/etc/passwd"}, "x_values", "there is no checkpoint '/etc/passwd'"),
        ({"x": CHECKPOINT, "x_values": "../ana"}, "x_values", "there are ana-9, ana"),
        ({"x": "Checkpoint name", "x_values": "/etc/passwd"}, "x_values", "there are retrato-mini, large"),
        ({"x": "VAE", "x_values": "/etc/passwd"}, "x_values", "sharp.vae.pt"),
        ({"x": "VAE", "x_values": ".."}, "x_values", "there is no VAE"),
    ],
)
def test_a_mistake_knows_its_field(site: Site, said: dict[str, str], field: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence.replace("(", r"\(")) as found:
        axes_of(site, {**NONE, **said}, DRAWING, "local")
    assert found.value.field == field


def test_a_matrix_leaves_room_for_tables_only(site: Site) -> None:
    drawing = DRAWING.changed(prompt="a hat|red", matrix="prompt")
    assert axes_of(site, {**NONE, "z": "Seed", "z_values": "1,2"}, drawing, "local") == ["Seed=1,2"]
    with pytest.raises(SettingsError, match="both sides") as found:
        axes_of(site, {**NONE, "y": "Seed", "y_values": "1,2"}, drawing, "local")
    assert found.value.field == "y"


def test_examples_are_of_axes_that_there_are() -> None:
    assert EXAMPLES.keys() - {""} <= AXES.keys()
