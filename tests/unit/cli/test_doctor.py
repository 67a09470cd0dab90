"""What the doctor finds, and that each fault comes with what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrato.cli import main
from retrato.jobs import JobQueue
from retrato.model.doctor import Check


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def checks(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> dict[str, dict[str, Any]]:
    assert main(["doctor", "--json", *arguments]) == code
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_all_is_well_with_a_model_that_draws(home: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = checks(capsys, 0, "--model", str(tiny_folder), "--device", "cpu")
    assert all(check["ok"] for check in found.values())
    assert "draws 64x64" in found["model"]["found"]
    assert set(found) >= {"machine", "libraries", "memory", "home folder", "device", "model", "people", "database"}


def test_what_is_wrong_says_what_to_do(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    found = checks(capsys, 1, "--model", str(tmp_path / "none"), "--device", "cuda:99")
    bad = {name: check for name, check in found.items() if not check["ok"]}
    assert set(bad) == {"home folder", "device", "model"}
    assert all(check["fix"] for check in bad.values())


def test_a_card_that_torch_cannot_use_is_said_with_one_command(
    home: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("retrato.model.doctor._gpu", lambda: Check("gpu", False, "a card", "pip install x"))
    assert main(["doctor", "--model", str(tiny_folder)]) == 1
    assert "BAD  gpu: a card\n     do: pip install x\n" in capsys.readouterr().out


def test_a_damaged_database_is_found_and_left_as_it_is(
    home: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every other command and the server would fail with it."""
    home.mkdir()
    (file := home / "retrato.sqlite").write_text("no database" * 100)
    database = checks(capsys, 1, "--model", str(tiny_folder), "--device", "cpu")["database"]
    assert "file is not a database" in database["found"]
    assert "move it away" in database["fix"]
    assert file.read_text() == "no database" * 100
    file.unlink()
    JobQueue(home).close()
    assert checks(capsys, 0, "--model", str(tiny_folder), "--device", "cpu")["database"]["ok"]


def test_a_model_that_cannot_be_opened_ends_no_examination(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OSError(13, "Permission denied", "unet.safetensors")

    monkeypatch.setattr("retrato.cli.doctor.Studio.open", locked)
    found = checks(capsys, 1)
    assert found["model"]["found"] == "unet.safetensors: Permission denied"
    assert found["database"]["ok"]
