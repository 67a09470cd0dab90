"""No sampler draws noise on the embedded model, judged by the scorer that comes with it."""

import numpy as np
import pytest
import torch
from PIL import Image

from retrato.generation import Drawn, Sampled, generate
from retrato.model import Components, Scorer, load_components, load_scorer
from retrato.model.latents import decode, pixels_to_images
from retrato.sampling import SAMPLERS
from retrato.settings import GenerateSettings

STEPS = 10  # in six, DPM2 a leaves half of the noise where it is


@pytest.fixture(scope="module")
def components() -> Components:
    return load_components("mini", device="cpu")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load_scorer("mini", device="cpu")


def asked(sampler: str, count: int = 1) -> GenerateSettings:
    return GenerateSettings(
        prompt="a portrait of a man, comic style", sampler=sampler, steps=STEPS, seed=2, guidance_scale=4, count=count
    )


def pictures(components: Components, sampler: str, count: int = 1) -> list[Image.Image]:
    events = generate(components, asked(sampler, count), {})
    return [event.image.image for event in events if isinstance(event, Drawn)]


@pytest.fixture(scope="module")
def noise(components: Components) -> list[Image.Image]:
    """What drawing looks like that went wrong: noise in latents of several strengths, and in pixels."""
    latents = torch.randn(1, components.latent_channels, 16, 16, generator=torch.Generator().manual_seed(1))
    pixels = Image.fromarray(np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8))
    return [pixels, *pixels_to_images(decode(components, torch.cat([latents * strength for strength in (0.5, 1, 5)])))]


@pytest.fixture(scope="module")
def drawn(components: Components) -> list[Image.Image]:
    return pictures(components, "Euler", 4)


@pytest.fixture(scope="module")
def grainy(components: Components) -> Image.Image:
    """Euler's picture with half a unit of noise left in its latents."""
    *_, last = [event for event in generate(components, asked("Euler"), {}) if isinstance(event, Sampled)]
    noise = torch.randn(last.latents.shape, generator=torch.Generator().manual_seed(5))
    return pixels_to_images(decode(components, last.latents + noise / 2))[0]


def grain(image: Image.Image) -> float:
    """How far a pixel is from the mean of its neighbours, the median: small where areas are even, as in a drawing."""
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.median(np.abs(grey[1:-1, 1:-1] - around / 4)))


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "Euler"])
def test_it_is_more_like_what_euler_draws_than_like_noise(
    components: Components,
    scorer: Scorer,
    noise: list[Image.Image],
    drawn: list[Image.Image],
    grainy: Image.Image,
    sampler: str,
) -> None:
    """The scorer tells pictures from noise, but hardly sees a little noise in a picture; the grain does."""
    (picture,) = pictures(components, sampler)
    found = scorer.embed_images([picture, *drawn, *noise])
    likeness = found[1:] @ found[0]
    assert likeness[: len(drawn)].max() > likeness[len(drawn) :].max()
    assert grain(picture) < grain(grainy)


def test_noise_would_be_seen(noise: list[Image.Image], drawn: list[Image.Image], grainy: Image.Image) -> None:
    assert max(map(grain, drawn)) < min(map(grain, [grainy, *noise]))
