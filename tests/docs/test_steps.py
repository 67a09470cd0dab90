"""The pages that lead by the hand are followed, command by command, on the model that comes with retrato."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from retrato.cli import main
from retrato.embeddings import EmbeddingLibrary
from retrato.training import RECIPES

from .conftest import ROOT, Page

PHOTOS = ROOT / "examples/photos/benny"


def page(name: str) -> Page:
    return Page(name, (ROOT / name).read_text("utf-8"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos/ana; training makes two steps and compares one picture, drawings take one or two steps."""
    (tmp_path / "photos/ana").mkdir(parents=True)
    for number in range(1, 21, 4):
        shutil.copy(PHOTOS / f"benny-{number:02}.png", tmp_path / "photos/ana")
    pick = dataclasses.replace(
        RECIPES["retrato"].pick, prompts=RECIPES["retrato"].pick.prompts[:2], rounds=(2,), steps=1, most_candidates=1
    )
    quick = dataclasses.replace(
        RECIPES["retrato"], steps=2, batch_size=2, evaluation_pairs=2, average_over=0, pick=pick
    )
    monkeypatch.setattr("retrato.training.prepare.RECIPES", {"retrato": quick})
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    for words in page.commands:
        if words[0] == "generate":
            words = [*words, "--steps", "1"]  # the last one counts
        if words[0] == "train":
            words = [*words, "--caption", "file"]
        assert main(words) == 0, f"retrato {' '.join(words)}: {capsys.readouterr().err}"


@pytest.mark.slow
def test_ten_minutes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(page("docs/start.md"), capsys)
    assert len(list((place / "photos/benny").iterdir())) == 20
    assert EmbeddingLibrary(place / "home/embeddings").names == ["benny-1"]
    assert len(list((place / "home/outputs").rglob("*.png"))) == 6
    assert (place / "benny-1.pt").is_file()


@pytest.mark.slow
def test_four_steps(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(page("docs/four-steps.md"), capsys)
    assert len(list((place / "prepared/ana").glob("*.png"))) == 5
    captions = [file.read_text("utf-8") for file in (place / "prepared/ana").glob("*.txt")]
    assert len(captions) == 5
    assert all(captions)
    assert EmbeddingLibrary(place / "home/embeddings").names == ["ana-1"]
    assert len(list((place / "home/outputs").rglob("*.png"))) == 5


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [("docs/four-steps.md", "docs/quatro-passos.md"), ("README.md", "README.pt-BR.md")],
)
def test_both_languages_say_the_same_commands(english: str, portuguese: str) -> None:
    theirs = [line.split("#")[0].strip() for block in page(portuguese).bash for line in block.splitlines()]
    ours = [line.split("#")[0].strip() for block in page(english).bash for line in block.splitlines()]
    assert theirs
    assert theirs == ours
