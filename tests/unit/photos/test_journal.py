from pathlib import Path

import pytest

from retrato.errors import PhotoError
from retrato.photos.journal import NAME, Journal


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / 'a "b"\n\udcff.png'
    path.write_bytes(b"picture")
    return path


def test_remembers_what_was_begun(tmp_path: Path, source: Path) -> None:
    journal = Journal(tmp_path, {"size": 64})
    assert journal.find(source) is None
    assert [journal.next_number(), journal.next_number()] == [0, 1]
    journal.add(source, 1, ("00001-0-a.png",))
    again = Journal(tmp_path, {"size": 64})
    begun = again.find(source)
    assert begun is not None
    assert (begun.number, begun.pictures) == (1, ("00001-0-a.png",))
    assert again.next_number() == 2
    source.touch()  # copied or restored: another time, the same picture
    assert Journal(tmp_path, {"size": 64}).find(source) is not None


def test_numbers_go_on_after_pictures_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "00007-1-x.png").touch()
    assert Journal(tmp_path, {}).next_number() == 8
    assert Journal(tmp_path / "none yet", {}).next_number() == 0


def test_refuses_changed_photos_and_other_settings(tmp_path: Path, source: Path) -> None:
    Journal(tmp_path, {"size": 64}).add(source, 0, ("00000-0-a.png",))
    source.write_bytes(b"another picture")
    with pytest.raises(PhotoError, match=r"has changed since it was prepared as 00000-0-a\.png"):
        Journal(tmp_path, {"size": 64}).find(source)
    with pytest.raises(PhotoError, match="was prepared with size 64, now it is 128"):
        Journal(tmp_path, {"size": 128})
    source.unlink()
    with pytest.raises(PhotoError, match="is not there any more"):
        Journal(tmp_path, {"size": 64}).find(source)


def test_a_line_half_written_is_passed_over(tmp_path: Path, source: Path) -> None:
    Journal(tmp_path, {}).add(source, 0, ("00000-0-a.png",))
    with (tmp_path / NAME).open("a") as file:
        file.write('{"source": "b.p')
    assert Journal(tmp_path, {}).find(source) is not None
