"""Small copies of photos come with nothing but pixels, and from nowhere else."""

import io

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


@pytest.mark.parametrize(
    "address",
    ["/web/photos/looked-at/two.png", "/web/photos/nobody/one.png", "/web/candidates/0/1/0", "/web/candidates/x/0/0"],
)
def test_what_is_not_there_is_said(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 422)
