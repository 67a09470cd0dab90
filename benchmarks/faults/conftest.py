"""The tests' tiny model, for the injections that take too long for the test-suite."""

from pathlib import Path

import pytest

from retrato.studio import Studio
from tests.conftest import pytest_configure, tiny_folder, tokenizer_folder
from tests.unit.jobs.conftest import draw_photos

__all__ = ["pytest_configure", "tiny_folder", "tokenizer_folder"]


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", 5)
