"""The tests' tiny model, for the injections that take too long for the test-suite."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrato.studio import Studio
from tests.conftest import pytest_configure, tiny_folder, tokenizer_folder
from tests.unit.jobs.conftest import draw_photos

__all__ = ["pytest_configure", "tiny_folder", "tokenizer_folder"]


@pytest.fixture(autouse=True, scope="session")
def _signals_arrive() -> Iterator[None]:
    """Undoes what a shell's `&` and nohup do to commands: they and all that they start ignore Ctrl-C and SIGHUP."""
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.fixture
def studio(tmp_path: Path, tiny_folder: Path) -> Studio:
    return Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw_photos(tmp_path / "photos", 5)
