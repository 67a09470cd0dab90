"""Where the home folder is, and what can be none."""

import os
from pathlib import Path

import pytest

from retrato.cli import main
from retrato.errors import SettingsError
from retrato.home import home_folder, within


def test_home_is_what_is_said_then_the_environment_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "env"))
    assert home_folder(tmp_path / "said") == tmp_path / "said"
    assert home_folder() == tmp_path / "env"
    monkeypatch.delenv("RETRATO_HOME")
    assert home_folder().name == "retrato"


@pytest.mark.parametrize("inside", ["", "home", "deep/down"])
def test_a_file_is_no_home(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("a letter")
    with pytest.raises(SettingsError, match=r"file is a file\): set RETRATO_HOME"):
        home_folder(tmp_path / "file" / inside)
    assert home_folder(tmp_path / "not-yet") == tmp_path / "not-yet"


def test_a_home_of_nobody_is_none() -> None:
    with pytest.raises(SettingsError, match="that of nobody: set RETRATO_HOME"):
        home_folder("~no-such-account/retrato")


@pytest.mark.parametrize(
    "words", [["serve", "--port", "0"], ["embeddings", "list"], ["hypernetworks", "list"], ["generate", "a hat"]]
)
def test_commands_say_so_and_begin_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a letter")
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path / "file"))
    assert main(words) == 2
    assert "set RETRATO_HOME to another one" in capsys.readouterr().err


def test_a_sentence_for_others_does_not_say_where_the_home_is(tmp_path: Path) -> None:
    said = f"there is no style in {tmp_path / 'styles.csv'}, and none in {tmp_path / 'a' / 'b'}"
    assert within(tmp_path, said) == "there is no style in styles.csv, and none in a/b".replace("/", os.sep)


def test_nor_where_a_home_behind_a_link_is(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    for name in ("home", "disk"):
        assert within(tmp_path / "home", f"{tmp_path / name / 'ana'} holds no photos") == "ana holds no photos"
