"""What a photo is called that was sent, how large it is kept, and what is cut and removed with it."""

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.errors import PhotoError
from retrato.photos import list_photos, read_photo
from retrato.server import photo_files
from retrato.server.photo_files import (
    LONGEST_NAME,
    LONGEST_SIDE,
    cut_to,
    keep_mask,
    keep_photo,
    mask_of,
    name_for,
    read_cut,
    read_sent,
    remove,
    small,
    uncut,
    whole_size,
)


def sent(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    image.save(buffer := io.BytesIO(), format, **options)
    return buffer.getvalue()


def cutout(width: int = 96, height: int = 64) -> Image.Image:
    """A picture of noise of which the left half can be seen through."""
    image = Image.fromarray(np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8))
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, width // 2, height))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("IMG_1.jpg", "IMG_1"),
        ("foto (1).jpg", "foto (1)"),
        ("WhatsApp Image 2024-01-01 at 10.00.00 (1).jpeg", "WhatsApp Image 2024-01-01 at 10.00.00 (1)"),
        ("Ana's birthday.png", "Ana's birthday"),
        ("a, b.png", "a, b"),
        ("x@2x.png", "x@2x"),
        ("Screenshot 2024-01-01 at 9.41.00\u202fAM.png", "Screenshot 2024-01-01 at 9.41.00 AM"),
        ("a\u0303o.jpg", "\u00e3o"),
        ("अनिता.jpg", "अनिता"),
        ("what? <b>:*.jpg", "what_ _b___"),
        ("../../etc/pass\0wd", "pass_wd"),
        ("..\\..\\a.png", "a"),
        (".hidden.png", "hidden"),
        ("-rf.png", "rf"),
        ("\U0001f600.png", "photo"),
        ("...", "photo"),
        ("", "photo"),
        ("CON.png", "photo-CON"),
        ("com1.x.png", "photo-com1.x"),
        ("end. .png", "end"),
    ],
)
def test_whatever_a_photo_is_called_every_system_takes_its_name(file: str, name: str, tmp_path: Path) -> None:
    assert name_for(file) == (name, False)
    keep_photo(tmp_path, name, read_sent(sent(cutout()), file))
    assert [path.name for path in list_photos(tmp_path)] == [f"{name}.png"]


@pytest.mark.parametrize("letter", ["x", "\u0e01", "\U00020000"])
def test_a_long_name_is_cut_and_no_photo_replaces_another(letter: str, tmp_path: Path) -> None:
    long = [name_for(letter * 250 + end)[0] for end in ("1.png", "2.png")]
    assert long[0] == long[1]
    assert 0 < len(long[0].encode()) <= LONGEST_NAME
    files = [keep_photo(tmp_path, long[0], read_sent(sent(cutout(side)), "a")) for side in (96, 98)]
    assert files[0] != files[1]
    assert len(list_photos(tmp_path)) == 2
    cut_to(files[1], (0, 0, 0.5))


def test_a_large_photo_is_kept_no_larger_than_can_be_read_and_used(tmp_path: Path) -> None:
    file = keep_photo(tmp_path, "a", read_sent(sent(Image.new("RGBA", (8000, 4000), (9, 9, 9, 9))), "a.png"))
    assert read_photo(file).original_size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    with Image.open(mask_of(file)) as mask:
        assert mask.size == (LONGEST_SIDE, LONGEST_SIDE // 2)
    assert LONGEST_SIDE**2 * 3 < 30_000_000  # of PNG, at most


def test_opacity_is_a_mask_that_is_cut_and_removed_with_its_photo(tmp_path: Path) -> None:
    file = keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png"))
    keep_photo(tmp_path, "b", read_sent(sent(cutout().convert("RGB")), "b.png"))
    assert not mask_of(tmp_path / "b.png").exists()
    assert [path.name for path in list_photos(tmp_path)] == ["a.png", "b.png"]
    for cut, seen in (((0.5, 0, 0.5), 1.0), ((0, 0, 0.5), 0.0), ((0.25, 0, 0.75), 0.5)):
        cut_to(file, cut)
        mask = read_photo(file).mask
        assert mask is not None
        assert mask.size[0] == mask.size[1] == round(cut[2] * 64)
        assert np.mean(np.asarray(mask)) == pytest.approx(255 * seen)
    uncut(file)
    photo = read_photo(file)
    assert photo.mask is not None
    assert photo.mask.size == photo.image.size == (96, 64)
    cut_to(file, (0, 0, 0.5))
    remove(file)
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_a_photo_that_is_see_through_itself_is_cut_with_its_mask(tmp_path: Path) -> None:
    """As somebody may have put it there by hand, turned as a camera was held."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "a.png"
    file.write_bytes(sent(cutout(), exif=exif))
    assert whole_size(file) == (64, 96)
    cut_to(file, (0, 0, 0.5))
    photo = read_photo(file)
    assert photo.image.size == (32, 32)
    assert photo.mask is not None
    assert photo.mask.getextrema() == (0, 0)
    uncut(file)
    assert read_photo(file).image.size == (64, 96)


def test_a_mask_that_was_left_uncut_is_cut_with_its_photo(tmp_path: Path) -> None:
    """By the version before, after which training refused the photo."""
    file = keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png"))
    mask = mask_of(file).read_bytes()
    mask_of(file).unlink()
    cut_to(file, (0, 0, 0.5))
    mask_of(file).write_bytes(mask)
    with pytest.raises(PhotoError, match="another shape"):
        read_photo(file)
    cut_to(file, (0.5, 0, 0.5))
    assert read_photo(file).mask is not None
    uncut(file)
    assert mask_of(file).read_bytes() == mask


def test_a_mask_that_is_sent_belongs_to_its_photo(tmp_path: Path) -> None:
    white = sent(Image.new("L", (96, 64), 255))
    assert name_for("a.mask.png") == ("a", True)
    with pytest.raises(PhotoError, match=r"a\.mask\.png is a mask, and there is no photo a here"):
        keep_mask(tmp_path, "a", read_sent(white, "a.mask.png"))
    file = keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png"))
    cut_to(file, (0, 0, 0.5))
    assert keep_mask(tmp_path, "a", read_sent(white, "a.mask.png")) == mask_of(file)
    assert read_cut(file) == (0, 0, 0.5)
    mask = read_photo(file).mask
    assert mask is not None
    assert (mask.size, mask.getextrema()) == ((32, 32), (255, 255))
    assert [path.name for path in list_photos(tmp_path)] == ["a.png"]


def test_nothing_of_a_photo_that_was_there_before_clings_to_another(tmp_path: Path) -> None:
    file = keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png"), "a woman")
    cut_to(file, (0, 0, 0.5))
    file.unlink()
    keep_photo(tmp_path, "a", read_sent(sent(Image.new("RGB", (70, 70))), "a.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_on_a_full_disk_photo_and_mask_are_whole_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    writing, left = photo_files.write_atomic, 0

    def write(path: Path, content: bytes | str) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return writing(path, content)

    monkeypatch.setattr(photo_files, "write_atomic", write)
    for room in range(5):
        left = room
        with pytest.raises(OSError, match="No space"):
            cut_to(file, (0, 0, 0.5))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_photo_is_compared_without_decoding_those_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A telephone calls all of them `image.jpg`, and a hundred of them have to be compared with one another."""
    decoded: list[Path] = []
    decode = photo_files._decoded
    monkeypatch.setattr(
        photo_files, "_decoded", lambda file, **options: decoded.append(file) or decode(file, **options)
    )
    pictures = [Image.new("RGB", (70, 60), (shade, 0, 0)) for shade in range(4)]
    files = [keep_photo(tmp_path, "image", read_sent(sent(picture), "image.jpg")) for picture in pictures]
    assert [file.name for file in files] == ["image.png", "image-2.png", "image-3.png", "image-4.png"]
    assert decoded == []
    cut_to(files[2], (0, 0, 0.5))
    decoded.clear()
    assert keep_photo(tmp_path, "image", read_sent(sent(pictures[2]), "image.jpg")) == files[2]
    assert decoded == [photo_files.whole_of(files[2])]
    assert whole_size(files[2]) == (70, 60)


def test_a_photo_that_says_nothing_of_its_pixels_is_compared_by_them(tmp_path: Path) -> None:
    """As one of an earlier version, or one that somebody put there by hand or painted over."""
    pictures = [Image.new("RGB", (70, 60), (shade, 0, 0)) for shade in range(2)]
    (tmp_path / "a.png").write_bytes(sent(pictures[0]))
    assert keep_photo(tmp_path, "a", read_sent(sent(pictures[1]), "a.png")).name == "a-2.png"
    assert keep_photo(tmp_path, "a", read_sent(sent(pictures[0]), "a.png")).name == "a.png"
    with Image.open(tmp_path / "a.png") as kept:
        said = PngInfo()
        said.add_text("pixels", kept.info["pixels"])
    pictures[1].save(tmp_path / "a.png", pnginfo=said)
    assert keep_photo(tmp_path, "a", read_sent(sent(pictures[0]), "a.png")).name == "a-3.png"


def test_a_full_set_takes_no_more_photos_but_those_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_files, "MOST_PHOTOS", 2)
    for name in "ab":
        keep_photo(tmp_path, name, read_sent(sent(cutout()), "a.png"))  # with masks, which are no photos
    with pytest.raises(PhotoError, match="there are 2 photos in this set"):
        keep_photo(tmp_path, "c", read_sent(sent(cutout()), "c.png"))
    assert keep_photo(tmp_path, "a", read_sent(sent(cutout()), "a.png")).name == "a.png"


@pytest.mark.parametrize("name", ["exif-turned.heic", "turned.heic"])
def test_a_small_copy_is_upright_whatever_the_format(name: str) -> None:
    file = Path(__file__).parents[1] / "photos" / "data" / name
    whole = read_photo(file).image
    copy = small(file, 32)
    assert max(copy.size) == 32
    assert (copy.width > copy.height) == (whole.width > whole.height)
