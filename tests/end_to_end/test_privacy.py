"""What a phone writes into photos (who, where, with what) is in nothing that retrato makes of them."""

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from .conftest import Ran, draw_photo

SECRETS = (b"LeakyCam", b"Rua das Flores 12", b"38,42,4321", b"xpacket", b"exif:GPS", b"Anas Telefon", b"sRGB-of-Ana")
LATITUDE = (38.0, 42.0, 43.21)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "LeakyCam"  # who made it
    exif[0x010E] = "Rua das Flores 12"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0Rua das Flores 12"
    exif.get_ifd(0x8825).update({1: "N", 2: LATITUDE, 3: "W", 4: (9.0, 8.0, 12.5)})
    return exif


def _save(image: Image.Image, path: Path) -> None:
    """Writes a photo that says all it can: EXIF with a place, XMP, a colour profile with a name, comments."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = {"exif": _exif(), "icc_profile": profile + b"sRGB-of-Ana"}
    if path.suffix == ".png":
        notes = PngInfo()
        notes.add_text("Comment", "Anas Telefon 38,42,4321")
        notes.add_itxt("XML:com.adobe.xmp", "<?xpacket?><x exif:GPSLatitude='38,42,4321N'/>")
        image.save(path, pnginfo=notes, **said)
    else:
        image.save(path, comment=b"Anas Telefon", xmp=b"<?xpacket?><x exif:GPSLatitude='38,42,4321N'/>", **said)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photos as a phone writes them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        _save(draw_photo(number), folder / f"{number:02}.{('jpg', 'png', 'webp')[number % 3]}")
    assert {name for file in folder.iterdir() for name in found_in(file)} == set(SECRETS)
    return folder


def found_in(file: Path) -> set[bytes]:
    """Gives the secrets in a file, also in its compressed parts and in pictures that a page carries."""
    return {secret for content in _layers(file.read_bytes()) for secret in SECRETS if secret in content}


def _layers(content: bytes) -> Iterator[bytes]:
    yield content
    for start in re.finditer(rb"(?:iCCP|zTXt|eXIf|iTXt)", content):
        for at in range(start.end(), min(start.end() + 90, len(content))):
            try:
                yield zlib.decompressobj().decompress(content[at:], 1 << 20)
            except zlib.error:
                continue
    for picture in re.findall(rb"data:image/\w+;base64,([A-Za-z0-9+/=]+)", content):
        yield from _layers(base64.b64decode(picture))


def test_nothing_of_a_photo_but_its_pixels_goes_anywhere(
    train: Callable[..., Ran], retrato: Callable[..., Ran], photos: Path, home: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    out = tmp_path / "out"
    drawing = ("--steps", 1, "--model", tiny_folder, "--out", out / "drawn")
    jpeg, png = photos / "00.jpg", photos / "01.png"
    done = [
        retrato("check", photos, "--sheet", out / "sheet.html"),
        retrato("check", photos, "--sheet", out / "sheet.png"),
        retrato("prepare", photos, out / "prepared", "--size", 64, "--mask", "--caption", "none"),
        train("--save-every", 2, "--preview-every", 2, "--preview-cards", folder=photos),
        retrato("embeddings", "convert", "ana-t1", out / "card.png", "--picture", jpeg),
        *(
            retrato("generate", "a man", "--init-image", jpeg, "--mask", png, "--format", kind, *drawing)
            for kind in ("png", "jpg", "webp")
        ),
        retrato("generate", "a man", "--init-image", png, "--denoise", 0, *drawing),
        retrato("grid", "a man", "--init-image", png, "--x", "Seed=1,2", *drawing),
    ]
    assert [ran.code for ran in done] == [0] * len(done), [ran.err for ran in done if ran.code]
    written = [file for folder in (out, home) for file in folder.rglob("*") if file.is_file()]
    assert {".html", ".jpg", ".png", ".safetensors", ".webp"} <= {file.suffix for file in written}
    assert len([file for file in written if file.name.endswith("report.html")]) == 1
    leaks = {file.name: found_in(file) for file in written if found_in(file)}
    assert leaks == {}
    for file in written:
        if file.suffix in (".png", ".jpg", ".webp"):
            with Image.open(file) as picture:
                assert not picture.getexif().get_ifd(0x8825), file
                assert 0x010F not in picture.getexif(), file
