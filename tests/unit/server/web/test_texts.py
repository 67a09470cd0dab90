"""Both languages say everything, with the same values in it, and nothing that no tab asks for."""

import re
from importlib.resources import files
from string import Formatter

import pytest

from retrato.server.web.texts import TEXTS

SOURCES = "".join(
    path.read_text("utf-8") for path in files("retrato.server.web").iterdir() if path.name.endswith(".py")
)


def values(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_it(key: str) -> None:
    english, portuguese = TEXTS[key]
    assert english.strip()
    assert portuguese.strip()
    assert values(english) == values(portuguese)


def test_every_text_that_a_tab_asks_for_is_there() -> None:
    asked = set(re.findall(r'site\(\s*"([^"]+)"', SOURCES))
    assert len(asked) > 30
    assert asked - TEXTS.keys() == set()


def test_every_text_is_asked_for() -> None:
    asked = set(re.findall(r'"([^"\n]+)"', SOURCES.partition("TEXTS: Mapping")[0])) | set(
        re.findall(r'site\(\s*f?"([^"]+)"', SOURCES)
    )
    starts = {each.partition("{")[0] for each in asked if "{" in each}
    assert [key for key in TEXTS if key not in asked and not key.startswith(tuple(starts))] == []
