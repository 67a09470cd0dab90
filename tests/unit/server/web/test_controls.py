"""A control is what its settings field says: bounds, default, choices, description."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from retrato.errors import EmbeddingError, PhotoError, PromptError, QueueError, RetratoError, SettingsError
from retrato.server.web.controls import control, problem_of, settings_of
from retrato.server.web.draw import PLACES
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings, TrainSettings


@pytest.fixture(params=["en", "pt-BR"])
def site(request: pytest.FixtureRequest) -> Site:
    return Site(cast("Any", SimpleNamespace(home=Path("/home/ana/retrato"))), request.param)


def test_a_bounded_number_is_a_slider(site: Site) -> None:
    made = control(site, GenerateSettings, "steps", "draw")
    assert isinstance(made, gr.Slider)
    assert (made.minimum, made.maximum, made.value, made.elem_id) == (1, 150, 20, "draw-steps")


def test_a_number_left_to_the_model_is_a_free_field(site: Site) -> None:
    assert isinstance(control(site, GenerateSettings, "width", "draw"), gr.Textbox)


def test_a_choice_is_a_list_and_a_switch_a_box(site: Site) -> None:
    made = control(site, TrainSettings, "recipe", "train")
    assert isinstance(made, gr.Dropdown)
    assert [value for _, value in made.choices] == ["retrato", "a1111"]
    assert isinstance(control(site, TrainSettings, "overwrite", "train"), gr.Checkbox)


def test_english_descriptions_are_the_settings_own() -> None:
    site = Site(cast("Any", SimpleNamespace()), "en")
    made = control(site, TrainSettings, "seed", "train")
    assert made.info == TrainSettings.model_fields["seed"].description


def test_what_is_left_empty_is_left_to_the_default() -> None:
    settings = settings_of(GenerateSettings, ("prompt", "width", "steps"), ("a cat", "", 7))
    assert settings == GenerateSettings(prompt="a cat", steps=7)


def test_a_number_may_be_written() -> None:
    assert settings_of(GenerateSettings, ("prompt", "width"), ("a cat", "96")).width == 96


def test_a_missing_prompt_is_said_in_words() -> None:
    with pytest.raises(SettingsError, match=r"^prompt is empty: say what to draw$"):
        settings_of(GenerateSettings, ("prompt",), ("  ",))


def test_an_error_stands_by_its_field_and_says_no_place_on_the_disk(site: Site) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(GenerateSettings, ("prompt", "width"), ("a cat", "abc"))
    assert 'data-by="draw-width"' in problem_of(site, refused.value, "draw")
    lost = PromptError(f"there is no style in {Path('/home/ana/retrato/styles.csv')}")
    assert ">there is no style in styles.csv<" in problem_of(site, lost, "draw", {PromptError: "styles"})


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (PromptError("found (, wanted )"), "prompt"),
        (PromptError("the matrix has 9 parts after the first, which would be 512 prompts"), "prompt"),
        (PromptError("the wildcards of the prompt give more than 1000 prompts: leave some out"), "prompt"),
        (EmbeddingError("the embedding ana has 90 vectors and a chunk of the prompt holds 75"), "prompt"),
        (EmbeddingError("steps holds vectors of 768, but mini takes 64"), "prompt"),  # a person of that name
        (PhotoError("the mask is no picture"), "easel"),
        (SettingsError("sampler is 'Oiler': choose Euler"), "sampler"),
        (SettingsError("seed is one of many", field="x_values"), "x_values"),
        (SettingsError("the width of the second pass is 2056: mini draws multiples of 8"), None),
        (SettingsError("the matrix of the prompt has no part to leave out"), None),
        (QueueError("9 jobs are waiting, more are not taken: try again later"), None),
    ],
)
def test_an_error_about_no_field_stays_by_the_button(site: Site, error: RetratoError, field: str | None) -> None:
    said = problem_of(site, error, "draw", PLACES)
    assert (f'data-by="draw-{field}"' in said) if field else ("data-by" not in said)
