from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from retrato.errors import PhotoError
from retrato.photos import check_photos
from retrato.photos.page import contact_page, require_sheet, write_sheet

FolderOf = Callable[..., Path]


def test_the_page_stands_alone_and_escapes_names(folder_of: FolderOf) -> None:
    folder = folder_of(2)
    (folder / "<script>alert('a')<.png").write_bytes(b"")
    (folder / "01.png").rename(folder / 'x" onerror="alert(1).png')
    page = contact_page(check_photos(folder))
    assert "<script" not in page
    assert 'onerror="' not in page
    assert "&lt;script&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page
    assert "Cannot be trained on yet" in page
    assert "no face finder" in page


def test_writes_what_the_ending_says_and_nothing_over(folder_of: FolderOf, tmp_path: Path) -> None:
    report = check_photos(folder_of(2))
    assert write_sheet(report, tmp_path / "a.html").read_text().startswith("<!doctype html>")
    with Image.open(write_sheet(report, tmp_path / "a.png")) as sheet:
        assert sheet.width > 300
    with pytest.raises(PhotoError, match="is not written over"):
        write_sheet(report, tmp_path / "a.png")
    with pytest.raises(PhotoError, match=r"name a \.png or a \.html"):
        require_sheet(tmp_path / "a.jpg")
