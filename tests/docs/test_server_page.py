"""What docs/server.md names is there: endpoints, options, and nothing of the API is left out."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from retrato.server import create_app
from retrato.settings import ServerSettings
from retrato.studio import Studio

from .conftest import ROOT

PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


@pytest.fixture
def paths(tmp_path: Path, tiny_folder: Path) -> set[tuple[str, str]]:
    app = create_app(Studio.open(tiny_folder, home=tmp_path), ServerSettings())
    return {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}


def test_endpoints_in_the_page_exist(paths: set[tuple[str, str]]) -> None:
    named = set(re.findall(r"^\| `([A-Z]+) (/api/\S+)` \|", PAGE, flags=re.MULTILINE))
    assert len(named) > 15
    assert named <= paths


def test_options_in_the_page_exist(generator: ModuleType) -> None:
    flags = {
        flag for each in generator._parameters("serve") for flag in re.findall("--[a-z-]+", generator._called(each))
    }
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert mentioned
    assert mentioned <= flags


def test_the_reference_has_every_endpoint_and_nothing_from_elsewhere(tmp_path: Path, tiny_folder: Path) -> None:
    app = create_app(Studio.open(tiny_folder, home=tmp_path), ServerSettings())
    page = TestClient(app, base_url="http://localhost").get("/docs").text
    for path in app.openapi()["paths"]:
        assert path in page
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "<script" not in page
