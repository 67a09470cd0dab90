"""Photos of nobody, a home folder that is thrown away, and the command line without a new process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrato.cli import main


def draw_photo(number: int) -> Image.Image:
    """A picture of 4x4 random patches, different for each number."""
    patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six different photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        draw_photo(number).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("RETRATO_HOME", str(folder))
    return folder


class Ran:
    """How a command ended: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def retrato(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def train(retrato: Callable[..., Ran], tiny_folder: Path, photos: Path) -> Callable[..., Ran]:
    """Trains the tiny model for a few steps; further arguments are added."""

    def run(*arguments: object, name: str = "ana-t1", folder: Path = photos) -> Ran:
        common = ("--model", tiny_folder, "--steps", "4", "--batch-size", "2", "--device", "cpu", "--json")
        return retrato("train", folder, "--name", name, *common, *arguments)

    return run
