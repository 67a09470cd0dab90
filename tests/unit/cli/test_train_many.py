"""What is shown while many people are learned at once."""

import io
from pathlib import Path

from rich.console import Console

from retrato.cli.screen import Screen
from retrato.cli.train_many import _watched
from retrato.training import Of, Prepared


def test_what_may_surprise_in_the_prompt_that_all_previews_have_is_said_once() -> None:
    sentence = "preview prompt, character 1: this ) closes nothing: it is text"
    prepared = Prepared((), (), {}, 9, 1, 0, Path("run"), {}, surprises=(sentence,))
    screen, heard = Screen(as_json=True), io.StringIO()
    screen.notes = Console(file=heard, width=200)
    tuple(_watched((Of(name, prepared) for name in ("ana", "rui")), screen, 2))
    assert heard.getvalue().count(sentence) == 1
    assert "rui: learning" in heard.getvalue()
