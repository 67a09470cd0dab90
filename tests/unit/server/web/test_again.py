"""What is carried along with a picture that is drawn again, and what is said about it."""

import json
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from retrato.embeddings import EmbeddingLibrary
from retrato.generation import format_infotext
from retrato.server.web.again import carried_settings, carried_text, said_of
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings

DRAWN = GenerateSettings(prompt="a cat", seed=7, width=64, height=64, guidance_scale=7)
SIGNED = {"model": "sharp", "model_hash": "0123456789", "version": "retrato 1.0"}


def site(home: Path, language: str = "en", hash: str = "0123456789") -> Site:
    components = SimpleNamespace(hash=hash, name="other", vae_hash="", vae_name="")
    people = EmbeddingLibrary(home / "embeddings")
    service = SimpleNamespace(home=home, studio=SimpleNamespace(components=components), people=lambda: people)
    return Site(cast("Any", service), language)


def test_what_can_be_drawn_just_so_needs_no_word(tmp_path: Path) -> None:
    assert carried_text(site(tmp_path), format_infotext(DRAWN, **SIGNED), "words", {}) == ""
    assert carried_text(site(tmp_path), "", "words", {}) == ""
    assert said_of(site(tmp_path), "") == ""


def test_what_is_carried_is_said_and_can_be_left_out(tmp_path: Path) -> None:
    text = format_infotext(DRAWN.changed(variation_seed=9, variation_strength=0.25), **SIGNED)
    carried = carried_text(site(tmp_path), text, "words", {})
    said = said_of(site(tmp_path), carried)
    assert "Also as in that picture: variation seed 9, strength of the variation 0.25." in said
    assert 'data-field="draw-carried" data-value=""' in said
    assert "semente da variação 9" in said_of(site(tmp_path, "pt-BR"), carried)


@pytest.mark.parametrize(
    ("settings", "signed", "english", "portuguese"),
    [
        (DRAWN, {**SIGNED, "model_hash": "aaaaaaaaaa"}, "another model, sharp: choose", "outro modelo, sharp: escolha"),
        (
            DRAWN,
            {**SIGNED, "fields": {"VAE": "soft", "VAE hash": "b"}},
            "had another VAE, soft",
            "O VAE era outro, soft",
        ),
        (
            DRAWN,
            {**SIGNED, "fields": {"TI hashes": "ana: b"}},
            "embedding ana is not in embeddings",
            "O embedding ana ",
        ),
        (
            DRAWN.changed(init_image="x", denoising_strength=0.5),
            SIGNED,
            "was drawn from another picture",
            "desenhada sobre outra",
        ),
        (DRAWN, {**SIGNED, "version": "v1.9.4"}, "Another program drew it", "Outro programa a desenhou"),
        (DRAWN, {**SIGNED, "fields": {"Lora": "b"}}, "It also says Lora", "Ela também diz Lora"),
    ],
)
def test_what_cannot_be_done_again_is_said(
    tmp_path: Path, settings: GenerateSettings, signed: dict[str, Any], english: str, portuguese: str
) -> None:
    text = format_infotext(settings, **signed)
    for language, words in (("en", english), ("pt-BR", portuguese)):
        here = site(tmp_path, language)
        assert words in unescape(said_of(here, carried_text(here, text, "words", {})))


def test_what_means_nothing_any_more_is_not_drawn_with() -> None:
    settings = {"eta": 0.5, "hires_prompt": "a hat", "mask_padding": 8, "init_image": "/etc/passwd"}
    carried = json.dumps({"settings": settings, "sentences": []})

    def left(mode: str, *, hires: bool) -> set[str]:
        return set(carried_settings({"carried": carried, "mode": mode, "hires": hires}))

    assert left("words", hires=True) == {"eta", "hires_prompt"}
    assert left("words", hires=False) == {"eta"}
    assert left("picture", hires=True) == {"eta"}
    assert left("repaint", hires=False) == {"eta", "mask_padding"}
    assert carried_settings({"carried": "", "mode": "words", "hires": False}) == {}
