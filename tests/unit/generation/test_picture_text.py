from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.errors import PhotoError
from retrato.generation import read_infotext

TEXT = "retrato de São Paulo, 肖像\nSteps: 20, Sampler: Euler a, Seed: 3"


def with_comment(comment: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return exif.tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"ASCII\0\0\0" + TEXT.encode(),
        TEXT.encode(),
    ],
)
def test_comments_of_jpeg_and_webp(tmp_path: Path, suffix: str, comment: bytes) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (8, 8)).save(path, exif=with_comment(comment))
    assert read_infotext(path) == TEXT


def test_a_comment_wins_over_the_png_chunk(tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("parameters", "from the chunk")
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=notes)
    assert read_infotext(path) == "from the chunk"
    Image.new("RGB", (8, 8)).save(path, pnginfo=notes, exif=with_comment(b"ASCII\0\0\0from the comment"))
    assert read_infotext(path) == "from the comment"


def test_a_picture_without_text(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert read_infotext(tmp_path / "a.png") is None


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut"])
def test_what_is_no_picture_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PhotoError, match="cannot be read"):
        read_infotext(tmp_path / "a.png")
    with pytest.raises(PhotoError):
        read_infotext(tmp_path / "absent.png")
