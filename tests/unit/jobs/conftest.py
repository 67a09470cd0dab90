"""Jobs on the tiny model."""

from pathlib import Path

import pytest

from retrato.jobs import JobQueue
from retrato.settings import GenerateSettings
from retrato.studio import Studio

DRAWING = GenerateSettings(prompt="a photo of a cat", seed=3, steps=2, width=64, height=64, count=3, batch_size=1)


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


@pytest.fixture
def queue(studio: Studio) -> JobQueue:
    return JobQueue(studio.home)
