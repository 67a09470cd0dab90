import pytest
from PIL import Image, ImageDraw

from retrato.photos.clothes import clothes
from retrato.photos.framing import subject

RED, SKIN = (200, 30, 40), (230, 190, 160)


def portrait() -> Image.Image:
    image = Image.new("RGB", (240, 240), "navy")
    brush = ImageDraw.Draw(image)
    brush.ellipse((80, 20, 160, 120), fill=SKIN)
    brush.rectangle((108, 110, 132, 150), fill=SKIN)
    brush.rectangle((50, 140, 190, 240), fill=RED)
    return image


def test_below_the_face_or_the_neck() -> None:
    image = portrait()
    assert clothes(image, (90, 40, 150, 110), None) == pytest.approx(RED)
    assert clothes(image, None, subject(image)) == pytest.approx(RED)


def test_nothing_is_said_where_nothing_shows() -> None:
    image = portrait()
    assert clothes(image, None, None) is None
    assert clothes(image.crop((60, 20, 180, 120)), (30, 10, 90, 98), None) is None
