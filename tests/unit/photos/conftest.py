"""Pictures made on the spot: scenes with edges and colours, no two seeds alike."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(autouse=True)
def no_face_finder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base installation, also where the faces extra is there; tests marked `faces` want the extra."""
    if "faces" in request.keywords:
        pytest.importorskip("dlib")
        return
    for name in ("check", "prepare"):
        module = importlib.import_module(f"retrato.photos.{name}")
        monkeypatch.setattr(module, "why_missing", lambda: "there is no face finder here: install it")


@pytest.fixture
def scene() -> Callable[..., Image.Image]:
    return draw_scene


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    def make(count: int, name: str = "photos", size: tuple[int, int] = (256, 256)) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for seed in range(count):
            draw_scene(seed, size).save(folder / f"{seed:02}.png")
        return folder

    return make


def draw_scene(seed: int, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """Overlapping discs of chance colours on a chance ground."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(value) for value in rng.integers(0, 256, 3)))
    brush = ImageDraw.Draw(image)
    for _ in range(14):
        across, down = rng.uniform(0, 1, 2) * size
        radius = rng.uniform(0.05, 0.3) * min(size)
        fill = tuple(int(value) for value in rng.integers(0, 256, 3))
        brush.ellipse((across - radius, down - radius, across + radius, down + radius), fill=fill)
    return image
