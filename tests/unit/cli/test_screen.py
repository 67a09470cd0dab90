import json
from pathlib import Path

import pytest

from retrato.cli.screen import Screen


def test_results_go_to_stdout_and_notes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False)
    screen.note("[red]on the way[/red]")
    screen.say("[a | b]" + 200 * "x")
    screen.finish({"not": "asked for"})
    out, err = capsys.readouterr()
    assert err == "[red]on the way[/red]\n"
    assert out == "[a | b]" + 200 * "x" + "\n"


def test_with_json_stdout_holds_one_object_alone(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=True)
    screen.say("for people")
    screen.table(("a", "b"), [(1, "[two]")])
    screen.finish({"file": Path("é\udcff.png")})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"file": "é\udcff.png"}
    assert "for people" in err
    assert "[two]" in err
