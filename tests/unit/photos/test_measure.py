from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from retrato.photos.look import BLURRED
from retrato.photos.measure import border, exposure, luma, scaled_size, sharpness

Scene = Callable[..., Image.Image]


def smooth(image: Image.Image, sigma: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(sigma))


def test_a_scaled_picture_has_at_least_one_pixel() -> None:
    image = Image.new("L", (300, 5))
    assert scaled_size(image, 0.5) == (150, 2)
    assert scaled_size(image, 0.01) == (3, 1)


@pytest.mark.parametrize("seed", range(4))
def test_sharpness_falls_with_blur_and_ignores_contrast(scene: Scene, seed: int) -> None:
    image = scene(seed, (400, 400))
    values = [sharpness(smooth(image, sigma) if sigma else image) for sigma in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 2 * BLURRED
    assert values[3] < BLURRED
    assert sharpness(ImageEnhance.Contrast(image).enhance(0.5)) == pytest.approx(values[0], rel=0.15)


def test_sharpness_of_a_blurred_step_is_that_of_the_formula() -> None:
    # Across a step blurred by sigma the gradient is g(x) = exp(-x²/2s²) and the Laplacian -x/s² g(x), where s² counts
    # the smoothing by 1-2-1 as well (its variance is 1/2). The strongest 2 % of 400 columns are those with |x| < 4.
    sigma = 6.0
    across = np.arange(400) - 199.5
    step = np.cumsum(np.exp(-(across**2) / (2 * sigma**2)))
    image = Image.fromarray(np.tile((step / step[-1] * 255).round().astype(np.uint8), (400, 1)))
    x, square = np.linspace(-4, 4, 101), sigma**2 + 0.5
    energy = np.exp(-(x**2) / square)
    wanted = np.sqrt((x**2 * energy).mean() / energy.mean()) / square
    assert sharpness(image) == pytest.approx(wanted, rel=0.15)  # the file has whole numbers only


def test_noise_does_not_pass_for_sharpness(scene: Scene) -> None:
    soft = np.asarray(smooth(scene(1, (400, 400)), 4), dtype=float)
    grainy = np.clip(soft + np.random.default_rng(0).normal(0, 3, soft.shape), 0, 255).astype(np.uint8)
    assert sharpness(Image.fromarray(grainy)) < BLURRED


def test_a_soft_background_behind_a_sharp_subject_is_in_focus(scene: Scene) -> None:
    image = smooth(scene(2, (400, 400)), 8)
    image.paste(scene(3, (160, 160)), (120, 120))
    assert sharpness(image) > 1.5 * BLURRED


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (300, 300)])
def test_a_single_colour_has_no_edge(size: tuple[int, int]) -> None:
    assert sharpness(Image.new("RGB", size, "teal")) == 0


def test_exposure_is_where_nearly_all_pixels_lie() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    found = exposure(Image.fromarray(ramp).convert("RGB"))
    assert found.dark == pytest.approx(5, abs=0.2)
    assert found.bright == pytest.approx(250, abs=0.2)
    assert luma(Image.new("RGB", (2, 3), (255, 0, 0))).tolist() == [[76, 76]] * 3


def test_border_looks_at_three_sides() -> None:
    image = Image.new("RGB", (200, 100), (10, 20, 30))
    image.paste((250, 250, 250), (40, 30, 160, 100))  # somebody who stands on the bottom edge
    found = border(image)
    assert (found.colour, found.uniform) == ((10, 20, 30), 1)
    image.paste((250, 250, 250), (0, 0, 80, 100))
    assert 0.4 < border(image).uniform < 0.7
