"""`make mini` runs what mini/README.md says, step by step."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def steps(text: str) -> list[str]:
    """The lines that run a part of the recipe or put away what it made, without comments."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if re.match(r"python -m mini\.|cp ", line)]


def test_make_runs_every_step_in_the_order_of_the_page() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(BIN)/", "").replace("$(WORK)", "mini/work")
    page = (ROOT / "mini/README.md").read_text("utf-8")
    assert steps(page)
    assert steps(makefile) == steps(page)
