"""What `retrato serve` refuses before it opens anything."""

import socket
from pathlib import Path

import pytest

from retrato.cli import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "add --listen if they should"),
        (["--auth", "ana"], "write USER:PASSWORD"),
        (["--port", "70000"], "port is 70000"),
        (["--photos", "/dev/null"], "photos is '/dev/null', which is no folder"),
        (["--model", str(Path(__file__).parents[3] / "examples")], "has no model_index.json"),
    ],
)
def test_wrong_settings_are_refused(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    assert main(["serve", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 2
    assert "take another --port" in capsys.readouterr().err
