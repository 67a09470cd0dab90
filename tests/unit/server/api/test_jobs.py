"""Our own API about jobs: orders in, events out."""

import base64
import io
import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retrato.server.service import Service

SETTINGS = {"prompt": "a photo of a cat", "steps": 2, "width": 64, "height": 64, "seed": 3}


def order(client: TestClient, **settings: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json={"kind": "draw", "settings": SETTINGS | settings})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(client: TestClient, job: str, after: int | None = None) -> list[dict[str, Any]]:
    """Listens until the stream ends."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with client.stream("GET", f"/api/v1/jobs/{job}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_an_order_is_accepted_done_and_told(client: TestClient) -> None:
    job = order(client, count=2)
    told = events(client, job["id"])
    kinds = [event["kind"] for event in told if event["kind"] != "sampled"]
    assert kinds == ["queued", "running", "drawn", "drawn", "done"]
    seen = client.get(f"/api/v1/jobs/{job['id']}").json()
    assert (seen["state"], seen["progress"]) == ("done", 1)
    drawn = next(event for event in told if event["kind"] == "drawn")
    picture = client.get(f"/api/v1/jobs/{job['id']}/files/{drawn['number']}")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (64, 64)


def test_a_sheet_is_drawn_cell_by_cell(client: TestClient) -> None:
    said = {"kind": "grid", "settings": SETTINGS, "axes": ["seed=1-2", "Sampler=Euler, DDIM"]}
    answer = client.post("/api/v1/jobs", json=said)
    assert answer.status_code == 202, answer.text
    told = [event for event in events(client, answer.json()["id"]) if event["kind"] != "sampled"]
    assert [event["kind"] for event in told] == ["queued", "running", *["drawn"] * 4, "sheet", "done"]
    assert told[2]["data"]["labels"] == ["1", "Euler"]
    sheet = client.get(f"/api/v1/jobs/{answer.json()['id']}/files/{told[-2]['number']}")
    assert Image.open(io.BytesIO(sheet.content)).width > 128


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"axes": []}, "give one to three"),
        ({"axes": ["Seed=1-4", "Steps=0-3"]}, "steps is '0'"),
        ({"axes": ["Sead=1"]}, "such as Seed"),
        ({"axes": ["VAE=a\rb"]}, "axis VAE cannot be read"),
        ({"axes": ["embedding CHECKPOINT=/etc/passwd"]}, "there is no checkpoint"),
        ({"axes": ["Seed=1-2", "Steps=1-2"], "settings": SETTINGS | {"prompt": "a|b", "matrix": "prompt"}}, "matrix"),
    ],
)
def test_a_sheet_that_cannot_be_drawn_is_refused_at_once(
    client: TestClient, change: dict[str, Any], sentence: str
) -> None:
    answer = client.post("/api/v1/jobs", json={"kind": "grid", "settings": SETTINGS} | change)
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]


def test_a_picture_to_begin_with_is_called_as_it_was_sent(client: TestClient, service: Service) -> None:
    """Where the server keeps it is nobody's business."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    sent = client.post("/api/v1/pictures/upload", json={"image": base64.b64encode(buffer.getvalue()).decode()})
    job = order(client, init_image=sent.json()["id"])
    assert job["settings"]["init_image"] == sent.json()["id"]
    client.delete(f"/api/v1/jobs/{job['id']}")
    picture = client.get("/api/v1/pictures").json()[0]
    job = order(client, init_image=f"picture:{picture['id']}")
    assert job["settings"]["init_image"] == picture["file"]
    client.delete(f"/api/v1/jobs/{job['id']}")
    assert str(service.home) not in client.get("/api/v1/jobs").text


def test_a_preparation_names_no_folder_of_the_server(client: TestClient, service: Service) -> None:
    """Where somebody else's photos lie, they would be read as masks."""
    service.new_photo_set("masked", owner="local")
    settings = {"mask": True, "mask_folder": str(service.home / "photos" / "rui" / "secret")}
    said = {"kind": "prepare", "photos": "masked", "out": "made", "settings": settings}
    answer = client.post("/api/v1/jobs", json=said)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("mask_folder names a folder of the server")
    assert "made" not in service.photo_sets(owner="local")


def test_listening_goes_on_after_the_last_event(client: TestClient) -> None:
    job = order(client)
    told = events(client, job["id"])
    for position, event in enumerate(told):
        assert events(client, job["id"], after=event["number"]) == told[position + 1 :]


def test_nobody_listens_to_more_streams_than_an_account_may(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = order(client)["id"]
    events(client, job)
    monkeypatch.setattr("retrato.server.api.jobs.MOST_LISTENING", 1)
    for _ in range(3):  # a stream that ended counts no more
        assert events(client, job)
    monkeypatch.setattr("retrato.server.api.jobs.MOST_LISTENING", 0)
    refused = client.get(f"/api/v1/jobs/{job}/events")
    assert refused.status_code == 429
    assert "close one" in refused.json()["detail"]


def test_who_comes_back_has_what_was_missed_within_two_seconds(client: TestClient, service: Service) -> None:
    """A thousand steps of a training, of which the listener knows half. The least of three."""
    job = order(client)
    events(client, job["id"])
    numbers = [service.queue.record(job["id"], "stepped", {"step": step}).number for step in range(1000)]
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        told = events(client, job["id"], after=numbers[499])
        seconds.append(time.monotonic() - began)
        assert [event["number"] for event in told] == numbers[500:]
    assert min(seconds) < 2


def test_what_is_wrong_is_said_at_once(client: TestClient) -> None:
    answer = client.post("/api/v1/jobs", json={"kind": "draw", "settings": SETTINGS | {"steps": 0}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "steps is 0: input should be greater than or equal to 1"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"styles": ["nobody's"]}, 'there is no style called "nobody\'s" in styles.csv: there are none yet'),
        ({"prompt": "a __nothing__"}, "there is no word list nothing.txt in wildcards: "),
    ],
)
@pytest.mark.parametrize("more", [{"kind": "draw"}, {"kind": "grid", "axes": ["Seed=1-2"]}])
def test_words_that_are_not_there_are_said_at_once_and_no_path(
    client: TestClient, service: Service, more: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    order = {"settings": SETTINGS | change} | more
    before = client.get("/api/v1/jobs").json()
    answer = client.post("/api/v1/jobs", json=order)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)
    assert str(service.home) not in answer.text
    assert client.get("/api/v1/jobs").json() == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/jobs/0123456789abcdef", 404),
        ("DELETE", "/api/v1/jobs/0123456789abcdef", 404),
        ("GET", "/api/v1/jobs/0123456789abcdef/events", 404),
        ("GET", "/api/v1/jobs/../../etc", 404),
        ("GET", "/api/v1/jobs/UPPER", 422),
        ("PUT", "/api/v1/jobs", 405),
    ],
)
def test_problems_have_their_status_and_a_sentence(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert ": " in answer.json()["detail"]
