"""What `retrato serve` refuses before it opens anything."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from retrato.cli import main
from retrato.cli.serve import _bind
from retrato.jobs import worker_lock
from retrato.settings import ServerSettings


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


def test_a_second_server_in_one_home_says_so_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RETRATO_HOME", str(tmp_path))
    with worker_lock(tmp_path):
        assert main(["serve", "--port", "0"]) == 2
        said = capsys.readouterr()
        assert main(["serve", "--port", "0", "--json"]) == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "already works on the jobs in" in said.err
    assert json.loads(capsys.readouterr().out).keys() == {"error", "exit_code"}


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Nagle's algorithm would hold back the second half of each answer, for 40 ms on Linux."""

    async def connect() -> int:
        listener, made = _bind(ServerSettings(port=0)), asyncio.get_running_loop().create_future()
        async with await asyncio.start_server(lambda _, writer: made.set_result(writer), sock=listener):
            _, client = await asyncio.open_connection(*listener.getsockname())
            writer: asyncio.StreamWriter = await made
            option: int = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            client.close()
        return option

    assert asyncio.run(connect()) != 0
