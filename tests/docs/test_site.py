"""The documentation becomes a site without a warning and without anything that a page would load from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_every_page_is_in_the_menu(site: Path) -> None:
    menu = (site / "index.html").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in menu or page.stem == "index", page.name


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]*\shref="([^"]+)"', text)
        assert loaded
        assert [each for each in loaded if re.match(r"(https?:)?//", each)] == []
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", style.read_text("utf-8")), style


def test_code_in_tables_can_be_copied(site: Path) -> None:
    page = (site / "embedding-or-hypernetwork.html").read_text("utf-8")
    assert "<code>[ana-1 | panda]</code>" in page


def test_pictures_are_there_and_are_described(site: Path) -> None:
    for page in site.glob("*.html"):
        for picture in re.findall(r"<img[^>]*>", page.read_text("utf-8")):
            (source,) = re.findall(r'src="([^"]+)"', picture)
            assert (site / source).is_file(), source
            assert re.search(r'alt="[^"]{20,}"', picture), picture


def test_search_works_in_pages_opened_from_a_folder(site: Path) -> None:
    """A page without a server may not fetch its index nor start a worker: both come as scripts."""
    page = (site / "index.html").read_text("utf-8")
    assert 'src="assets/iframe-worker.js"' in page
    assert (site / "assets/iframe-worker.js").is_file()
    index = (site / "search/search_index.js").read_text("utf-8")
    assert index.startswith("var __index = ")
    assert "quatro-passos.html" in index
