import dataclasses

import pytest
from PIL import Image

from retrato.errors import SettingsError
from retrato.generation import generate
from retrato.generation.canvas import Source
from retrato.generation.resolve import (
    hires_size,
    part_of,
    resolve_settings,
    second_pass_steps,
    seeded,
    steps_that_run,
)
from retrato.model import Components
from retrato.sampling import find_sampler
from retrato.sampling.schedulers import make_scheduler
from retrato.settings import GenerateSettings


def settings(**values: object) -> GenerateSettings:
    return GenerateSettings(**({"prompt": "a man", "seed": 3} | values))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"restore_faces": True}, "pip install gfpgan"),
        ({"sampler": "DPM++ SDE", "eta": 0.5}, "takes none"),
        ({"hires": True, "hires_upscaler": "R-ESRGAN 4x+"}, "needs weights"),
        ({"hires": True, "hires_upscaler": "Latnt"}, "choose one of Latent"),
        (
            {"hires": True, "hires_scale": 4.0, "width": 1032},
            "the width of the second pass is 4128: pictures have 64 to 4096 ",
        ),
        ({"hires": True, "hires_resize": "100x64"}, "multiples of 8"),
        ({"hires": True, "hires_sampler": "Eulr"}, "did you mean Euler"),
        ({"width": 2048, "height": 2048, "batch_size": 17, "count": 17}, "2048x2048 are drawn 16 at once at most"),
        ({"hires": True, "hires_resize": "4096x4096", "batch_size": 64, "count": 5}, "4 at once at most, take 4 or "),
    ],
)
def test_what_cannot_be_done_is_said(tiny_components: Components, values: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        resolve_settings(tiny_components, settings(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"width": 1024, "height": 1024, "batch_size": 64, "count": 64},
        {"width": 2048, "height": 2048, "batch_size": 64, "count": 16},
        {"hires": True, "hires_resize": "4096x4096", "batch_size": 4, "count": 100},
    ],
)
def test_a_batch_may_fill_memory(tiny_components: Components, values: dict[str, object]) -> None:
    assert resolve_settings(tiny_components, settings(**values)).batch_size == values["batch_size"]


@pytest.mark.parametrize(
    ("given", "found"),
    [((512, 512), (64, 64)), ((1000, 500), (88, 64)), ((30, 3000), (64, 640)), ((64, 72), (64, 64))],
)
def test_a_picture_to_start_from_keeps_its_format(
    tiny_components: Components, given: tuple[int, int], found: tuple[int, int]
) -> None:
    resolved = resolve_settings(tiny_components, settings(), Source(Image.new("RGB", given)))
    assert (resolved.width, resolved.height) == found
    asked = resolve_settings(tiny_components, settings(width=128), Source(Image.new("RGB", given)))
    assert (asked.width, asked.height) == (128, 64)


def test_fast_is_what_it_stands_for(tiny_components: Components) -> None:
    fast = resolve_settings(tiny_components, settings(fast=True, steps=20))
    assert (fast.sampler, fast.schedule, fast.steps, fast.guidance_min_sigma) == ("DPM++ 2M", "Karras", 12, 1.0)
    assert resolve_settings(tiny_components, settings(fast=True, steps=5)).steps == 5
    assert resolve_settings(tiny_components, fast) == fast


def test_fast_on_a_model_of_pure_noise_is_not_spent_on_noise(tiny_components: Components) -> None:
    """Half of Karras' twelve steps lie above sigma 100 there, where hardly anything of a picture is to be seen."""
    config = {**tiny_components.scheduler_config, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    fast = resolve_settings(dataclasses.replace(tiny_components, scheduler_config=config), settings(fast=True))
    assert fast.schedule == "SGM Uniform"
    noisy = []
    for schedule in ("Karras", fast.schedule):
        made = make_scheduler(*find_sampler(fast.sampler, schedule), config, steps=12, seeds=[0])
        noisy.append(int((made.sigmas > 100).sum()))
    assert noisy == [6, 1]


def test_seeds_of_variations_are_drawn_where_they_matter(tiny_components: Components) -> None:
    assert resolve_settings(tiny_components, settings()).variation_seed == -1
    drawn = {resolve_settings(tiny_components, settings(variation_strength=0.1)).variation_seed for _ in range(3)}
    assert len(drawn) == 3
    assert min(drawn) >= 0


@pytest.mark.parametrize("values", [{}, {"seed": -1}, {"variation_seed": 4}, {"variation_seed": 4, "seed": -1}])
def test_a_seed_is_drawn_where_none_is_given_and_stays(values: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda bound: bound - 1)
    asked = settings(variation_strength=0.1, count=5, **values)
    found = seeded(asked)
    largest = 2**32 - 1 - 5  # so that the last image's has 32 bits too
    assert found.seed == (largest if "seed" in values else 3)
    assert found.variation_seed == values.get("variation_seed", largest)
    assert seeded(found) is found
    assert seeded(asked.changed(variation_strength=0)).variation_seed == asked.variation_seed


@pytest.mark.parametrize(("strength", "seeds"), [(0, (5, 8)), (0.5, (3, 10))])
def test_a_part_counts_the_seed_that_counts(strength: float, seeds: tuple[int, int]) -> None:
    part = part_of(settings(variation_seed=8, variation_strength=strength, count=4), 2, 2)
    assert (part.seed, part.variation_seed, part.count) == (*seeds, 2)


def test_the_second_pass_has_its_size(tiny_components: Components) -> None:
    resolved = resolve_settings(tiny_components, settings(hires=True, hires_scale=1.6, height=96))
    assert hires_size(tiny_components, resolved) == (96, 152)
    assert resolved.denoising_strength == 0.7
    large = resolve_settings(tiny_components, settings(hires=True, width=832, height=1216))
    assert hires_size(tiny_components, large) == (1664, 2432)
    asked = resolve_settings(tiny_components, settings(hires=True, hires_resize="128x256"))
    assert hires_size(tiny_components, asked) == (128, 256)


@pytest.mark.parametrize(
    ("steps", "strength", "run"), [(20, 0.75, 16), (20, 1.0, 20), (20, 0.0, 1), (1, 0.5, 1), (50, 0.5, 26)]
)
def test_as_many_steps_run_as_in_a1111(steps: int, strength: float, run: int) -> None:
    assert steps_that_run(steps, strength) == run


@pytest.mark.parametrize(
    ("steps", "strength", "found"),
    [
        (8, 0.5, (16, 8)),
        (20, 0.7, (28, 20)),
        (8, 1.0, (8, 8)),
        (1, 0.5, (2, 1)),
        (8, 0.0, (8, 0)),
        (150, 0.05, (999, 49)),
        (1, 1e-9, (999, 1)),
        (1, 1e-320, (999, 1)),
    ],
)
def test_the_second_pass_runs_the_steps_that_are_asked_for(steps: int, strength: float, found: tuple[int, int]) -> None:
    assert second_pass_steps(steps, strength, 1000) == found


@pytest.mark.parametrize(("values", "asked"), [({}, 40), ({"fast": True}, 18)])
def test_fast_is_less_than_half_of_the_work(tiny_components: Components, values: dict[str, object], asked: int) -> None:
    rows = []
    handle = tiny_components.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    try:
        for _ in generate(tiny_components, settings(sampler="DPM++ 2M", steps=20, **values), {}):
            pass
    finally:
        handle.remove()
    assert sum(rows) == asked
