import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from retrato.errors import PhotoError
from retrato.files import printable
from retrato.photos import list_photos, read_photo, read_photos

Scene = Callable[..., Image.Image]
FolderOf = Callable[..., Path]


def message_of(action: Callable[[], object]) -> str:
    with pytest.raises(PhotoError) as caught:
        action()
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_lists_pictures_in_order_and_nothing_else(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(2)
    for name in ("b.JPG", "a.jpeg"):
        scene(9).save(folder / name, "JPEG")
    for name in (".hidden.png", "notes.txt", "data.json", "table.csv", "Thumbs.db"):
        (folder / name).write_text("x")
    (folder / "sub.png").mkdir()
    scene(1).save(folder / "sub.png" / "inner.png")
    assert [path.name for path in list_photos(folder)] == ["00.png", "01.png", "a.jpeg", "b.JPG"]


def test_says_what_is_wrong_with_a_folder(tmp_path: Path, folder_of: FolderOf) -> None:
    assert "there is no folder" in message_of(lambda: list_photos(tmp_path / "missing"))
    file = folder_of(1) / "00.png"
    assert "is a file, wanted a folder" in message_of(lambda: list_photos(file))
    (tmp_path / "empty").mkdir()
    assert "it is empty" in message_of(lambda: list_photos(tmp_path / "empty"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    assert "none of its 1 entries" in message_of(lambda: list_photos(tmp_path / "texts"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "leads back to itself" in message_of(lambda: list_photos(tmp_path / "loop"))
    assert "cannot be read" in message_of(lambda: list_photos("nul\0character"))


def test_reads_a_photo_and_its_caption(folder_of: FolderOf) -> None:
    folder = folder_of(2)
    (folder / "00.txt").write_bytes(b"\xef\xbb\xbf  a person,\n smiling \n")
    (folder / "01.txt").write_text("  \n")
    first, second = (read_photo(path) for path in list_photos(folder))
    assert (first.caption, second.caption) == ("a person, smiling", None)
    assert (first.path, first.original_size, first.image.mode) == (folder / "00.png", (256, 256), "RGB")
    assert read_photo(str(folder / "00.png"), shorter_side=64).image.size == (64, 64)


def test_refuses_a_caption_that_is_no_text(folder_of: FolderOf) -> None:
    folder = folder_of(1)
    (folder / "00.txt").write_bytes(b"\xff\xfe\x00 caption")
    assert "00.txt is not UTF-8" in message_of(lambda: read_photo(folder / "00.png"))
    (folder / "00.txt").write_text("word " * 10_000)
    assert "00.txt holds 50,000 bytes" in message_of(lambda: read_photo(folder / "00.png"))


def test_says_what_is_wrong_with_a_file(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(1)
    assert "gone.png is not there" in message_of(lambda: read_photo(folder / "gone.png"))
    assert "is a folder" in message_of(lambda: read_photo(folder))
    (folder / "nowhere.png").symlink_to(folder / "gone.png")
    assert "link to a file that is not there" in message_of(lambda: read_photo(folder / "nowhere.png"))
    (folder / "loop.png").symlink_to("loop.png")
    assert "loop.png cannot be read (it is a link that leads back" in message_of(
        lambda: read_photo(folder / "loop.png")
    )
    scene(1, (1, 1)).save(folder / "dot.png")
    assert "dot.png is 1x1 pixels" in message_of(lambda: read_photo(folder / "dot.png"))
    os.mkfifo(folder / "pipe.png")
    assert "not a regular file" in message_of(lambda: read_photo(folder / "pipe.png"))
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(50_000_001)
    assert "huge.jpg holds 50,000,001 bytes" in message_of(lambda: read_photo(folder / "huge.jpg"))
    assert "cannot be read" in message_of(lambda: read_photo("nul\0.png"))


def test_one_bad_file_does_not_stop_the_rest(folder_of: FolderOf) -> None:
    folder = folder_of(3)
    (folder / "01.png").write_bytes((folder / "01.png").read_bytes()[:500])
    (folder / "zero.jpg").touch()
    (folder / "loop.gif").symlink_to("loop.gif")
    photos, refused = read_photos(folder)
    assert [photo.path.name for photo in photos] == ["00.png", "02.png"]
    assert [each.file.name for each in refused] == ["01.png", "loop.gif", "zero.jpg"]
    assert all(each.file.name in each.reason for each in refused)


ODD_NAMES = ['it\'s "quoted".png', "smile \U0001f600 é.png", "two\nlines\t.png", "x" * 251 + ".png", "\udcff\udcfe.png"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_read_and_can_be_said(folder_of: FolderOf, scene: Scene, name: str) -> None:
    folder = folder_of(0)
    scene(1).save(folder / "plain.png")
    (folder / "plain.png").rename(folder / name)
    assert [path.name for path in list_photos(folder)] == [name]
    assert read_photo(folder / name).image.size == (256, 256)
    (folder / name).write_bytes(b"")
    message = message_of(lambda: read_photo(folder / name))
    assert printable(name) in message
    assert message.encode()  # not every name of a file is text
    assert len(printable(name)) <= 120
