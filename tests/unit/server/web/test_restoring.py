"""What a picture says comes back as settings."""

import pytest

from retrato.generation import format_infotext
from retrato.server.web.restoring import restored
from retrato.settings import GenerateSettings

LINE = "Steps: 20, Sampler: LMS, Seed: 7"
DRAWN = GenerateSettings(prompt="a cat", seed=7, width=64, height=96, guidance_scale=7)


def test_what_a_picture_says_comes_back() -> None:
    said = restored(f"a cat\nNegative prompt: dogs\n{LINE}, Size: 64x96, CFG scale: 3.5, Clip skip: 2")
    wanted = {"prompt": "a cat", "negative_prompt": "dogs", "steps": 20, "seed": 7, "sampler": "LMS", "clip_skip": 2}
    wanted |= {"width": "64", "height": "96", "guidance_scale": "3.5"}
    assert {name: said[name] for name in wanted} == wanted


def test_tiling_emphasis_and_the_second_pass_come_back() -> None:
    settings = DRAWN.changed(
        tiling=True,
        emphasis="No norm",
        hires=True,
        hires_scale=1.5,
        hires_steps=4,
        hires_upscaler="Lanczos",
        denoising_strength=0.4,
    )
    said = restored(format_infotext(settings))
    wanted = {"tiling": True, "emphasis": "No norm", "hires": True, "hires_scale": 1.5, "hires_steps": 4}
    wanted |= {"hires_upscaler": "Lanczos", "hires_denoise": 0.4}
    assert {name: said[name] for name in wanted} == wanted
    assert "denoising_strength" not in said  # which belongs to a picture that one begins with


def test_what_a_picture_does_not_say_was_the_default() -> None:
    said = restored(format_infotext(DRAWN))
    wanted = {"tiling": False, "emphasis": "Original", "hires": False, "clip_skip": 1, "schedule_rules": "1.6"}
    wanted |= {"negative_prompt": "", "styles": [], "matrix": "off", "wildcards": "random", "hypernetwork": ""}
    assert {name: said[name] for name in wanted} == wanted
    assert restored(f"a cat\n{LINE}")["width"] == restored(f"a cat\n{LINE}")["guidance_scale"] == ""


def test_what_the_picture_had_no_use_for_is_left_alone() -> None:
    said = restored(format_infotext(DRAWN))
    assert not said.keys() & {"hires_scale", "hires_denoise", "denoising_strength", "resize_mode", "mask_blur"}
    assert not said.keys() & {"count", "batch_size", "init_image", "mask"}


def test_how_a_picture_was_painted_over_comes_back() -> None:
    over = DRAWN.changed(init_image="cat.png", denoising_strength=0.3, resize_mode="crop and resize")
    assert (
        restored(format_infotext(over)).items() >= {"denoising_strength": 0.3, "resize_mode": over.resize_mode}.items()
    )
    assert "mask_blur" not in restored(format_infotext(over))
    mask = {"mask_blur": 9, "mask_invert": True, "masked_content": "fill", "inpaint_area": "only masked"}
    said = restored(format_infotext(over.changed(mask="mask.png", **mask)))
    assert said.items() >= mask.items()


def test_a_hypernetwork_is_in_the_prompt_and_not_applied_twice() -> None:
    said = restored(f"a cat\n{LINE}, Hypernet: oil, Hypernet strength: 0.5")
    assert (said["prompt"], said["hypernetwork"]) == ("a cat<hypernet:oil:0.5>", "")


def test_a_second_pass_that_has_a_size_is_so_much_larger() -> None:
    for size, hires, scale in (("512x512", "768x768", 1.5), ("520x520", "768x768", 1.477), ("512x512", "768x1024", 2)):
        said = restored(f"a cat\n{LINE}, Size: {size}, Hires resize: {hires}, Hires upscaler: Latent")
        assert (said["hires"], said["hires_scale"]) == (True, scale)


def test_words_that_were_chosen_are_not_chosen_again() -> None:
    assert restored(f"a {{cat|dog}}\n{LINE}")["wildcards"] == "off"
    assert restored(f"a cat\nNegative prompt: __colour__\n{LINE}")["wildcards"] == "off"


def test_broken_numbers_are_left_out_and_what_one_can_write_is_written() -> None:
    said = restored("a cat\nSteps: many, Seed: -5, Clip skip: 99, Size: 61x64, Tiling: perhaps, Denoising strength: x")
    assert (said["steps"], said["seed"], said["clip_skip"], said["tiling"]) == (20, -1, 1, False)
    assert said["width"] == "61"
    assert "denoising_strength" not in said


@pytest.mark.parametrize("prompt", ["", "a" * 20_000, "[a:b:0.5] {x", "Steps: 3"])
def test_any_text_becomes_values_or_nothing(prompt: str) -> None:
    assert restored(prompt).get("prompt", "") == prompt
