"""Pictures that come with requests: what they are kept as, and how many are in memory at a time."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from retrato.photos.decode import Pixels, decode
from retrato.server import pictures
from retrato.server.pictures import store_file


def png(mode: str, seed: int = 0) -> bytes:
    shape = (40, 30, len(mode))
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("at_once", [1, 100, 1_000_000])
def test_a_picture_is_called_by_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, at_once: int
) -> None:
    monkeypatch.setattr(pictures, "HASHED_AT_ONCE", at_once)
    file = store_file(tmp_path, png(mode))
    with Image.open(file) as kept:
        assert kept.mode == mode
        assert file.stem == hashlib.sha256(kept.tobytes() + b"(30, 40)").hexdigest()[:32]
    assert store_file(tmp_path, png(mode)) == file


def test_few_are_decoded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: Any) -> None:
    def slow(content: bytes, name: str) -> Pixels:
        busy()
        return decode(content, name)

    monkeypatch.setattr(pictures, "decode", slow)
    with ThreadPoolExecutor(8) as threads:
        files = set(threads.map(lambda seed: store_file(tmp_path, png("RGB", seed)), range(8)))
    assert len(files) == 8
    assert busy.most == 2
