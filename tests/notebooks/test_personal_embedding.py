"""The notebook runs from top to bottom; how long it takes with its own numbers is no business of a test."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from retrato import Studio
from retrato.model.load import EMBEDDED

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "personal_embedding.ipynb"
QUICK = "\nSTEPS, DRAWING_STEPS, PICTURES = 2, 1, 1\n"
FEW_CANDIDATES = """
import dataclasses
from retrato.training import RECIPES, prepare
pick = dataclasses.replace(RECIPES["retrato"].pick, prompts=RECIPES["retrato"].pick.prompts[:2], rounds=(2,), steps=1)
prepare.RECIPES = {"retrato": dataclasses.replace(RECIPES["retrato"], batch_size=2, average_over=0, pick=pick)}
"""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_nothing_was_run_in_what_is_kept(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_one_cell_switches_to_stable_diffusion_and_fetches_into_a_folder_that_stays(
    notebook: nbformat.NotebookNode, tiny_folder: Path, clip_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (numbers,) = (cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    assert numbers.count("STABLE_DIFFUSION = False") == 1
    calls = []

    def fetch(command: list[str], *, env: dict[str, str], check: bool) -> None:
        """Puts a model, and what scores pictures, where `retrato models fetch` would."""
        calls.append(command)
        brought = {"clip": (clip_folder, "scorers"), "blip": (EMBEDDED / "captioner", "captioners")}
        source, kind = next((brought[word] for word in brought if f"/{word}" in command[-1]), (tiny_folder, "models"))
        target = Path(env["RETRATO_HOME"]) / kind / command[-1].replace("/", "--")
        shutil.copytree(source, target, dirs_exist_ok=True)

    monkeypatch.setattr(subprocess, "run", fetch)
    found = {"subprocess": subprocess, "sys": sys}
    exec(numbers.replace("STABLE_DIFFUSION = False", "STABLE_DIFFUSION = True"), found)
    fetch_command = [sys.executable, "-m", "retrato", "models", "fetch"]
    companions = ["openai/clip-vit-large-patch14", "Salesforce/blip-image-captioning-base"]
    assert calls == [[*fetch_command, each] for each in (found["MODEL"], *companions)]
    studio = Studio.open(found["MODEL"], home=found["work"] / "home")
    assert studio.components.name
    assert studio.scorer is not None
    assert studio.captioner is not None
    once = found["work"]
    exec(numbers.replace("STABLE_DIFFUSION = False", "STABLE_DIFFUSION = True"), found)
    assert found["work"] == once, "so a second run finds the models there, and the people"
    exec(numbers, found)
    assert found["work"] != once, "a try on the model that comes along leaves nothing behind here"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # zmq's and jupyter's own
def test_it_runs_from_top_to_bottom(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    (numbers,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    numbers.source += QUICK + FEW_CANDIDATES
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert "20 photos" in said
    assert "step 2: held-out loss" in said
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 7
