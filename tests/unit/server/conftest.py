"""A server on the tiny model, asked in this process as a browser on this machine would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from retrato.server import create_app
from retrato.server.service import Service
from retrato.settings import ServerSettings
from retrato.studio import Studio

SMALL = {"prompt": "a photo of a cat", "steps": 2, "width": 64, "height": 64, "seed": 3}


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "home"


@pytest.fixture(scope="package")
def app(shared_home: Path, tiny_folder: Path) -> FastAPI:
    """One server for all tests that do not count what is in it: making one loads a model."""
    return create_app(Studio.open(tiny_folder, home=shared_home, device="cpu"), ServerSettings())


@pytest.fixture(scope="package")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.fixture
def service(app: FastAPI) -> Service:
    found: Service = app.state.service
    return found
