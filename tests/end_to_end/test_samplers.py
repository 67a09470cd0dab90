"""No sampler draws noise on the embedded model, judged by the scorer that comes with it."""

import numpy as np
import pytest
import torch
from PIL import Image

from retrato.generation import Drawn, generate
from retrato.model import Components, Scorer, load_components, load_scorer
from retrato.model.latents import decode, pixels_to_images
from retrato.sampling import SAMPLERS
from retrato.settings import GenerateSettings

STEPS = 6


@pytest.fixture(scope="module")
def components() -> Components:
    return load_components("mini", device="cpu")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load_scorer("mini", device="cpu")


def pictures(components: Components, sampler: str, count: int = 1) -> list[Image.Image]:
    asked = GenerateSettings(
        prompt="a portrait of a man, comic style", sampler=sampler, steps=STEPS, seed=2, guidance_scale=4, count=count
    )
    return [event.image.image for event in generate(components, asked, {}) if isinstance(event, Drawn)]


@pytest.fixture(scope="module")
def noise(components: Components) -> list[Image.Image]:
    """What drawing looks like that went wrong: noise in latents of several strengths, and in pixels."""
    latents = torch.randn(1, components.latent_channels, 16, 16, generator=torch.Generator().manual_seed(1))
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8))
    return [pixels, *pixels_to_images(decode(components, torch.cat([latents * strength for strength in (0.5, 1, 5)])))]


@pytest.fixture(scope="module")
def drawn(components: Components) -> list[Image.Image]:
    return pictures(components, "Euler", 4)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "Euler"])
def test_it_is_more_like_what_euler_draws_than_like_noise(
    components: Components, scorer: Scorer, noise: list[Image.Image], drawn: list[Image.Image], sampler: str
) -> None:
    found = scorer.embed_images([*pictures(components, sampler), *drawn, *noise])
    likeness = found[1:] @ found[0]
    assert likeness[: len(drawn)].max() > likeness[len(drawn) :].max()
