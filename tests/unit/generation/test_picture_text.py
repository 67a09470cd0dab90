import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

from retrato.errors import PhotoError, SettingsError
from retrato.generation import read_infotext, require_infotext
from retrato.generation.picture_text import picture_bytes

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


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("text", [TEXT, "plain", "x" * 30_000, "\ud800 half a pair"])
def test_what_is_saved_is_read(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(picture_bytes(Image.linear_gradient("L").convert("RGB"), ending, text))
    assert read_infotext(path) == text.replace("\ud800", "?")


def test_a_webp_keeps_every_pixel_and_a_jpeg_says_when_a_text_is_too_long(tmp_path: Path) -> None:
    image = Image.effect_noise((64, 64), 50).convert("RGB")
    (tmp_path / "a.webp").write_bytes(picture_bytes(image, "webp", TEXT))
    with Image.open(tmp_path / "a.webp") as saved:
        assert ImageChops.difference(saved.convert("RGB"), image).getbbox() is None
    (tmp_path / "b.webp").write_bytes(picture_bytes(image, "webp", "x" * 100_000))
    assert read_infotext(tmp_path / "b.webp") == "x" * 100_000
    with pytest.raises(SettingsError, match="use --format png"):
        picture_bytes(image, "jpg", "x" * 33_000)


def test_novelais_pictures(tmp_path: Path) -> None:
    said = {"steps": 28, "sampler": "k_euler_ancestral", "scale": 11, "seed": 3, "uc": "bad"}
    for comment, expected in (
        (json.dumps(said), "a hat\nNegative prompt: bad\nSteps: 28, Sampler: Euler a, CFG scale: 11, Seed: 3, "
         "Size: 8x16, Clip skip: 2, ENSD: 31337"),
        ("[" * 100_000, None),
        ('{"steps": 1}', None),
    ):  # fmt: skip
        notes = PngInfo()
        for key, value in (("Software", "NovelAI"), ("Description", "a hat"), ("Comment", comment)):
            notes.add_text(key, value)
        Image.new("RGB", (8, 16)).save(tmp_path / "a.png", pnginfo=notes)
        assert read_infotext(tmp_path / "a.png") == expected


@pytest.mark.parametrize(
    ("name", "spacing", "found"),
    [
        ("k_dpm_fast", "karras", "DPM fast"),
        ("k_dpm_2_ancestral", "native", "DPM2 a"),
        ("k_dpmpp_2m", None, "DPM++ 2M"),
        ("k_dpmpp_2m", "karras", "DPM++ 2M Karras"),
        ("nai_smea", "karras", "Euler a"),
    ],
)
def test_novelais_samplers(tmp_path: Path, name: str, spacing: str | None, found: str) -> None:
    notes = PngInfo()
    said = {"steps": 28, "sampler": name, "scale": 11, "seed": 3, "uc": "bad"}
    comment = json.dumps(said | ({"noise_schedule": spacing} if spacing else {}))
    for key, value in (("Software", "NovelAI"), ("Description", "a hat"), ("Comment", comment)):
        notes.add_text(key, value)
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png", pnginfo=notes)
    assert f"Sampler: {found}," in (read_infotext(tmp_path / "a.png") or "")


@pytest.mark.parametrize(
    ("chunk", "text", "says"),
    [
        ("prompt", json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}), "was drawn by ComfyUI, which"),
        ("workflow", json.dumps({"nodes": []}), "was drawn by ComfyUI, which"),
        ("invokeai_metadata", json.dumps({"positive_prompt": "a hat"}), "can be read in InvokeAI alone"),
        ("sd-metadata", json.dumps({"app_id": "invoke-ai/InvokeAI"}), "can be read in InvokeAI alone"),
        ("prompt", "a hat", "does not say how it was drawn"),
    ],
)
def test_pictures_of_other_programs_are_told(tmp_path: Path, chunk: str, text: str, says: str) -> None:
    notes, path = PngInfo(), tmp_path / "a.png"
    notes.add_text(chunk, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=notes)
    with pytest.raises(PhotoError, match=says):
        require_infotext(path)
    notes.add_text("parameters", TEXT)
    Image.new("RGB", (8, 8)).save(path, pnginfo=notes)
    assert require_infotext(path) == TEXT


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"there is no file .*gone.png: look"):
        read_infotext(tmp_path / "gone.png")
    with pytest.raises(PhotoError, match="is a folder: name one picture in it"):
        read_infotext(tmp_path)


def test_the_comment_of_a_gif(tmp_path: Path) -> None:
    Image.new("P", (8, 8)).save(tmp_path / "a.gif", comment=TEXT.encode())
    assert read_infotext(tmp_path / "a.gif") == TEXT


def test_damaged_exif_is_no_text(tmp_path: Path) -> None:
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\xff" + b"\x87i" * 300):
        Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
        assert read_infotext(tmp_path / "a.jpg") is None


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
