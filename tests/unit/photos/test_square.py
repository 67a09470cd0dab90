from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from retrato.photos.square import crop_box, focal_point, split_boxes, square

Scene = Callable[..., Image.Image]


def test_center_keeps_the_middle() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste("red", (100, 0, 200, 100))
    found = np.asarray(square(image, 50))
    assert found.shape == (50, 50, 3)
    assert (found == (255, 0, 0)).all()


@pytest.mark.parametrize(("place", "side"), [((20, 30), "left"), ((240, 30), "right")])
def test_focal_follows_the_detail(scene: Scene, place: tuple[int, int], side: str) -> None:
    image = Image.new("RGB", (300, 100), (120, 130, 140))
    image.paste(scene(1, (40, 40)), place)
    left, _, right, _ = crop_box(image, "focal")
    assert left <= place[0]
    assert place[0] + 40 <= right
    across, down = focal_point(image)
    assert (across < 120) == (side == "left")
    assert abs(down - 50) < 15


def test_focal_of_a_plain_picture_is_its_middle() -> None:
    assert focal_point(Image.new("RGB", (300, 100))) == (150, 50)


def test_none_keeps_everything_on_the_border_colour() -> None:
    image = Image.new("RGB", (200, 100), (10, 120, 30))
    image.paste("white", (80, 40, 120, 60))
    found = square(image, 100, "none")
    assert found.size == (100, 100)
    assert found.getpixel((50, 5)) == found.getpixel((2, 50)) == (10, 120, 30)
    assert found.getpixel((50, 50)) == (255, 255, 255)
    mask = square(Image.new("L", (200, 100), 255), 100, "none")
    assert (mask.getpixel((50, 5)), mask.getpixel((50, 50))) == (0, 255)


def test_splits_as_a1111_counts() -> None:
    # ceil((long - short * overlap) / (short * (1 - overlap))) windows with an overlap of at least a fifth.
    assert split_boxes(Image.new("RGB", (100, 199))) == []
    assert split_boxes(Image.new("RGB", (100, 200))) == [(0, 0, 100, 100), (0, 50, 100, 150), (0, 100, 100, 200)]
    assert len(split_boxes(Image.new("RGB", (1000, 100)))) == 13
    assert split_boxes(Image.new("RGB", (180, 100))) == []
