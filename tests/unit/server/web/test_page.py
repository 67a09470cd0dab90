"""The page in its frame: language by the browser, nothing from elsewhere, no telemetry."""

import errno
import os
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from starlette.routing import Mount

from retrato.server import create_app
from retrato.server.service import Service
from retrato.server.web.site import LANGUAGES
from retrato.settings import ServerSettings
from retrato.studio import Studio


@pytest.mark.parametrize(("accepted", "place"), [("pt-BR", "/pt-br/"), ("en", "/en/"), ("fr", "/en/")])
def test_the_front_door_leads_to_the_browsers_language(client: TestClient, accepted: str, place: str) -> None:
    answer = client.get("/", headers={"accept-language": accepted}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, place)


@pytest.mark.parametrize(("place", "word"), [("/en/", "More options"), ("/pt-br/", "Mais op")])
def test_each_page_speaks_its_language(client: TestClient, place: str, word: str) -> None:
    answer = client.get(place)
    assert answer.status_code == 200
    assert word in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert re.findall(r'<(?:script|link)[^>]+(?:src|href)="https?://', answer.text) == []


def test_nothing_is_told_to_anybody(client: TestClient) -> None:
    config = client.get("/en/config").json()
    assert config["analytics_enabled"] is False
    assert config["footer_links"] == []


def test_a_page_that_nobody_uses_lets_the_processor_sleep(client: TestClient) -> None:
    """Gradio looks a thousand times a second, for each language: 8 % of a core, and a laptop's battery."""
    app = client.app
    assert isinstance(app, FastAPI)
    pages = [route.app.blocks for route in app.routes if isinstance(route, Mount) and hasattr(route.app, "blocks")]
    assert len(pages) == len(LANGUAGES)
    assert all(page._queue.sleep_when_free >= 0.02 for page in pages)


def test_uploads_come_from_this_page_only(client: TestClient) -> None:
    files = {"files": ("a.png", b"x", "image/png")}
    address = "/en/gradio_api/upload"
    assert client.post(address, files=files).status_code == 415
    assert client.post(address, files=files, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(address, files=files, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


@pytest.mark.skipif(os.name != "posix", reason="asks for the bits of a folder")
def test_each_server_keeps_what_is_dropped_on_its_page_to_itself(
    client: TestClient, service: Service, tmp_path: Path, tiny_folder: Path
) -> None:
    """Also where another one was made in this process meanwhile."""
    other = create_app(Studio.open(tiny_folder, home=tmp_path / "other"), ServerSettings())
    files = {"files": ("a.jpg", b"x", "image/jpeg")}
    answer = client.post("/en/gradio_api/upload", files=files, headers={"origin": "http://127.0.0.1:7860"})
    (sent,) = map(Path, answer.json())
    assert sent.parents[1] == service.home / "uploads" / "page"
    assert sent.read_bytes() == b"x"
    for folder in sent.parents[1:3]:
        assert folder.stat().st_mode & 0o077 == 0
    assert list(other.state.service.dropped.iterdir()) == []
    other.state.service.close()


@pytest.mark.parametrize("stream", [False, True])
def test_the_page_reads_no_file_of_this_machine_for_whoever_names_it(
    client: TestClient, service: Service, tmp_path: Path, stream: bool
) -> None:
    """Gradio would: somebody else's photo became the picture to begin with."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "secret.png")
    before = set((service.home / "uploads").glob("*.png"))
    called = client.get("/en/config").json()["dependencies"]
    number = next(each["id"] for each in called if each["api_name"] == "take")
    named = {"path": str(tmp_path / "secret.png"), "meta": {"_type": "gradio.FileData"}, "is_stream": stream}
    body = {"data": [named], "fn_index": number, "session_hash": "taking"}
    for way in ("queue/join", f"run/{number}", "call/take", "api/take"):
        answer = client.post(f"/en/gradio_api/{way}", json=body, headers={"origin": "http://127.0.0.1:7860"})
        assert answer.status_code == 403
    assert set((service.home / "uploads").glob("*.png")) == before


def test_the_script_is_ours(client: TestClient) -> None:
    assert client.get("/studio.js").headers["content-type"].startswith("text/javascript")


def test_scripts_run_by_a_nonce_that_is_new_each_time(client: TestClient) -> None:
    policies = [client.get("/en/").headers["content-security-policy"] for _ in range(2)]
    nonces = [re.search(r"script-src 'self' 'unsafe-eval' 'nonce-([\w-]{20,})'", policy) for policy in policies]
    assert nonces[0]
    assert nonces[1]
    assert nonces[0][1] != nonces[1][1]
    answer = client.get("/en/")
    nonce = re.search(r"'nonce-([\w-]+)'", answer.headers["content-security-policy"])
    assert nonce
    assert answer.text.count("<script") == answer.text.count(f'<script nonce="{nonce[1]}"') > 0


def test_files_named_by_their_content_are_kept_and_pages_are_not(client: TestClient) -> None:
    page = client.get("/en/")
    script = re.search(r'src="\./(assets/[\w.-]+\.js)"', page.text)
    assert script
    assert "immutable" in client.get(f"/en/{script[1]}").headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"
    assert client.get("/en/assets/none.js").headers["cache-control"] == "no-store"


def test_there_is_a_mark_for_the_tab_of_the_browser(client: TestClient) -> None:
    assert client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_no_figures_are_kept_of_who_does_what(client: TestClient) -> None:
    """Gradio would work them out anew after each event, from the last ten thousand, though nobody may ask for them."""
    for _ in range(3):
        press(client, "draw-style_keep", {})
    app = client.app
    assert isinstance(app, FastAPI)
    queues = [each.app.blocks._queue for each in app.routes if isinstance(each, Mount) and hasattr(each.app, "blocks")]
    assert max(queue.events_recorded for queue in queues) >= 3
    assert all(len(queue.event_analytics) <= 1 for queue in queues)
    assert all(queue.cached_event_analytics_summary == {"functions": {}} for queue in queues)


def press(client: TestClient, button: str, said: dict[str, str]) -> str:
    """Presses a button of the page with `said` in its fields, and gives all that comes of it."""
    config = client.get("/en/config").json()
    parts = {each["id"]: each for each in config["components"]}
    (pressed,) = (each for each in parts.values() if each["props"].get("elem_id") == button)
    (asked,) = (each for each in config["dependencies"] if [pressed["id"], "click"] in each["targets"])
    values = [parts[each]["props"] for each in asked["inputs"]]
    data = [said.get(str(each.get("elem_id")), each.get("value")) for each in values]
    origin = {"origin": "http://127.0.0.1:7860"}
    body = {"data": data, "fn_index": asked["id"], "session_hash": button}
    assert client.post("/en/gradio_api/queue/join", json=body, headers=origin).status_code == 200
    return client.get(f"/en/gradio_api/queue/data?session_hash={button}").text


@pytest.mark.parametrize("button", ["draw-start", "draw-style_keep"])
def test_a_disk_that_cannot_be_written_is_said_in_words(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch, button: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(service.home / "retrato.sqlite"))

    for name in ("draw.order_drawing", "styles.save_style"):
        monkeypatch.setattr(f"retrato.server.web.{name}", fails)
    told = press(client, button, {"draw-prompt": "a cat"})
    assert "retrato.sqlite: Read-only file system" in told
