"""A server on the tiny model, asked in this process as a browser on this machine would."""

import threading
import time
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


class Busy:
    """Work that takes its time, and the most who were at it at once."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1


@pytest.fixture
def busy() -> Busy:
    return Busy()


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
