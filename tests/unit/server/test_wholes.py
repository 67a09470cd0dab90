"""What lies hidden beside a photo that was cut."""

from pathlib import Path

from PIL import Image

from retrato.photos import list_photos
from retrato.server.wholes import cut_of, is_free_for, whole_of, whole_size


def test_the_whole_of_a_photo_is_hidden_and_has_its_size(tmp_path: Path) -> None:
    photo = tmp_path / "one.png"
    Image.new("RGB", (64, 64)).save(photo)
    assert whole_size(photo) == (64, 64)
    Image.new("RGB", (96, 64)).save(whole_of(photo))
    cut_of(photo).write_text("[0, 0, 1]")
    assert whole_size(photo) == (96, 64)
    assert list_photos(tmp_path) == [photo]


def test_a_place_is_free_for_the_picture_that_lies_there_cut_or_not(tmp_path: Path) -> None:
    photo = tmp_path / "one.png"
    assert is_free_for(photo, b"any")
    photo.write_bytes(b"cut")
    assert is_free_for(photo, b"cut")
    assert not is_free_for(photo, b"other")
    whole_of(photo).write_bytes(b"whole")
    assert is_free_for(photo, b"whole")
    assert not is_free_for(photo, b"cut")
