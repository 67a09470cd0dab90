"""The contact sheet of a set, and what becomes of photos that are dropped."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrato.photos.check import PhotoReport, PhotoVerdict
from retrato.server.service import Service
from retrato.server.web.photos import report_of
from retrato.server.web.site import Site

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")


@pytest.fixture(autouse=True)
def _nothing_of_other_tests(service: Service) -> None:
    for path in left(service):
        path.unlink()


def test_each_photo_has_its_verdict_and_its_problems() -> None:
    report = PhotoReport(
        (
            PhotoVerdict(Path("/x/a.png"), "good"),
            PhotoVerdict(Path("/x/<i>.png"), "doubtful", ("blurred: no sharp edge",)),
        ),
        "doubtful",
        ("add some full body pictures",),
    )
    page = report_of(SITE, "ana", report)
    assert "2 fotos, 1 delas boas" in page
    assert 'src="/web/photos/ana/a.png?at=0"' in page
    assert "blurred: no sharp edge" in page
    assert "add some full body pictures" in page
    assert "<i>" not in page


ORIGIN = {"origin": "http://127.0.0.1:7860"}
PLACE = b"Rua das Flores 12"


def drop(client: TestClient, name: str, content: bytes) -> dict[str, Any]:
    """Uploads a file as the page does, and gives what the page then calls it by."""
    answer = client.post("/en/gradio_api/upload", files={"files": (name, content, "image/jpeg")}, headers=ORIGIN)
    assert answer.status_code == 200
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": name}


def call(client: TestClient, function: str, *values: object) -> str:
    """Calls a function of the page and gives all that it answers."""
    called = client.get("/en/config").json()["dependencies"]
    number = next(each["id"] for each in called if each["api_name"] == function)
    body = {"data": values, "fn_index": number, "session_hash": "dropping"}
    assert client.post("/en/gradio_api/queue/join", json=body, headers=ORIGIN).status_code == 200
    with client.stream("GET", "/en/gradio_api/queue/data?session_hash=dropping") as told:
        lines = [line.removeprefix("data: ") for line in told.iter_lines() if line]
    assert json.loads(lines[-2])["success"], lines
    return "".join(lines)


def left(service: Service) -> list[Path]:
    """Gives what is left of dropped files; Gradio makes empty ones besides."""
    return [path for path in service.dropped.rglob("*") if path.is_file() and path.stat().st_size]


def photo(seed: int) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = PLACE.decode()
    pixels = np.random.default_rng(seed).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "JPEG", exif=exif)
    return buffer.getvalue()


def test_of_a_dropped_photo_only_the_pixels_stay(client: TestClient, service: Service) -> None:
    named = [drop(client, "IMG_1.jpg", photo(1)), drop(client, "letter.jpg", PLACE)]
    assert {path.name for path in left(service)} == {"IMG_1.jpg", "letter.jpg"}
    assert all(PLACE in Path(each["path"]).read_bytes() for each in named)
    told = call(client, "add", "dropped", named)
    assert "letter is not a picture" in told
    assert left(service) == []
    folder = service.photo_set("dropped", owner="local")
    assert [path.name for path in folder.iterdir()] == ["IMG_1.png"]
    assert PLACE not in (folder / "IMG_1.png").read_bytes()


def test_photos_without_a_name_are_not_kept(client: TestClient, service: Service) -> None:
    told = call(client, "add", " ", [drop(client, "IMG_2.jpg", photo(2))])
    assert "photos-set" in told
    assert left(service) == []


def test_a_photo_that_somebody_else_dropped_at_the_same_time_is_asked_for_again(
    client: TestClient, service: Service
) -> None:
    named = [drop(client, "IMG_3.jpg", photo(3)), drop(client, "IMG_4.jpg", photo(4))]
    Path(named[0]["path"]).unlink()
    assert "IMG_3.jpg is not there any more: drop it again" in call(client, "add", "twice", named)
    assert [path.name for path in service.photo_set("twice", owner="local").iterdir()] == ["IMG_4.png"]
