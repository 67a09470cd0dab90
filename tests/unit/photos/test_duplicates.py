import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from retrato.photos.duplicates import NEAR, SAME, distance, fingerprint, groups, is_mirror_image, mirrored

Scene = Callable[..., Image.Image]


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_the_same_and_others_are_not(scene: Scene, seed: int) -> None:
    image = scene(seed)
    for copy in (recompressed(image), image.resize((90, 90)), ImageOps.mirror(image)):
        assert distance(fingerprint(image), fingerprint(copy)) <= SAME
    assert distance(fingerprint(image), fingerprint(ImageEnhance.Contrast(image).enhance(0.8))) <= NEAR
    assert distance(fingerprint(image), fingerprint(image.crop((3, 3, 253, 253)))) <= NEAR
    assert distance(fingerprint(image), fingerprint(scene(seed + 50))) > 2 * NEAR


def test_mirror_images_are_told_apart(scene: Scene) -> None:
    one, turned = fingerprint(scene(1)), fingerprint(ImageOps.mirror(scene(1)))
    np.testing.assert_allclose(mirrored(one), turned, atol=1e-9)
    assert is_mirror_image(one, turned)
    assert not is_mirror_image(one, one)


def test_plain_colours_differ_by_colour() -> None:
    red, blue, black = (fingerprint(Image.new("RGB", (50, 50), name)) for name in ("red", "blue", "black"))
    assert min(distance(red, blue), distance(red, black), distance(blue, black)) > NEAR


def test_groups_join_through_others() -> None:
    def at(angle: float) -> np.ndarray:
        one = np.zeros((8, 8, 3))
        one[1, 0, 0], one[0, 2, 1] = np.cos(angle), np.sin(angle)
        return one

    prints = [at(0.0), at(1.2), at(0.1), at(0.2), at(2.0), at(1.3)]
    assert groups(prints, 0.12) == [[0, 2, 3], [1, 5], [4]]
    assert groups([], 0.1) == []
