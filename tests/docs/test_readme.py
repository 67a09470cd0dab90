"""What the pages tell people to type exists and works: every command, option, target, link and Python example."""

import dataclasses
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from retrato.cli import main
from retrato.cli.app import COMMANDS
from retrato.embeddings import Embedding, EmbeddingLibrary
from retrato.training import RECIPES

from .conftest import ROOT, Page

OTHER_PROGRAMS = {"--gpus", "--group", "--price"}  # where a page names them alone
WITHOUT_A_COMMAND = {"--help", "--install-completion"}


@pytest.fixture
def place(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos/ana, where `mini` is a tiny model with random weights and training makes two steps."""
    (tmp_path / "photos/ana").mkdir(parents=True)
    for number in range(6):
        patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        photo = Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST)
        photo.save(tmp_path / "photos/ana" / f"ana-{number}.png")
    for name in ("eva", "leo"):
        shutil.copytree(tmp_path / "photos/ana", tmp_path / "people" / name)
    (tmp_path / "photos/ana-new").mkdir()
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photos/ana-new/new.png")
    photo.save(tmp_path / "portrait.png")
    Image.linear_gradient("L").resize((64, 64)).save(tmp_path / "mask.png")
    quick = {name: dataclasses.replace(recipe, steps=2, batch_size=2) for name, recipe in RECIPES.items()}
    monkeypatch.setattr("retrato.training.prepare.RECIPES", quick)
    monkeypatch.setattr("retrato.model.load.EMBEDDED", tiny_folder)
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_run(page: Page, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not any(words[0] == "train" for words in page.commands):
        library = EmbeddingLibrary(place / "home/embeddings")
        for number, name in enumerate(("ana-1", "rui-1")):
            library.add(Embedding(name, (torch.full((2, 32), 0.1 + number),)))
    for words in page.commands:
        if "--engine" in words:  # Ray is an extra that tests go without; tests/unit/test_cluster.py
            continue
        if words[0] == "score":  # the tiny model brings no scorer; tests/end_to_end/test_learning.py scores with one
            assert main(words) == 2
            assert "brings no scorer" in capsys.readouterr().err
            continue
        assert main(words) == 0, f"retrato {' '.join(words)}: {capsys.readouterr().err}"
    assert page.commands


@pytest.mark.parametrize("name", ["README.md", "docs/training.md", "docs/python.md"])
def test_python_examples_run(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Page(name, (ROOT / name).read_text("utf-8"))
    assert page.python
    for example in page.python:
        exec(compile(example, page.name, "exec"), {})
        assert "Finished(name='ana-1'" in capsys.readouterr().out
        assert (place / "home/embeddings/ana-1.safetensors").is_file()
        assert len(list((place / "out").glob("*.png"))) == (4 if "draw" in example else 0)


def test_options_exist(any_page: Page, generator: ModuleType) -> None:
    flags = {entry.name: set(re.findall(r"--[a-z-]+", _options(generator, entry.name))) for entry in COMMANDS}
    known = set.union(*flags.values()) | OTHER_PROGRAMS | WITHOUT_A_COMMAND
    for words in any_page.shown:
        assert {word for word in words if word.startswith("--")} <= flags[_command(words, flags)]
    for code in re.findall(r"`([^`\n]+)`", any_page.text):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code))
        if code.startswith("retrato "):
            words = code.split()[1:]
            assert named <= (WITHOUT_A_COMMAND if words[0].startswith("-") else flags[_command(words, flags)]), code
        elif code.startswith("--") and not any_page.name.startswith("benchmarks/"):  # they have their own
            assert named <= known, code


def test_make_targets_exist(any_page: Page) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make (\w+)", "\n".join(any_page.bash), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_links_lead_somewhere(any_page: Page) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", any_page.text):
        file, _, anchor = target.partition("#")
        path = (ROOT / any_page.name).parent / file if file else ROOT / any_page.name
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_first_two_commands_are_those_that_stay() -> None:
    readme = Page("README.md", (ROOT / "README.md").read_text("utf-8"))
    assert [line.split("#")[0].strip() for line in readme.bash[0].splitlines()] == ["make demo", "make test"]
    assert readme.text.splitlines()[2].startswith("![")


def _command(words: list[str], names: Iterable[str]) -> str:
    """The command that a line calls, `embeddings list` rather than `embeddings`; an error where there is none."""
    return max((each for each in names if words[: len(each.split())] == each.split()), key=len)


def _options(generator: ModuleType, command: str) -> str:
    return " ".join(generator._called(parameter) for parameter in generator._parameters(command))
