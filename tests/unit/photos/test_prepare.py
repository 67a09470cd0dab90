from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps

from retrato.errors import PhotoError
from retrato.photos import PreparedPhoto, Refused, list_photos, prepare
from retrato.settings import PhotoSettings

Scene = Callable[..., Image.Image]
FolderOf = Callable[..., Path]
SMALL = PhotoSettings(size=64)


def opened(path: Path | None) -> Image.Image:
    assert path is not None
    with Image.open(path) as image:
        image.load()
    return image


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_writes_squares_and_leaves_the_originals_alone(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(2, size=(300, 200))
    before = contents(folder)
    done = list(prepare(folder, tmp_path / "deep" / "out", SMALL))
    assert [each.file.name for each in done] == ["00000-0-00.png", "00001-0-01.png"]
    assert done[0] == PreparedPhoto(
        tmp_path / "deep" / "out" / "00000-0-00.png", folder / "00.png", None, (50, 0, 250, 200)
    )
    assert all(opened(each.file).size == (64, 64) for each in done)
    assert contents(folder) == before
    assert (tmp_path / "deep" / "out").stat().st_mode & 0o077 == 0
    assert list_photos(tmp_path / "deep" / "out") == [each.file for each in done]


def test_where_it_was_taken_never_travels(folder_of: FolderOf, scene: Scene, tmp_path: Path) -> None:
    folder = folder_of(0)
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    scene(1).save(folder / "a.jpg", exif=exif, comment=b"SecretPlace")
    assert b"SecretCamera" in (folder / "a.jpg").read_bytes()
    (done,) = prepare(folder, tmp_path / "out", SMALL)
    assert isinstance(done, PreparedPhoto)
    written = opened(done.file)
    assert dict(written.getexif()) == {}
    assert written.info == {}
    assert b"Secret" not in done.file.read_bytes()


def test_captions_come_from_the_text_beside_then_from_the_setting(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1)
    (folder / "00.txt").write_text("ana\nlaughing")
    (folder / "00.png").rename(folder / "00.jpg")
    (folder / "03_at the_sea.png").hardlink_to(folder / "00.jpg")
    named = list(prepare(folder, tmp_path / "named", SMALL.changed(caption="filename")))
    assert [each.caption for each in named] == ["ana laughing", "at the sea"]
    assert (tmp_path / "named" / "00000-0-00.txt").read_text() == "ana laughing\n"
    none = list(prepare(folder, tmp_path / "none", SMALL))
    assert [each.caption for each in none] == ["ana laughing", None]
    assert not (tmp_path / "none" / "00001-0-03_at the_sea.txt").exists()
    seen = []
    blip = prepare(
        folder,
        tmp_path / "blip",
        SMALL.changed(caption="blip"),
        captioner=lambda image: seen.append(image) or " a  hat ",
    )
    assert [each.caption for each in blip] == ["ana laughing", "a hat"]
    assert [image.size for image in seen] == [(64, 64)]


def test_a_flip_follows_its_original(folder_of: FolderOf, tmp_path: Path) -> None:
    done = list(prepare(folder_of(1), tmp_path / "out", SMALL.changed(flip=True)))
    assert [each.file.name for each in done] == ["00000-0-00.png", "00000-1-00.png"]
    one, other = (opened(each.file) for each in done)
    assert ImageChops.difference(ImageOps.mirror(one), other).getbbox() is None


def test_long_pictures_are_split(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1, size=(100, 200))
    done = list(prepare(folder, tmp_path / "out", SMALL.changed(split=True)))
    assert [each.box for each in done] == [(0, 0, 100, 100), (0, 50, 100, 150), (0, 100, 100, 200)]
    assert [each.file.name for each in done] == [f"00000-{at}-00.png" for at in range(3)]


def test_crop_none_keeps_all_of_the_picture(folder_of: FolderOf, tmp_path: Path) -> None:
    (done,) = prepare(folder_of(1, size=(200, 100)), tmp_path / "out", SMALL.changed(crop="none"))
    assert done.box == (0, 0, 200, 100)
    assert opened(done.file).size == (64, 64)


def test_masks_where_something_shows_the_subject(folder_of: FolderOf, scene: Scene, tmp_path: Path) -> None:
    folder = folder_of(1)
    cut_out = scene(3).convert("RGBA")
    alpha = Image.new("L", (256, 256), 0)
    alpha.paste(255, (0, 0, 128, 256))
    cut_out.putalpha(alpha)
    cut_out.save(folder / "alpha.png")
    plain = Image.new("RGB", (256, 256), "beige")
    plain.paste("navy", (80, 60, 176, 256))
    plain.save(folder / "plain.png")
    done = {each.source.name: each for each in prepare(folder, tmp_path / "out", SMALL.changed(mask=True, flip=True))}
    assert done["00.png"].mask is None
    mask = opened(done["alpha.png"].mask)
    assert done["alpha.png"].mask == tmp_path / "out" / "masks" / done["alpha.png"].file.name
    assert (mask.mode, mask.getpixel((10, 32)), mask.getpixel((54, 32))) == ("L", 0, 255)  # the flip came last
    mask = opened(done["plain.png"].mask)
    assert (mask.getpixel((32, 40)), mask.getpixel((5, 5))) == (255, 0)
    assert len(list_photos(tmp_path / "out")) == 6


def test_bad_pictures_are_refused_by_name_and_the_rest_is_done(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(3)
    (folder / "01.png").write_bytes(b"")
    done = list(prepare(folder, tmp_path / "out", SMALL))
    assert [type(each) for each in done] == [PreparedPhoto, Refused, PreparedPhoto]
    assert "01.png holds zero bytes" in done[1].reason
    assert sorted(contents(tmp_path / "out")) == ["00000-0-00.png", "00002-0-02.png"]


def test_a_folder_that_changes_is_reported(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(2)
    work = prepare(folder, tmp_path / "out", SMALL)
    assert isinstance(next(work), PreparedPhoto)
    (folder / "01.png").unlink()
    (gone,) = work
    assert isinstance(gone, Refused)
    assert "01.png is not there (any more)" in gone.reason


def test_nothing_is_written_over(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1)
    list(prepare(folder, tmp_path / "out", SMALL))
    before = contents(tmp_path / "out")
    with pytest.raises(PhotoError, match=r"already holds 1 prepared files such as 00000-0-00\.png"):
        prepare(folder, tmp_path / "out", SMALL)
    assert contents(tmp_path / "out") == before
    work = prepare(folder, tmp_path / "other", SMALL)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "00000-0-00.png").write_text("somebody's")
    with pytest.raises(PhotoError, match="exists and is never written over"):
        next(work)
    assert (tmp_path / "other" / "00000-0-00.png").read_text() == "somebody's"


def test_the_photos_own_folder_is_not_written_to(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1)
    (tmp_path / "link").symlink_to(folder)
    for out in (folder, folder / "inside" / "deep", tmp_path / "link", tmp_path / "link" / "inside"):
        with pytest.raises(PhotoError, match="own folder or lies in it"):
            prepare(folder, out, SMALL)
    (tmp_path / "file").touch()
    with pytest.raises(PhotoError, match="is a file, wanted a folder"):
        prepare(folder, tmp_path / "file", SMALL)
    assert sorted(contents(folder)) == ["00.png"]


def test_what_is_missing_is_said_at_once(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1)
    with pytest.raises(PhotoError, match="no face finder: use center, or none"):
        prepare(folder, tmp_path / "out", SMALL.changed(crop="face"))
    with pytest.raises(PhotoError, match="no captioner was given"):
        prepare(folder, tmp_path / "out", SMALL.changed(caption="blip"))
    with pytest.raises(PhotoError, match="there is no folder"):
        prepare(tmp_path / "missing", tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ('it\'s "me".png', "00000-0-it's _me_.png"),
        ("two\nlines.png", "00000-0-two_lines.png"),
        ("\U0001f600.png", "00000-0-\U0001f600.png"),
        ("\udcff.png", "00000-0-_.png"),
        ("\U0001f600" * 62 + "abc.png", "00000-0-" + "\U0001f600" * 50 + ".png"),
        ("x" * 251 + ".png", "00000-0-" + "x" * 200 + ".png"),
    ],
)
def test_odd_names(folder_of: FolderOf, tmp_path: Path, name: str, wanted: str) -> None:
    folder = folder_of(1)
    (folder / "00.png").rename(folder / name)
    (done,) = prepare(folder, tmp_path / "out", SMALL.changed(caption="filename"))
    assert done.file.name == wanted
    assert opened(done.file).size == (64, 64)
    assert done.caption is None or done.caption.encode()


def test_a_full_disk_is_one_sentence(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1)
    work = prepare(folder, tmp_path / "out" / "deep", SMALL)
    (tmp_path / "out").touch()  # where a folder has to be made, somebody put a file
    with pytest.raises(PhotoError, match="cannot be written"):
        next(work)
