from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from retrato.embeddings import EmbeddingLibrary
from retrato.errors import PhotoError, SettingsError
from retrato.generation import GeneratedImage, format_infotext, recall, recall_picture, what_differs
from retrato.generation.infotext import FIELDS
from retrato.model import Components
from retrato.settings import GenerateSettings

ARTICLE = (
    "[realbenny-t2 | panda] happy front portrait like pixar, illustration by artgerm, sharp focus\n"
    "Steps: 30, Sampler: LMS, CFG scale: 7, Seed: 3711471449, Size: 512x512, Model hash: 7460a6fa, "
    "Denoising strength: 0.75, Mask blur: 4"
)
# Settings that are no part of a picture: how many, how they are drawn and filed, and what became of the words before.
NOT_WRITTEN = {
    *("prompt", "negative_prompt", "count", "batch_size", "styles", "matrix", "wildcards", "prompt_comments"),
    *("picture_format", "fast", "restore_faces", "init_image", "mask", "hires"),
    *("hypernetwork", "hypernetwork_strength"),  # they become a tag of the prompt
}


def test_every_setting_is_written_into_pictures() -> None:
    written = {name for each in FIELDS for name in each.fields}
    assert written | NOT_WRITTEN == GenerateSettings.model_fields.keys()
    assert not written & NOT_WRITTEN


def test_what_is_written_comes_back() -> None:
    settings = GenerateSettings(
        prompt="a [b:c:1.0]\nd", negative_prompt="e", sampler="DPM++ 2M", schedule="Karras", steps=7,
        guidance_scale=3.5, seed=9, width=64, height=128, clip_skip=2, emphasis="No norm", schedule_rules="2022",
        wildcards="off",
    )  # fmt: skip
    text = format_infotext(settings, model_hash="0123456789", version="retrato 1", fields={"TI hashes": "a: 1, b: 2"})
    recalled = recall(text)
    assert recalled.settings == settings
    assert (recalled.model_hash, recalled.embedding_hashes) == ("0123456789", {"a": "1", "b": "2"})
    assert recalled.notes == ()


@pytest.mark.parametrize(
    "values",
    [
        {"variation_seed": 7, "variation_strength": 0.25, "seed_resize_from": "64x96", "tiling": True},
        {"hires": True, "hires_steps": 5, "denoising_strength": 0.5, "hires_prompt": "a, b", "hires_scale": 1.5},
        {"hires": True, "hires_resize": "96x64", "denoising_strength": 0.5, "hires_sampler": "Euler"},
        {"sampler": "DDIM", "eta": 0.5},
        {"eta": 0.0, "guidance_rescale": 0.7, "guidance_min_sigma": 1.0},
    ],
)
def test_each_way_of_drawing_comes_back(values: dict[str, object]) -> None:
    settings = GenerateSettings(prompt="a", seed=9, width=64, height=64, guidance_scale=3.0, wildcards="off", **values)
    recalled = recall(format_infotext(settings, version="retrato 1"))
    assert recalled.settings == settings
    assert recalled.notes == ()
    assert not recalled.begins_with_picture


def test_a_picture_drawn_from_another_says_so() -> None:
    told = GenerateSettings(
        prompt="a", seed=9, init_image="a.png", mask="b.png", mask_invert=True, denoising_strength=0.4,
        inpaint_area="only masked", mask_padding=8,
    )  # fmt: skip
    recalled = recall(format_infotext(told, version="retrato 1"))
    assert recalled.begins_with_picture
    drawn = recalled.settings.changed(init_image="a.png", mask="b.png")
    assert (drawn.mask_invert, drawn.inpaint_area, drawn.mask_padding) == (True, "only masked", 8)


def test_a_batch_with_variations_counts_their_seeds() -> None:
    told = GenerateSettings(prompt="a", seed=9, variation_seed=7, variation_strength=0.5)
    text = format_infotext(told, version="retrato 1", fields={"Batch size": 3, "Batch pos": 2})
    assert (recall(text).batch_settings.seed, recall(text).batch_settings.variation_seed) == (9, 5)


def test_the_line_of_2022() -> None:
    recalled = recall(ARTICLE)
    settings = recalled.settings
    assert settings.prompt.startswith("[realbenny-t2 | panda] happy")
    assert (settings.steps, settings.sampler, settings.guidance_scale, settings.seed) == (30, "LMS", 7, 3711471449)
    assert (settings.width, settings.height, settings.schedule_rules) == (512, 512, "2022")
    assert recalled.model_hash == "7460a6fa"
    assert any("before 2023" in note for note in recalled.notes)
    assert any("another program" in note for note in recalled.notes)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Seed resize from: -1x-1, Denoising strength: 0", {"seed_resize_from": None, "denoising_strength": None}),
        ("Denoising strength: 0.0, Mask blur: 4", {"denoising_strength": None}),
        ("Size: 512x768, Hires resize: 1024x0, Hires upscaler: Latent", {"hires_resize": "1024x1536", "width": 512}),
        ("Size: 512x768, Hires resize: 0x1000, Hires upscaler: Latent", {"hires_resize": "664x1000"}),
        ("Size: 512x768, First pass size: 0x0, Denoising strength: 0.7", {"hires_resize": "512x768", "height": 640}),
        ("Hires sampler: Use same sampler, Hires upscale: 2", {"hires": True, "hires_sampler": None}),
        ("Hires sampler: LMS Karras, Hires upscale: 2", {"hires": True, "hires_sampler": "LMS Karras"}),
        ("Sampler: DDIM, Schedule type: Karras", {"sampler": "DDIM", "schedule": "Automatic"}),
        ("Sampler: k_lms, Schedule type: Karras", {"sampler": "k_lms", "schedule": "Karras"}),
        ("Sampler: DPM++ 2M Karras, Version: v1.6.0", {"sampler": "DPM++ 2M", "schedule": "Karras"}),
        ("Sampler: k_lms_ka", {"sampler": "LMS", "schedule": "Karras"}),
        ("Sampler: DPM++ SDE", {"sampler": "DPM++ SDE", "schedule": "Uniform"}),
        ("Sampler: DPM++ 2M, Version: v1.8.0", {"schedule": "Uniform"}),
        ("Sampler: DPM++ 2M, Version: f0.0.17v1.8.0rc-latest-276-g29be1da7", {"schedule": "Uniform"}),
        ("Sampler: DPM++ 2M, Version: v1.9.0-RC", {"schedule": "Automatic"}),
        ("Sampler: DPM++ 2M, Version: ComfyUI", {"schedule": "Automatic"}),
        ("Sampler: DPM++ 2M, Schedule type: Karras", {"schedule": "Karras"}),
        ("Sampler: Restart, Version: v1.6.0", {"sampler": "Restart", "schedule": "Automatic"}),
        ("Sampler: DDIM, Version: v1.6.0", {"sampler": "DDIM", "schedule": "Automatic"}),
        ("Sampler: LMS Karras, Hires upscale: 2, Hires sampler: Euler", {"hires_sampler": "Euler Uniform"}),
        ("Sampler: Euler, Hires upscale: 2, Hires sampler: Restart", {"hires_sampler": "Restart Karras"}),
        (
            "Hires upscale: 2, Hires sampler: DPM++ 2M SDE, Hires schedule type: Exponential, Schedule type: Karras",
            {"schedule": "Karras", "hires_sampler": "DPM++ 2M SDE Exponential"},
        ),
        (
            "Hires upscale: 2, Hires schedule type: sgm_uniform, Version: v1.9.0",
            {"hires_sampler": "Euler a SGM Uniform"},
        ),
        (
            "Sampler: LMS, Schedule type: Karras, Hires upscale: 2, Hires schedule type: Automatic",
            {"hires_sampler": "LMS Uniform"},
        ),
        ("Hires upscale: 2, Hires schedule type: Use same scheduler, Version: v1.9.0", {"hires_sampler": None}),
        ("Eta DDIM: 0.5, Sampler: DDIM", {"eta": 0.5}),
        ("Clip skip: 2, ENSD: 31337", {"clip_skip": 2}),
        ("Schedule type: Automatic, Clip skip: 1, Mask mode: Inpaint masked", {"clip_skip": 1, "mask_invert": False}),
    ],
)
def test_what_other_programs_write_is_understood(fields: str, expected: dict[str, object]) -> None:
    recalled = recall(f"a\nSteps: 3, Sampler: Euler a, Seed: 9, {fields}")
    settings = recalled.settings
    assert {name: getattr(settings, name) for name in expected} == expected
    assert not recalled.begins_with_picture
    assert not any("First pass" in note or "does not do" in note for note in recalled.notes if "ENSD" not in note)


def test_a_schedule_that_had_no_effect_is_said() -> None:
    notes = recall("a\nSteps: 3, Sampler: DDIM, Schedule type: Karras, Seed: 9").notes
    assert any("takes no notice" in note for note in notes)


def test_an_upscaler_and_a_schedule_that_are_not_here_are_replaced() -> None:
    recalled = recall(
        "a\nSteps: 3, Sampler: DPM++ 2M, Schedule type: Bong Tangent, Seed: 9, Hires upscale: 2, "
        "Hires upscaler: R-ESRGAN 4x+"
    )
    assert (recalled.settings.hires_upscaler, recalled.settings.schedule) == ("Lanczos", "Automatic")
    assert sum("takes its place" in note for note in recalled.notes) == 2


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("Sampler: DPM++ 2M, Version: v1.6.0", "before A1111 1.9 DPM++ 2M alone meant the schedule Uniform"),
        ("Sampler: Euler, Version: v1.6.0", None),
        ("Sampler: DPM++ 2M, Version: retrato 1", None),
        ("Sampler: Euler, NGMS: 1.5, Version: v1.10.1", "below noise level 1.5 it passed over the negative prompt"),
        ("Sampler: Euler, NGMS: 1.5, NGMS all steps: True, Version: v1.10.1", None),
        ("Sampler: Euler, NGMS: 0.0, Version: v1.10.1", None),
        ("Sampler: DDIM, Hires upscale: 2, Hires schedule type: Karras", "for the second pass, which DDIM does not"),
    ],
)
def test_what_is_drawn_otherwise_is_said(fields: str, says: str | None) -> None:
    recalled = recall(f"a\nSteps: 3, Seed: 9, {fields}")
    notes = [note for note in recalled.notes if "another program" not in note]
    assert [says in note for note in notes] == [True] if says else not notes
    assert recalled.settings.steps == 3


@pytest.mark.parametrize(
    ("said", "own", "old", "differs"),
    [
        ("7460a6fa", "0123456789", "7460a6fa", False),
        ("7460a6fa", "0123456789", "81761151", True),
        ("7460a6fa", "0123456789", "", False),  # a folder has no such hash, so nobody knows
        ("0123456789", "0123456789", "7460a6fa", False),
        ("9876543210", "0123456789", "7460a6fa", True),
    ],
)
def test_a_models_hash_is_compared_with_that_of_its_kind(
    tiny_components: Components, tmp_path: Path, said: str, own: str, old: str, differs: bool
) -> None:
    model = replace(tiny_components, hash=own, old_hash=old)
    recalled = recall(f"a\nSteps: 3, Sampler: Euler, Seed: 9, Model hash: {said}")
    notes = [*what_differs(recalled, model, EmbeddingLibrary(tmp_path, model.token_widths))]
    assert bool(notes) == differs
    assert all(f"drawn by the model {said}" in note for note in notes)


def test_our_own_picture_of_no_strength_begins_with_its_picture() -> None:
    told = GenerateSettings(prompt="a", seed=9, init_image="a.png", denoising_strength=0.0)
    assert recall(format_infotext(told, version="retrato 1")).begins_with_picture


def test_fields_nobody_can_draw_are_named() -> None:
    recalled = recall("a\nSteps: 3, Sampler: Euler, Seed: 5, Fancy thing: 4, Version: retrato 1")
    assert [note for note in recalled.notes if "Fancy thing" in note]
    assert recalled.settings.steps == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Batch size: 4, Batch pos: 2, Version: retrato 1", (7, 4, 4)),
        ("Batch size: 4, Batch pos: 4, Version: retrato 1", (9, 1, 1)),
        ("Batch size: 99999999999999999, Batch pos: 0, Version: retrato 1", (9, 1, 1)),
        ("Batch size: ٤, Batch pos: 2, Version: retrato 1", (9, 1, 1)),
        ("Batch size: 4, Batch pos: 2, Version: v1.10.1", (9, 1, 1)),
    ],
)
def test_a_picture_is_drawn_with_those_it_was_drawn_with(fields: str, expected: tuple[int, int, int]) -> None:
    recalled = recall(f"a\nSteps: 3, Sampler: Euler, Seed: 9, {fields}")
    batch = recalled.batch_settings
    assert (batch.seed, batch.count, batch.batch_size) == expected
    assert (recalled.settings.seed, recalled.settings.count) == (9, 1)


@pytest.mark.parametrize(
    "line", ["Steps: 9999", "Seed: 99999999999999999999", "CFG scale: nan", "Size: 7x7", "Steps: x"]
)
def test_what_cannot_be_drawn_is_one_sentence(line: str) -> None:
    with pytest.raises(SettingsError, match="what the picture says cannot be drawn"):
        _ = recall(f"a\nSteps: 3, Sampler: Euler, Seed: 9, {line}").settings


def test_pictures_that_say_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(PhotoError, match="does not say how"):
        recall_picture(tmp_path / "a.png")
    path = GeneratedImage(Image.new("RGB", (8, 8)), 5, "just words", GenerateSettings(prompt="a")).save(tmp_path)
    with pytest.raises(PhotoError, match="says no settings"):
        recall_picture(path)


def test_what_a_sheet_says_of_itself_is_no_wish_that_is_left_out() -> None:
    text = 'a portrait\nSteps: 1, Sampler: Euler, Seed: 3, Script: X/Y/Z plot, X Type: Seed, X Values: "1,2"'
    assert not [note for note in recall(text).notes if "does not do" in note]
