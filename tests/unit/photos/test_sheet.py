from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from retrato.photos import check_photos, contact_sheet
from retrato.photos.check import PhotoReport, PhotoVerdict

Scene = Callable[..., Image.Image]
FolderOf = Callable[..., Path]


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()}


GREEN, AMBER, RED = (0x2E, 0x8B, 0x57), (0xB9, 0x70, 0x0A), (0xC0, 0x39, 0x2B)


def test_shows_photos_and_verdicts(folder_of: FolderOf, scene: Scene) -> None:
    folder = folder_of(5)
    (folder / "03.png").write_bytes(b"")
    Image.new("RGB", (300, 300), "grey").save(folder / "flat.png")
    report = check_photos(folder)
    sheet = contact_sheet(report, columns=3, tile=120)
    assert {GREEN, AMBER, RED} <= colours(sheet)
    assert sheet.width == 520  # three cards are narrower than the headline
    taller = contact_sheet(report, columns=2, tile=120)
    assert taller.height > sheet.height
    assert scene(0).getpixel((128, 128)) in colours(contact_sheet(report, columns=3, tile=256))


def test_a_good_set_shows_no_warning_colour(folder_of: FolderOf) -> None:
    found = colours(contact_sheet(check_photos(folder_of(10)), tile=64))
    assert GREEN in found
    assert AMBER not in found


def test_long_odd_names_and_vanished_photos_do_not_break_it(tmp_path: Path) -> None:
    photos = tuple(
        PhotoVerdict(tmp_path / name, "doubtful", ("a problem " * 40,), 10, 10, "half")
        for name in ("x" * 250, "two\nlines \U0001f600.png", "\udcff.png", "")
    )
    sheet = contact_sheet(PhotoReport(photos, "refused", ("Much advice. " * 60,)))
    assert AMBER in colours(sheet)
    assert contact_sheet(PhotoReport((), "refused", ())).size[0] >= 520
