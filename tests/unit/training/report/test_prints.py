import base64
import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.training.report.prints import LARGEST, Print, figure, picture_uri


def _opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_small_picture_stays_as_it_is(tmp_path: Path) -> None:
    image = Image.effect_noise((64, 48), 90).convert("RGB")
    image.save(tmp_path / "a.png")
    uri = picture_uri(tmp_path / "a.png")
    assert uri is not None
    assert uri.startswith("data:image/png;base64,")
    assert _opened(uri).tobytes() == image.tobytes()


def test_a_large_picture_is_shrunk() -> None:
    uri = picture_uri(Image.new("RGB", (2000, 1000), "red"))
    assert uri is not None
    assert uri.startswith("data:image/jpeg;base64,")
    assert _opened(uri).size == (LARGEST, LARGEST // 2)


def test_nothing_but_pixels_goes_in(tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("parameters", "a secret prompt")
    exif = Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png", pnginfo=notes, exif=exif)
    Image.new("RGB", (900, 900)).save(tmp_path / "b.jpg", exif=exif, comment="at home")
    for name in ("a.png", "b.jpg"):
        uri = picture_uri(tmp_path / name)
        assert uri is not None
        content = base64.b64decode(uri.partition(",")[2])
        assert b"secret" not in content
        assert b"at home" not in content


def test_what_is_gone_or_broken_leaves_an_empty_frame(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    for source in (None, tmp_path / "gone.png", tmp_path / "broken.png"):
        drawn = figure(Print(source, "photo 1"))
        assert "<img" not in drawn
        assert 'aria-label="photo 1: no picture"' in drawn


def test_a_figure_has_caption_mark_and_square_pixels() -> None:
    drawn = figure(Print(Image.new("RGB", (8, 8)), "a <b>", "step 3", mark="kept", pixelated=True))
    assert 'alt="a &lt;b&gt;"' in drawn
    assert "<figcaption>step 3</figcaption>" in drawn
    assert 'class="pencil kept"' in drawn
    assert 'class="pixelated"' in drawn
