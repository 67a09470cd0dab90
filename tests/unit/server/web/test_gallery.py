"""What a picture was drawn with goes back into the controls of the tab where one draws, which take it."""

import asyncio
from collections.abc import Mapping
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from retrato.errors import ModelError
from retrato.gallery import Picture
from retrato.generation import format_infotext
from retrato.generation.infotext import FIELDS
from retrato.server.web.again import carried_text, said_of
from retrato.server.web.draw import HIRES, NAMES, draw_tab, drawing_of
from retrato.server.web.easel import NAMES as BEGINNING
from retrato.server.web.fields import CARRIED
from retrato.server.web.gallery import SHOWN, filled_with, missing_in, pictures_of, settings_among
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings

DRAWN = GenerateSettings(
    prompt="a (red:1.2) [hat:coat:0.5]", negative_prompt="dogs", sampler="DPM++ 2M", schedule="Karras", steps=7,
    guidance_scale=3.5, seed=12, width=64, height=128, clip_skip=2, emphasis="No norm", schedule_rules="2022",
    tiling=True, hires=True, hires_scale=1.5, hires_steps=4, hires_upscaler="Lanczos", denoising_strength=0.4,
)  # fmt: skip


@pytest.fixture(params=["en", "pt-BR"], scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    """Nobody has a model here: what to say of another one is tried in `test_again`."""

    def none() -> None:
        raise ModelError("there is none")

    studio = SimpleNamespace(components=None)
    return Site(cast("Any", SimpleNamespace(studio=studio, people=none, queue=None)), request.param)


@pytest.fixture(scope="module")
def controls(site: Site) -> Mapping[str, Any]:
    async def build() -> Mapping[str, Any]:
        with gr.Blocks(analytics_enabled=False) as page:
            return draw_tab(site, page, gr.State(), gr.Tabs())

    return asyncio.run(build())  # as the page is put together


def after(site: Site, controls: Mapping[str, Any], infotext: str, **before: object) -> dict[str, Any]:
    """Gives what the controls say once they are filled; each one refuses what it could not have sent itself."""
    settings = settings_among(controls)
    values = {name: control.value for name, control in controls.items()} | before
    for (name, control), update in zip(settings.items(), filled_with(settings, infotext), strict=True):
        if "value" in update:
            values[name] = control.preprocess(control.postprocess(update["value"]))
    values["carried"] = carried_text(site, infotext, "words", missing_in(settings, infotext))
    return values


def test_drawing_again_is_drawing_the_same(site: Site, controls: Mapping[str, Any]) -> None:
    values = after(site, controls, format_infotext(DRAWN))
    again = drawing_of(site, values, "local")
    assert again == DRAWN.changed(count=values["count"])


@pytest.mark.parametrize(
    "more",
    [
        {"eta": 0.5, "sampler": "DDIM", "schedule": "Automatic", "guidance_rescale": 0.7, "guidance_min_sigma": 1.5},
        {"variation_seed": 9, "variation_strength": 0.25, "seed_resize_from": "64x96"},
        {"engine": "openvino", "tiling": False},
        {"hires_sampler": "LMS", "hires_prompt": "a, hat", "hires_negative_prompt": "cats: all"},
    ],
)
def test_what_has_no_control_is_drawn_again_too(site: Site, controls: Mapping[str, Any], more: dict[str, Any]) -> None:
    drawn = DRAWN.changed(**more)
    values = after(site, controls, format_infotext(drawn))
    again = drawing_of(site, values, "local")
    assert again == drawn.changed(count=values["count"])


def test_what_was_chosen_before_does_not_stay(site: Site, controls: Mapping[str, Any]) -> None:
    plain = GenerateSettings(prompt="a hat", seed=3, width=64, height=64, guidance_scale=7)
    before = {
        **after(site, controls, format_infotext(DRAWN)),
        "styles": ["oil"],
        "matrix": "prompt",
        "hypernetwork": "oil",
    }
    values = after(site, controls, format_infotext(plain), **before)
    assert drawing_of(site, values, "local") == plain.changed(count=values["count"])


def test_every_setting_that_pictures_say_and_the_tab_has_is_tried_here(controls: Mapping[str, Any]) -> None:
    """Whoever adds a row to infotext's table, or a control to the tab, is asked to add it above."""
    said = {name for field in FIELDS for name in field.fields} & settings_among(controls).keys()
    defaults = {name: GenerateSettings.model_fields[name].default for name in said}
    assert set(CARRIED) == {name for field in FIELDS for name in field.fields} - said - {
        "hires_resize"
    }  # see `restored`
    assert {name for name in said if getattr(DRAWN, name) == defaults[name]} == {*BEGINNING} - {"denoising_strength"}


def test_the_tab_has_a_control_for_each_of_its_settings(controls: Mapping[str, Any]) -> None:
    assert settings_among(controls).keys() == {*NAMES, *HIRES, *BEGINNING, "hires_denoise", "mask"}


def test_what_a_list_does_not_have_is_not_put_into_it(site: Site, controls: Mapping[str, Any]) -> None:
    text = "a hat\nSteps: 7, Sampler: Euler SMEA, Seed: 1, Hires upscale: 2, Hires upscaler: 4x-UltraSharp"
    values = after(site, controls, text)
    assert (values["steps"], values["sampler"], values["hires"]) == (7, "Euler a", True)
    assert values["hires_upscaler"] == "Lanczos"
    assert all(word in unescape(said_of(site, values["carried"])) for word in ("Euler SMEA", "4x-UltraSharp"))


def test_a_picture_that_says_nothing_changes_nothing(controls: Mapping[str, Any]) -> None:
    assert all("value" not in update for update in filled_with(settings_among(controls), ""))


def test_older_pictures_are_a_click_away() -> None:
    site = Site(cast("Any", SimpleNamespace()), "en")
    pictures = [Picture(number, "a.png", 0.0, "local") for number in range(SHOWN + 1, 0, -1)]
    newest = pictures_of(site, pictures, is_narrowed=False)
    assert newest.count("<figure>") == SHOWN
    assert 'data-said="older 2"' in newest  # the last one that is shown
    assert "Newest pictures" not in newest
    last = pictures_of(site, pictures[-1:], is_narrowed=False, is_later=True)
    assert 'data-said="older 0">Newest pictures' in last
    assert "Older pictures" not in last
    assert "Newest pictures" in pictures_of(site, [], is_narrowed=False, is_later=True)  # all were deleted meanwhile
    assert pictures_of(site, pictures[:1], is_narrowed=False).count("<button") == 1  # the picture itself
