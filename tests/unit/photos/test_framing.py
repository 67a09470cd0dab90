from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw

from retrato.photos.framing import framing, subject, subject_box

Scene = Callable[..., Image.Image]


def person(head: float, size: int = 240, top: float = 0.08) -> Image.Image:
    """An alpha mask of a person whose head is that many pixels wide: shoulders three heads wide, seven heads high."""
    mask = Image.new("L", (size, size), 0)
    brush = ImageDraw.Draw(mask)
    middle, crown = size / 2, top * size
    brush.ellipse((middle - head / 2, crown, middle + head / 2, crown + 1.3 * head), fill=255)
    brush.rectangle((middle - head / 5, crown + head, middle + head / 5, crown + 1.6 * head), fill=255)
    brush.rectangle((middle - 1.2 * head, crown + 1.5 * head, middle + 1.2 * head, crown + 5 * head), fill=255)
    brush.rectangle((middle - 0.9 * head, crown + 5 * head, middle + 0.9 * head, crown + 9 * head), fill=255)
    return mask


@pytest.mark.parametrize(("head", "wanted"), [(20, "full"), (24, "full"), (60, "half"), (130, "close"), (160, "close")])
def test_tells_how_much_of_a_person_shows(head: float, wanted: str) -> None:
    mask = person(head)
    image = Image.composite(Image.new("RGB", mask.size, "navy"), Image.new("RGB", mask.size, "beige"), mask)
    assert framing(image, mask) == wanted
    assert framing(image) == wanted  # the plain background says the same


def test_says_nothing_where_nothing_can_be_told(scene: Scene) -> None:
    assert framing(scene(1)) is None
    assert subject(Image.new("RGB", (99, 99), "teal")) is None
    assert subject(scene(1), Image.new("L", (256, 256), 255)) is None


def test_box_leaves_stray_pixels_aside() -> None:
    image = Image.new("RGB", (200, 200), "white")
    image.paste("navy", (50, 60, 150, 200))
    image.putpixel((20, 20), (0, 0, 0))
    inside = subject(image)
    assert inside is not None
    assert subject_box(inside) == (50, 60, 150, 200)


@pytest.mark.parametrize(("height", "wanted"), [(30, "full"), (45, "half"), (95, "half"), (105, "close")])
def test_a_face_says_it_by_its_share_of_the_height(height: int, wanted: str) -> None:
    """A face is a tenth of a person: 9 % of a picture from head to feet, 18 % of one to the hips, 35 % to the chest."""
    picture = Image.new("RGB", (300, 400))
    assert framing(picture, None, (100, 40, 100 + height, 40 + height)) == wanted
