import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps

from retrato.errors import PhotoError
from retrato.photos import PreparedPhoto, Refused, list_photos, prepare, read_photo
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
    assert done["alpha.png"].mask == done["alpha.png"].file.with_suffix(".mask.png")
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
    assert sorted(contents(tmp_path / "out"))[1:] == ["00000-0-00.png", "00001-0-02.png"]  # first comes the journal


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
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000-0-00.png").write_text("somebody's")
    with pytest.raises(PhotoError, match=r"already holds 1 prepared files such as 00000-0-00\.png"):
        prepare(folder, tmp_path / "out", SMALL)
    work = prepare(folder, tmp_path / "other", SMALL)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "00000-0-00.png").write_text("somebody's")
    with pytest.raises(PhotoError, match="exists and is never written over"):
        next(work)
    assert (tmp_path / "other" / "00000-0-00.png").read_text() == "somebody's"


def test_a_second_run_does_only_what_is_new(folder_of: FolderOf, scene: Scene, tmp_path: Path) -> None:
    folder, out = folder_of(3), tmp_path / "out"
    list(prepare(folder, out, SMALL))
    before = contents(out)
    (out / "00001-0-01.png").write_bytes(b"retouched")  # what the user made of it stays
    (folder / "01b.png").hardlink_to(folder / "02.png")
    done = list(prepare(folder, out, SMALL))
    assert [(each.file.name, each.is_new) for each in done] == [
        ("00000-0-00.png", False),
        ("00001-0-01.png", False),
        ("00002-0-02.png", False),
        ("00003-0-01b.png", True),
    ]
    after = contents(out)
    assert after.pop("00001-0-01.png") == b"retouched"
    assert all(after[name] == content for name, content in before.items() if name in after and ".json" not in name)
    scene(77).save(folder / "00.png")
    changed, *rest = prepare(folder, out, SMALL)
    assert isinstance(changed, Refused)
    assert "00.png has changed since it was prepared as 00000-0-00.png" in changed.reason
    assert not any(each.is_new for each in rest)
    with pytest.raises(PhotoError, match="was prepared with size 64, now it is 128"):
        prepare(folder, out, PhotoSettings(size=128))


def test_goes_on_after_it_was_stopped_anywhere(
    folder_of: FolderOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = folder_of(2), tmp_path / "whole"
    settings = SMALL.changed(flip=True, caption="filename", mask=True)
    (folder / "00.png").rename(folder / "at the sea.png")
    list(prepare(folder, whole, settings))
    module = importlib.import_module("retrato.photos.prepare")
    real, calls = module.write_atomic, 0

    def dying(path: Path, content: bytes | str) -> Path:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return real(path, content)

    monkeypatch.setattr(module, "write_atomic", dying)
    for stop in range(1, 7):
        out, calls = tmp_path / f"out{stop}", 0
        with pytest.raises(KeyboardInterrupt):
            list(prepare(folder, out, settings))
        with (out / ".retrato-prepare.jsonl").open("a") as journal:
            journal.write('{"source": "half a li')
        calls = 100
        list(prepare(folder, out, settings))
        names = {name: content for name, content in contents(out).items() if "jsonl" not in name}
        assert names == {name: content for name, content in contents(whole).items() if "jsonl" not in name}


def test_two_processes_write_what_one_does(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(5)
    (folder / "02.png").write_bytes(b"")
    one = list(prepare(folder, tmp_path / "one", SMALL))
    two = list(prepare(folder, tmp_path / "two", SMALL, processes=2))
    assert [type(each) for each in one] == [type(each) for each in two]
    assert [each.reason for each in one if isinstance(each, Refused)] == [
        each.reason for each in two if isinstance(each, Refused)
    ]
    pictures = [{k: v for k, v in contents(tmp_path / name).items() if k.endswith("png")} for name in ("one", "two")]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 4


@pytest.mark.parametrize(
    ("action", "wanted"),
    [("ignore", "a hat"), ("copy", "ana"), ("prepend", "ana, a hat"), ("append", "a hat, ana")],
)
def test_what_becomes_of_a_caption_that_is_there(folder_of: FolderOf, tmp_path: Path, action: str, wanted: str) -> None:
    folder = folder_of(1)
    (folder / "00.txt").write_text("ana")
    settings = SMALL.changed(caption="blip", existing_caption=action)
    (done,) = prepare(folder, tmp_path / "out", settings, captioner=lambda _: "a hat")
    assert done.caption == wanted
    assert (tmp_path / "out" / "00000-0-00.txt").read_text() == f"{wanted}\n"


def test_captions_in_the_name_and_with_framing_words(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(0)
    plain = Image.new("RGB", (120, 240), "beige")
    plain.paste("navy", (45, 10, 75, 230))
    plain.save(folder / "plain.png")
    settings = SMALL.changed(caption="blip", caption_in="name", crop="none")
    (done,) = prepare(folder, tmp_path / "out", settings, captioner=lambda _: 'a "hat"')
    assert done.file.name == "00000-0-full-body, a _hat_.png"
    assert not list((tmp_path / "out").glob("*.txt"))
    (plain_words,) = prepare(
        folder, tmp_path / "off", settings.changed(framing_words=False), captioner=lambda _: "a hat"
    )
    assert plain_words.caption == "a hat"


def test_shapes(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = folder_of(1, size=(300, 400))
    settings = PhotoSettings(size=512)
    for shape, wanted in (("square", (512, 512)), ("bucket", (448, 576)), ("keep", (440, 584))):
        (done,) = prepare(folder, tmp_path / shape, settings.changed(shape=shape))
        assert opened(done.file).size == wanted


def test_masks_from_a_folder(folder_of: FolderOf, tmp_path: Path) -> None:
    folder, masks = folder_of(2), tmp_path / "given"
    masks.mkdir()
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (0, 0, 64, 128))
    mask.save(masks / "00.png")
    Image.new("L", (128, 20)).save(masks / "01.mask.png")
    settings = SMALL.changed(mask=True, mask_folder=str(masks))
    first, second = prepare(folder, tmp_path / "out", settings)
    written = opened(first.mask)
    assert (written.getpixel((10, 30)), written.getpixel((50, 30))) == (255, 0)
    assert isinstance(second, Refused)
    assert "the mask 01.mask.png is 128x20 pixels, another shape than its photo" in second.reason
    with pytest.raises(PhotoError, match="there is no folder of masks"):
        prepare(folder, tmp_path / "none", settings.changed(mask_folder=str(tmp_path / "missing")))
    with pytest.raises(PhotoError, match="add mask"):
        prepare(folder, tmp_path / "none", SMALL.changed(mask_folder=str(masks)))
    (photo,) = (each for each in map(read_photo, list_photos(tmp_path / "out")))
    assert photo.mask is not None
    assert photo.mask.getpixel((10, 30)) == 255


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
    with pytest.raises(PhotoError, match="crop is face, but there is no face finder here: install it; or use focal"):
        prepare(folder, tmp_path / "out", SMALL.changed(crop="face"))
    with pytest.raises(PhotoError, match=r"face_share is 0\.5, which needs crop face"):
        prepare(folder, tmp_path / "out", SMALL.changed(face_share=0.5))
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
