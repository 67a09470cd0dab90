"""What a drawing begins with: words, a picture, a part of one."""

import base64
import io
from typing import Any, cast

import pytest
from PIL import Image

from retrato.errors import PhotoError, SettingsError, UnknownError
from retrato.generation.canvas import read_source
from retrato.server.pictures import store_file
from retrato.server.service import Service
from retrato.server.web.controls import problem_of
from retrato.server.web.draw import PLACES
from retrato.server.web.easel import beginnings, canvas_of
from retrato.server.web.site import Site
from retrato.settings import GenerateSettings

VALUES = {
    "mode": "words",
    "source": "",
    "mask": "",
    "denoising_strength": 0.5,
    "resize_mode": "just resize",
    "masked_content": "original",
    "inpaint_area": "whole picture",
    "mask_blur": 4,
    "mask_invert": False,
}


def png(size: tuple[int, int], colour: str = "white") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def address(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def test_words_say_nothing_about_pictures(service: Service) -> None:
    assert beginnings(service, VALUES, owner="local") == {}


def test_a_picture_is_named_and_how_much_changes(service: Service) -> None:
    source = store_file(service.home, png((96, 64), "red"))
    said = beginnings(service, {**VALUES, "mode": "picture", "source": f"upload:{source.stem}"}, owner="local")
    assert said == {"init_image": str(source), "denoising_strength": 0.5, "resize_mode": "just resize"}


def test_a_mask_of_the_pictures_proportions_will_do(service: Service) -> None:
    """The page paints on 1024 pixels at most; whoever draws makes the mask fit."""
    source = store_file(service.home, png((96, 64), "blue"))
    values = {**VALUES, "mode": "repaint", "source": f"upload:{source.stem}", "mask": address(png((48, 32)))}
    for area in ("whole picture", "only masked"):
        said = beginnings(service, {**values, "inpaint_area": area}, owner="local")
        begun = read_source(GenerateSettings(prompt="a cat", width=64, height=64, **said))
        assert begun is not None
        assert begun.mask is not None
        assert begun.mask.getextrema() == (255, 255)
    assert said["mask_blur"] == 4


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"mode": "picture"}, SettingsError, "init_image is missing"),
        ({"mode": "picture", "source": "upload:../../etc/passwd"}, UnknownError, "there is no picture"),
        ({"mode": "repaint", "source": "kept"}, SettingsError, "mask is empty"),
        ({"mode": "repaint", "source": "kept", "mask": "http://elsewhere/mask.png"}, PhotoError, "fetches nothing"),
    ],
)
def test_what_is_missing_is_said(
    service: Service, change: dict[str, str], error: type[Exception], sentence: str
) -> None:
    if change.get("source") == "kept":
        change = {**change, "source": f"upload:{store_file(service.home, png((64, 64))).stem}"}
    with pytest.raises(error, match=sentence) as refused:
        beginnings(service, {**VALUES, **change}, owner="local")
    assert 'data-by="draw-easel"' in problem_of(Site(service, "en"), cast("Any", refused.value), "draw", PLACES)


def test_only_who_repaints_gets_a_canvas(service: Service) -> None:
    site = Site(service, "en")
    assert "<canvas" not in canvas_of(site, "picture:3", is_painted=False)
    painted = canvas_of(site, "picture:3", is_painted=True)
    assert "<canvas" in painted
    assert "/api/v1/pictures/3/file" in painted
