import shutil
from pathlib import Path

import pytest
from PIL import Image

from retrato.generation import GeneratedImage, read_infotext
from retrato.settings import GenerateSettings


def picture(infotext: str = "a\nSteps: 3, Sampler: Euler, Seed: 5") -> GeneratedImage:
    return GeneratedImage(Image.new("RGB", (8, 8), "red"), 5, infotext, GenerateSettings(prompt="a"))


@pytest.mark.parametrize(("infotext", "chunk"), [("retrato de São Paulo", b"tEXt"), ("肖像", b"iTXt")])
def test_the_text_stands_where_a1111_puts_it(tmp_path: Path, infotext: str, chunk: bytes) -> None:
    path = picture(infotext).save(tmp_path)
    assert chunk + b"parameters\0" in path.read_bytes()
    assert read_infotext(path) == infotext


def test_numbers_go_on_after_the_largest(tmp_path: Path) -> None:
    (tmp_path / "00041-7.png").touch()
    (tmp_path / "notes-1.txt").touch()
    assert picture().save(tmp_path).name == "00042-5.png"


def test_a_failed_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    needed = picture().save(tmp_path / "whole").stat().st_size
    shutil.rmtree(tmp_path / "whole")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=f"No space left on device, {needed} bytes are needed"):
        picture().save(tmp_path)
    assert list(tmp_path.iterdir()) == []
