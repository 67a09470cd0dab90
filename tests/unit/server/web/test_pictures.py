"""Small copies of photos come with nothing but pixels, and from nowhere else."""

import io
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrato.server.service import Service


def test_a_photo_of_a_set_is_shown_small(client: TestClient, service: Service) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (900, 600), "red").save(buffer, "PNG")
    service.add_photo("looked-at", "one.png", buffer.getvalue(), owner="local")
    answer = client.get("/web/photos/looked-at/one.png")
    assert answer.status_code == 200
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == ("WEBP", (320, 213))


def test_a_photo_that_browsers_cannot_show_is_shown_upright(client: TestClient, service: Service) -> None:
    """A set of `--photos` holds what telephones make: HEIC, and pictures that lie on their side."""
    folder = service.new_photo_set("telephone", owner="local")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (90, 60), "red").save(folder / "two #2.jpg", exif=exif)
    shutil.copy(Path(__file__).parents[2] / "photos/data/turned.heic", folder / "one.heic")
    (folder / "broken.jpg").write_bytes(b"no picture")
    for name in ("one.heic", "two%20%232.jpg"):
        for address in (name, f"{name}/whole"):
            answer = client.get(f"/web/photos/telephone/{address}")
            assert answer.status_code == 200
            assert Image.open(io.BytesIO(answer.content)).format == "WEBP"
    assert Image.open(io.BytesIO(answer.content)).size == (60, 90)
    assert client.get("/web/photos/telephone/broken.jpg").status_code == 422


@pytest.mark.parametrize(
    "address",
    ["/web/photos/looked-at/two.png", "/web/photos/nobody/one.png", "/web/candidates/0/1/0", "/web/candidates/x/0/0"],
)
def test_what_is_not_there_is_said(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 422)
