"""What docs/python.md lists is there, and takes the parameters that are named."""

import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from retrato import Studio

from .conftest import ROOT

TABLE = (ROOT / "docs/python.md").read_text("utf-8").partition("|---|---|\n")[2].partition("\n\n")[0]
KEPT = {"studio.library", "studio.hypernetworks", "studio.captioner.caption"}  # what a studio has, not what it does
# What commands and the server's worker ask of a studio around its work.
INNER = {"begin", "check_training", "computed", "find", "has_from", "keep_latest", "surprises"}


def named() -> Iterator[str]:
    """What the first column names, in full: `y` after `retrato.x.z` is `retrato.x.y`."""
    for row in TABLE.splitlines():
        module = "retrato"
        for code in re.findall(r"`([^`]+)`", row.split(" | ")[0]):
            module = code.partition("(")[0].rpartition(".")[0] or module
            yield code if code.startswith(module) else f"{module}.{code}"


@pytest.mark.parametrize("code", [code for code in named() if code.partition("(")[0] not in KEPT])
def test_what_the_page_names_is_there(code: str) -> None:
    name, _, given = code.rstrip(")").partition("(")
    module, _, last = name.rpartition(".")
    thing = getattr(Studio if module.casefold() == "studio" else importlib.import_module(module), last)
    if given not in ("", "..."):
        names = [each.removesuffix("=") for each in given.split(", ")]
        assert set(names) <= inspect.signature(thing).parameters.keys()


def test_everything_that_a_studio_does_has_its_row() -> None:
    does = {name for name, each in vars(Studio).items() if inspect.isfunction(each) and name[0] != "_"}
    assert does - INNER == {
        code.partition("(")[0].removeprefix("studio.")
        for code in named()
        if code.startswith("studio.") and code.partition("(")[0] not in KEPT
    }
