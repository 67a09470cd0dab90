"""The contact sheet of a set, and what becomes of photos that are dropped."""

import errno
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrato.photos import list_photos
from retrato.photos.check import PhotoReport, PhotoVerdict
from retrato.server.service import Service
from retrato.server.web.photos import report_of
from retrato.server.web.retouching import address_of, shared_photo
from retrato.server.web.site import Site

SITE = Site(cast("Any", SimpleNamespace()), "pt-BR")


@pytest.fixture(autouse=True)
def _nothing_of_other_tests(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(service.dropped))  # the process's own, so the last server's to be made
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
    assert "letter.jpg is not a picture" in told
    assert "Keeping photo 2 of 2" in told  # somebody waits
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


def test_no_name_of_a_file_keeps_a_photo_out(client: TestClient, service: Service) -> None:
    names = ["foto (1).jpg", "Ana's birthday, 2024.jpg", "Screenshot 9.41.00\u202fAM.jpg", "x" * 90 + ".jpg"]
    told = call(client, "add", "called", [drop(client, name, photo(seed)) for seed, name in enumerate(names, 10)])
    assert "problem" not in told
    kept = [path.name for path in list_photos(service.photo_set("called", owner="local"))]
    assert len(kept) == 4
    assert "Screenshot 9.41.00 AM.png" in kept
    for name in kept:
        assert client.get(address_of("called", Path(name))).status_code == 200


def test_a_dropped_mask_goes_to_its_photo(client: TestClient, service: Service) -> None:
    Image.new("L", (80, 80), 255).save(buffer := io.BytesIO(), "PNG")
    named = [drop(client, "one.mask.png", buffer.getvalue()), drop(client, "one.jpg", photo(20))]
    told = call(client, "add", "masked-1", named)
    folder = service.photo_set("masked-1", owner="local")
    assert sorted(path.name for path in folder.iterdir()) == ["one.mask.png", "one.png"]
    assert "1 photos" in told


def test_a_full_disk_is_said_in_words(client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(name: str, file: str, *_: object, owner: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device, 99 bytes are needed", str(service.home / name / file))

    monkeypatch.setattr(service, "add_photo", add)
    told = call(client, "add", "full", [drop(client, "IMG_9.jpg", photo(9))])
    assert f"{Path('full/IMG_9.jpg')}: No space left on device, 99 bytes are needed" in told
    assert left(service) == []


def test_a_name_that_is_none_is_said_once_and_the_photos_are_dropped_again(
    client: TestClient, service: Service
) -> None:
    told = call(client, "add", "a/b", [drop(client, f"IMG_{seed}.jpg", photo(seed)) for seed in (30, 31)])
    assert "cannot be a name" in told
    assert "<li" not in told
    assert left(service) == []


def test_a_set_is_deleted_from_the_page(client: TestClient, service: Service) -> None:
    service.add_photo("mistyped", "a.png", photo(40), owner="local")
    said = json.dumps({"verb": "delete", "set": "mistyped"})
    told = call(client, "hear", f"1 {said}", "mistyped")
    assert "No photos here yet" in told
    assert "mistyped" not in service.photo_sets(owner="local")


def test_a_shared_photo_is_looked_at_and_not_changed() -> None:
    photo = Path("/x/<i> #1.png")
    opened = shared_photo(SITE, "ana (1)", photo, "uma <b>")
    assert 'src="/web/photos/ana%20%281%29/%3Ci%3E%20%231.png/whole"' in opened
    assert "compartilhadas" in opened
    assert not re.search("<i>|<b>|data-retouch|remove", opened)
    report = PhotoReport((PhotoVerdict(photo, "good"),), "good", ())
    assert "Apagar" in report_of(SITE, "ana (1)", report)
    assert "Apagar" not in report_of(SITE, "ana (1)", report, is_own=False)
