"""Styles from the command line: the file that A1111 keeps, without an editor."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrato.cli import main
from retrato.prompts import StyleFile


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "home"))
    return tmp_path / "home/styles.csv"


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["styles", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_added_listed_and_removed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "list") == {"styles": [], "file": str(file)}
    added = ran(capsys, "add", "Oil", "--prompt", "{prompt}, oil painting", "--negative", "photo")
    assert added["file"] == str(file)
    assert ran(capsys, "list")["styles"] == [
        {"name": "Oil", "prompt": "{prompt}, oil painting", "negative_prompt": "photo"}
    ]
    assert main(["styles", "list"]) == 0
    assert "{prompt}, oil painting" in capsys.readouterr().out
    ran(capsys, "add", "Oil", "--prompt", "oil", "--overwrite")
    assert StyleFile(file).read()["Oil"].prompt == "oil"
    ran(capsys, "remove", "Oil")
    assert ran(capsys, "list")["styles"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "Oil", "--prompt", "oil"), "already"),
        (("add", "New"), "adds no words"),
        (("add", "#New", "--prompt", "oil"), "cannot be a style's name"),
        (("remove", "Oli"), "did you mean Oil?"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    ran(capsys, "add", "Oil", "--prompt", "oil")
    before = file.read_bytes()
    assert main(["styles", *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert file.read_bytes() == before
