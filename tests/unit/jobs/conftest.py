"""Jobs on the tiny model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrato.jobs import JobQueue
from retrato.settings import GenerateSettings
from retrato.studio import Studio

DRAWING = GenerateSettings(prompt="a photo of a cat", seed=3, steps=2, width=64, height=64, count=3, batch_size=1)


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


@pytest.fixture
def queue(studio: Studio) -> Iterator[JobQueue]:
    queue = JobQueue(studio.home)
    yield queue
    queue.close()


def draw_photos(folder: Path, count: int) -> Path:
    """A folder with photos of nobody, each another pattern."""
    folder.mkdir()
    for number in range(count):
        patches = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return folder
