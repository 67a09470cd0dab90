import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from retrato.photos import Refused
from retrato.photos.working_copy import WorkingCopies, working_copies
from retrato.settings import PhotoSettings

Scene = Callable[..., Image.Image]


def test_copies_are_whole_files_in_memory(scene: Scene, tmp_path: Path) -> None:
    scene(1, (300, 200)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("ana")
    found = working_copies(tmp_path / "a.png", PhotoSettings(size=64, flip=True, mask=True), faces=False)
    assert isinstance(found, WorkingCopies)
    assert found.caption == "ana"
    assert [copy.is_mirrored for copy in found.copies] == [False, True]
    assert [copy.mask for copy in found.copies] == [None, None]
    assert "nothing shows where the subject is" in found.notes[0]
    with Image.open(io.BytesIO(found.copies[0].picture)) as picture:
        assert picture.size == (64, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.txt"]


def test_a_mask_beside_the_photo_is_cut_as_the_photo_is(scene: Scene, tmp_path: Path) -> None:
    scene(1, (300, 200)).save(tmp_path / "a.png")
    mask = Image.new("L", (300, 200), 0)
    mask.paste(255, (0, 0, 150, 200))
    mask.save(tmp_path / "a.mask.png")
    found = working_copies(tmp_path / "a.png", PhotoSettings(size=64, mask=True), faces=False)
    assert isinstance(found, WorkingCopies)
    with Image.open(io.BytesIO(found.copies[0].mask or b"")) as written:
        assert (written.getpixel((10, 30)), written.getpixel((54, 30))) == (255, 0)
    (tmp_path / "a.mask.png").write_bytes(b"no")
    refused = working_copies(tmp_path / "a.png", PhotoSettings(size=64), faces=False)
    assert isinstance(refused, Refused)
    assert "a.mask.png is not a picture" in refused.reason
