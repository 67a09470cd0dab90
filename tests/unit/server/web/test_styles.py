"""Styles are kept under free names; the page says which word lists there are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.errors import PromptError, SettingsError
from retrato.prompts import Style, StyleFile
from retrato.server.web.site import Site
from retrato.server.web.styles import arriving, lists_of, remove_styles, save_style


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(cast("Any", SimpleNamespace(home=tmp_path)), "en")


def test_a_style_is_kept_and_offered(site: Site, tmp_path: Path) -> None:
    save_style(site, Style("comic", "{prompt}, comic", "photo"))
    assert StyleFile(tmp_path / "styles.csv").read()["comic"].negative_prompt == "photo"
    assert arriving(site)[0] == {"choices": ["comic"], "__type__": "update"}


def test_a_style_that_is_removed_is_said_whole(site: Site) -> None:
    for style in (Style("comic", "{prompt}, <b>", "photo"), Style("oil", "oil painting")):
        save_style(site, style)
    said = remove_styles(site, ["comic"])
    assert "comic is removed" in said
    assert "<code>{prompt}, &lt;b&gt;</code>" in said
    assert "<code>photo</code>" in said
    assert list(StyleFile(site.service.home / "styles.csv").read()) == ["oil"]
    with pytest.raises(PromptError, match="there is no style called 'comic'"):
        remove_styles(site, ["oil", "comic"])
    assert list(StyleFile(site.service.home / "styles.csv").read()) == ["oil"]


@pytest.mark.parametrize(("name", "sentence"), [("comic", "already"), ("", "cannot be a style's name")])
def test_a_name_that_is_taken_or_none_is_refused(site: Site, name: str, sentence: str) -> None:
    save_style(site, Style("comic", "comic"))
    with pytest.raises(PromptError, match=sentence):
        save_style(site, Style(name, "other words"))
    assert StyleFile(site.service.home / "styles.csv").read()["comic"].prompt == "comic"


def test_a_style_without_words_is_refused_at_the_prompt(site: Site) -> None:
    with pytest.raises(SettingsError, match="prompt is empty") as found:
        save_style(site, Style("comic", " "))
    assert found.value.field == "prompt"


def test_a_broken_file_is_said_by_the_field(site: Site) -> None:
    (site.service.home / "styles.csv").write_text("what,ever\n")
    assert 'data-by="draw-styles"' in str(arriving(site)[1])


def test_the_word_lists_are_named(site: Site) -> None:
    assert "no word lists yet" in lists_of(site)
    (site.service.home / "wildcards").mkdir()
    (site.service.home / "wildcards" / "<b>.txt").write_text("red")
    assert "__&lt;b&gt;__" in lists_of(site)
