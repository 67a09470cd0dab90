"""Users beside one another, names that lead nowhere else, and what is left behind."""

import base64
import errno
import io
import json
import os
import pickle
import re
import shutil
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from retrato.embeddings import Embedding, write_embedding
from retrato.errors import (
    EmbeddingError,
    ModelError,
    PhotoError,
    QueueError,
    RetratoError,
    SettingsError,
    UnknownError,
)
from retrato.jobs import order_captions
from retrato.photos import list_photos
from retrato.server import create_app
from retrato.server.doors import Accounts
from retrato.server.photo_files import read_cut, whole_size
from retrato.server.service import Service
from retrato.server.web.retouching import retouch
from retrato.settings import GenerateSettings, HypernetworkSettings, LearnSettings, ServerSettings, TrainSettings
from retrato.studio import Studio

SETTINGS = {"prompt": "a photo of a cat", "steps": 1, "width": 64, "height": 64, "seed": 3}


@pytest.fixture
def alone(tmp_path: Path, tiny_folder: Path) -> Iterator[Service]:
    """A service with nobody at work."""
    service = Service(Studio.open(tiny_folder, home=tmp_path / "home", device="cpu"), ServerSettings())
    yield service
    service.close()


def photo(**text: str) -> bytes:
    buffer, notes = io.BytesIO(), PngInfo()
    for name, value in text.items():
        notes.add_text(name, value)
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


# --- names and paths --------------------------------------------------------------------------------------------------

HOSTILE = [
    "..",
    "../..",
    "/etc",
    "a/../../b",
    "..\\..",
    "C:\\Windows",
    "\\\\host\\share",
    "a\0b",
    "CON",
    "x" * 65,
    "",
    ".",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_never_lead_out_of_the_home_folder(alone: Service, name: str) -> None:
    for ask in (
        lambda: alone.photo_set(name, owner="local"),
        lambda: alone.new_photo_set(name, owner="local"),
        lambda: alone.add_photo(name, "a.png", photo(), owner="local"),
        lambda: alone.forget(name),
    ):
        with pytest.raises((EmbeddingError, UnknownError)):
            ask()
    assert not list(alone.home.glob("photos/*/*"))


@pytest.mark.parametrize(
    "said", ["/etc/passwd", "upload:../../etc/passwd", "upload:" + "a" * 32, "picture:x", "picture:99", "x"]
)
def test_a_path_is_no_picture(alone: Service, said: str) -> None:
    with pytest.raises(UnknownError):
        alone.picture_file(said, owner="local")


def test_a_link_out_of_the_photos_is_not_followed(alone: Service, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    alone.new_photo_set("ana", owner="local")
    (alone.photo_roots("local")[0] / "way-out").symlink_to(tmp_path / "secret")
    with pytest.raises(UnknownError):
        alone.photo_set("way-out", owner="local")


def test_a_photo_keeps_its_pixels_and_nothing_else(alone: Service) -> None:
    file = alone.add_photo("ana", "IMG 1.jpg", photo(gps="51.5 N"), "a woman", owner="local")
    assert b"51.5" not in file.read_bytes()
    with Image.open(file) as kept:
        assert kept.size == (64, 64)
    assert file.with_suffix(".txt").read_text() == "a woman\n"
    assert file.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(PhotoError):
        alone.add_photo("ana", "x.svg", b"<svg onload=alert(1)>", owner="local")


def test_models_are_chosen_by_name_among_those_that_are_there(alone: Service, tmp_path: Path) -> None:
    for name in ("/etc", str(tmp_path), "https://example.org/x", "../models"):
        with pytest.raises(ModelError, match="there is no model"):
            alone.use_model(name)
    assert alone.use_model("mini").source == "mini"
    assert alone.model == "mini"


def test_a_model_whose_name_has_brackets_is_chosen_by_name_file_and_title(alone: Service, tiny_folder: Path) -> None:
    file = alone.home / "models" / "somebody [fp16]"
    shutil.copytree(tiny_folder, file)
    for name in (file.name, str(file), f"{file.name} [459fbb914c]"):
        assert alone.find_model(name).file == file


def test_forgetting_needs_no_model(alone: Service) -> None:
    write_embedding(Embedding("ana-t1", (torch.ones(1, 8),)), alone.home / "embeddings" / "ana-t1.safetensors")
    assert alone.forget("ana-t1") == ["embeddings/ana-t1.safetensors"]
    assert "_components" not in vars(alone.studio)
    assert "ana-t1" not in alone.people()


# --- users beside one another -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[TestClient]:
    studio = Studio.open(tiny_folder, home=tmp_path_factory.mktemp("users"), device="cpu")
    app = create_app(studio, ServerSettings(megabytes=1), accounts=Accounts({"ana": "1", "rui": "2"}))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, user: str, method: str, path: str, body: Any = None) -> Any:
    password = {"ana": "1", "rui": "2"}[user]
    return client.request(method, path, json=body, auth=(user, password))


def test_everybody_sees_and_stops_their_own_alone(shared: TestClient) -> None:
    order = {"kind": "draw", "settings": SETTINGS}
    job = ask(shared, "ana", "POST", "/api/v1/jobs", order).json()["id"]
    ask(shared, "ana", "GET", f"/api/v1/jobs/{job}/events")  # until it is over
    assert [each["id"] for each in ask(shared, "ana", "GET", "/api/v1/jobs").json()] == [job]
    assert ask(shared, "rui", "GET", "/api/v1/jobs").json() == []
    for method, path in (
        *(("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/move"), ("GET", "/events")),
        *(("GET", "/history"), ("GET", "/preview"), ("GET", "/files/1")),
    ):
        assert ask(shared, "rui", method, f"/api/v1/jobs/{job}{path}").status_code == 404
    (picture,) = ask(shared, "ana", "GET", "/api/v1/pictures").json()
    assert ask(shared, "rui", "GET", "/api/v1/pictures").json() == []
    for path in ("", "/file", "/thumbnail"):
        assert ask(shared, "ana", "GET", f"/api/v1/pictures/{picture['id']}{path}").status_code == 200
        assert ask(shared, "rui", "GET", f"/api/v1/pictures/{picture['id']}{path}").status_code == 404
    small = ask(shared, "ana", "GET", f"/api/v1/pictures/{picture['id']}/thumbnail")
    assert small.headers["cache-control"] == "private, no-cache"  # a browser asks before it shows what was deleted
    assert ask(shared, "rui", "DELETE", f"/api/v1/pictures/{picture['id']}").status_code == 404


def test_an_old_job_shows_nothing_that_became_somebody_elses(shared: TestClient) -> None:
    service: Service = shared.app.state.service  # type: ignore[attr-defined]
    job = ask(shared, "ana", "POST", "/api/v1/jobs", {"kind": "draw", "settings": SETTINGS}).json()["id"]
    ask(shared, "ana", "GET", f"/api/v1/jobs/{job}/events")
    drawn = service.queue.latest(job, ("drawn",))
    assert drawn is not None
    picture = f"/api/v1/jobs/{job}/files/{drawn.number}"
    assert ask(shared, "ana", "GET", picture).status_code == 200
    service.gallery.add(service.home / drawn.data["file"], owner="rui")
    assert ask(shared, "ana", "GET", picture).status_code == 404


def test_reading_changes_nothing(shared: TestClient) -> None:
    """Every GET that the document names, of things that are there: all that is stored is as it was."""
    service = shared.app.state.service  # type: ignore[attr-defined]
    job = ask(shared, "ana", "POST", "/api/v1/jobs", {"kind": "draw", "settings": SETTINGS}).json()["id"]
    told = [each["number"] for each in ask(shared, "ana", "GET", f"/api/v1/jobs/{job}/history").json()]
    ask(shared, "ana", "GET", f"/api/v1/jobs/{job}/events")
    (picture, *_) = ask(shared, "ana", "GET", "/api/v1/pictures").json()
    ids = {"job": job, "event": told[-1], "picture": picture["id"], "name": "ana"}

    def stored() -> tuple[object, ...]:
        files = {
            file: file.stat().st_mtime_ns
            for folder in ("outputs", "jobs", "photos", "uploads", "embeddings", "textual_inversion")
            for file in (service.home / folder).rglob("*")
        }
        return files, service.queue.jobs(limit=-1), service.gallery.search(), service.options(), service.model

    before, asked = stored(), 0
    for path, methods in ask(shared, "ana", "GET", "/openapi.json").json()["paths"].items():
        if "get" in methods:
            address = re.sub(r"{(\w+)}", lambda found: str(ids.get(found[1], "ana")), path)
            assert ask(shared, "ana", "GET", address).status_code in (200, 404), address
            asked += 1
    assert asked > 30
    assert stored() == before


@pytest.mark.skipif(os.name != "posix", reason="asks for the bits of a folder")
def test_sets_of_photos_are_closed_to_others_on_this_machine(alone: Service) -> None:
    file = alone.add_photo("ana", "a.png", photo(), owner="local")
    for folder in (file.parent, alone.home / "photos"):
        assert folder.stat().st_mode & 0o077 == 0


def test_one_accounts_photo_waits_for_nobody_elses(alone: Service) -> None:
    alone.add_photo("ana", "a.png", photo(), owner="ana")
    with alone._photos_locks["ana"]:
        alone.add_photo("ana", "a.png", photo(), owner="rui")


def test_a_set_that_did_not_change_is_not_looked_through_again(
    shared: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"file": "1.png", "image": base64.b64encode(photo()).decode()}
    assert ask(shared, "ana", "POST", "/api/v1/photos/once", sent).status_code == 201
    report = ask(shared, "ana", "GET", "/api/v1/photos/once").json()
    monkeypatch.setattr("retrato.server.service.checking", lambda *args, **options: pytest.fail("looked again"))
    assert ask(shared, "ana", "GET", "/api/v1/photos/once").json() == report
    assert ask(shared, "ana", "DELETE", "/api/v1/photos/once").status_code == 204


def test_sets_of_photos_belong_to_who_sent_them(shared: TestClient) -> None:
    sent = {"file": "1.png", "image": base64.b64encode(photo()).decode()}
    assert ask(shared, "ana", "POST", "/api/v1/photos/secret", sent).status_code == 201
    assert ask(shared, "ana", "GET", "/api/v1/photos").json() == ["secret"]
    assert ask(shared, "ana", "GET", "/api/v1/photos/secret").json()["photos"][0]["file"] == "1.png"
    assert ask(shared, "rui", "GET", "/api/v1/photos").json() == []
    assert ask(shared, "rui", "GET", "/api/v1/photos/secret").status_code == 404
    assert ask(shared, "rui", "DELETE", "/api/v1/photos/secret/1.png").status_code == 404
    assert ask(shared, "ana", "DELETE", "/api/v1/photos/secret/1.png").status_code == 204


# --- sets that are shared ---------------------------------------------------------------------------------------------


@pytest.fixture
def sharing(tmp_path: Path, tiny_folder: Path) -> Iterator[Service]:
    """A service beside a folder of sets: `ana`, one with a name that a new one could not have, and a link to itself."""
    folder = tmp_path / "sets"
    for name in ("ana", "Ana & Rui (1), 2024"):
        (folder / name).mkdir(parents=True)
        (folder / name / "one #1.png").write_bytes(photo())
    (folder / "loop").symlink_to("loop")
    studio = Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")
    service = Service(studio, ServerSettings(photos=str(folder)))
    yield service
    service.close()


def test_every_shared_set_that_is_listed_can_be_looked_at(sharing: Service) -> None:
    names = sharing.photo_sets(owner="local")
    assert names == ["Ana & Rui (1), 2024", "ana"]
    for name in names:
        assert sharing.photo(name, "one #1.png", owner="local").read_bytes() == photo()
        assert not sharing.is_own_set(name, owner="local")


def test_no_own_photo_hides_a_shared_set(sharing: Service) -> None:
    """One that was dropped on it made a set of that name, in which it was alone."""
    for adding in (
        lambda: sharing.add_photo("ana", "two.png", noise(2), owner="local"),
        lambda: sharing.new_photo_set("ana", owner="local"),
    ):
        with pytest.raises(PhotoError, match=r"the photos of ana are shared, .* choose another name"):
            adding()
    shared = sharing.photo_set("ana", owner="local")
    (sharing.photo_roots("local")[0] / "ana").mkdir(parents=True)  # such as a preparation leaves that failed
    assert sharing.photo_set("ana", owner="local") == shared


def test_what_is_shared_is_changed_by_nobody(sharing: Service) -> None:
    before = {path: path.read_bytes() for path in sharing.photo_roots("local")[1].rglob("*") if path.is_file()}
    for change in (
        lambda: sharing.cut_photo("ana", "one #1.png", (0, 0, 0.5), owner="local"),
        lambda: sharing.uncut_photo("ana", "one #1.png", owner="local"),
        lambda: sharing.caption_photo("ana", "one #1.png", "a woman", owner="local"),
        lambda: sharing.remove_photo("ana", "one #1.png", owner="local"),
        lambda: sharing.remove_photo_set("ana", owner="local"),
    ):
        with pytest.raises(PhotoError, match="shared"):
            change()
    assert {path: path.read_bytes() for path in sharing.photo_roots("local")[1].rglob("*") if path.is_file()} == before


def test_an_own_set_that_was_there_first_is_still_ones_own(sharing: Service) -> None:
    own = sharing.photo_roots("local")[0] / "ana"
    own.mkdir(parents=True)
    (own / "a.png").write_bytes(photo())
    assert sharing.photo_set("ana", owner="local") == own.resolve()
    assert sharing.add_photo("ana", "two.png", noise(2), owner="local").parent == own


def test_a_set_is_removed_once_no_job_needs_it(alone: Service) -> None:
    file = alone.add_photo("ana", "a.png", photo(), owner="local")
    alone.cut_photo("ana", "a.png", (0, 0, 0.5), owner="local")
    job = order_captions(alone.queue, [file])
    with pytest.raises(QueueError, match=f"job {job.id} works with the photos of ana: cancel it first"):
        alone.remove_photo_set("ana", owner="local")
    assert file.exists()
    alone.queue.cancel(job.id, owner="local")
    alone.remove_photo_set("ana", owner="local")
    assert not file.parent.exists()
    with pytest.raises(UnknownError):
        alone.remove_photo_set("ana", owner="local")


# --- what comes in is bounded, and nothing goes out -------------------------------------------------------------------


def test_large_requests_are_not_read(shared: TestClient) -> None:
    answer = ask(shared, "ana", "POST", "/sdapi/v1/png-info", {"image": "A" * 1_100_000})
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("the request is larger than this server takes: send less at a time")


def test_photos_that_are_large_together_may_be_dropped_at_once(shared: TestClient) -> None:
    """Gradio sends them in one request. Each alone has the limit that other requests have."""

    def drop(*sizes: int) -> Any:
        files = [("files", (f"{number}.jpg", b"x" * size, "image/jpeg")) for number, size in enumerate(sizes)]
        origin = {"origin": "http://localhost"}
        return shared.post("/en/gradio_api/upload", files=files, headers=origin, auth=("ana", "1"))

    assert len(drop(*[900_000] * 5).json()) == 5
    assert drop(1_100_000).status_code == 413
    assert drop(*[900_000] * 23).status_code == 413


def test_a_request_that_does_not_say_how_large_it_is_ends_at_the_limit(shared: TestClient) -> None:
    parts = iter([b'{"image": "', *[b"A" * 100_000] * 11, b'"}'])
    headers = {"content-type": "application/json"}
    answer = shared.post("/sdapi/v1/png-info", content=parts, headers=headers, auth=("ana", "1"))
    assert answer.status_code == 413
    assert "send less at a time" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [b"{", b"[" * 100_000, b'{"kind": "draw", "settings": {"prompt": "x", "guidance_scale": NaN}}', b"\xff", b"null"],
)
def test_what_is_no_json_is_no_crash(shared: TestClient, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = shared.post("/api/v1/jobs", content=content, headers=headers, auth=("ana", "1"))
    assert answer.status_code in (400, 422)
    assert "Traceback" not in answer.text


def test_a_path_in_settings_is_refused(shared: TestClient) -> None:
    order = {"kind": "train", "photos": "secret", "settings": {"name": "ana-t1", "template": "/etc/passwd"}}
    assert ask(shared, "ana", "POST", "/api/v1/jobs", order).status_code in (404, 422)
    if "init_image" in GenerateSettings.model_fields:
        order = {"kind": "draw", "settings": SETTINGS | {"init_image": "/etc/passwd"}}
        assert ask(shared, "ana", "POST", "/api/v1/jobs", order).status_code == 404


PICTURES = (
    ("/sdapi/v1/png-info", "image"),
    ("/sdapi/v1/extra-single-image", "image"),
    ("/sdapi/v1/interrogate", "image"),
    ("/api/v1/pictures/read", "image"),
    ("/api/v1/pictures/upload", "image"),
    ("/api/v1/photos/evil", "image"),
)


class Evil:
    """What a pickle can do to whoever reads it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 400 megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    head, end = b"IHDR" + struct.pack(">II", 20_000, 20_000) + buffer.getvalue()[24:29], buffer.getvalue()[33:]
    return buffer.getvalue()[:12] + head + struct.pack(">I", zlib.crc32(head)) + end


def sent_as_picture(shared: TestClient, content: bytes) -> Iterator[tuple[str, Any]]:
    """Gives the answer of each endpoint that takes pictures."""
    text = base64.b64encode(content).decode()
    for path, field in PICTURES:
        body = {field: text} | ({"file": "a.png"} if "photos" in path else {})
        yield path, ask(shared, "ana", "POST", path, body)
    for body in (
        {"init_images": [text]},
        {"init_images": [base64.b64encode(photo()).decode()], "mask": text},
    ):
        yield "img2img", ask(shared, "ana", "POST", "/sdapi/v1/img2img", body | {"width": 64, "height": 64, "steps": 1})
    batch = {"imageList": [{"data": text, "name": "a"}]}
    yield "batch", ask(shared, "ana", "POST", "/sdapi/v1/extra-batch-images", batch)


def test_no_pickle_is_read_that_came_as_a_picture(shared: TestClient, tmp_path: Path) -> None:
    for protocol in (0, 2, 5):
        for path, answer in sent_as_picture(shared, pickle.dumps(Evil(tmp_path / "pwned"), protocol)):
            assert answer.status_code == 422, path
    assert not list(tmp_path.iterdir())


def test_a_bomb_is_not_unpacked(shared: TestClient) -> None:
    for path, answer in sent_as_picture(shared, bomb()):
        assert answer.status_code == 422 or "read" in path or "png-info" in path, path
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("name", [*HOSTILE[:-2], "%2e%2e%2f%2e%2e%2fetc", "..%5c..%5cetc", "a%00b"])
def test_every_endpoint_refuses_names_that_lead_elsewhere(shared: TestClient, name: str) -> None:
    """All paths with a name or id in them, from the document itself, and all bodies that name a folder."""
    service = shared.app.state.service  # type: ignore[attr-defined]
    around = sorted(path.name for path in service.home.parent.iterdir())
    document = ask(shared, "ana", "GET", "/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        if "{" not in path:
            continue
        for method in methods:
            hostile = re.sub(r"{\w+}", lambda _: quote(name, safe="%"), path)
            body = {"file": "a.png", "image": base64.b64encode(photo()).decode()} if method == "post" else None
            answer = ask(shared, "ana", method.upper(), hostile, body)
            assert answer.status_code in (404, 405, 422), (method, hostile, answer.status_code)
            asked += 1
    assert asked > 15
    settings = {"name": "ana-t1"}
    for body in (
        {"kind": "train", "photos": name, "settings": settings},
        {"kind": "train-hypernetwork", "photos": name, "settings": settings},
        {"kind": "prepare", "photos": name, "out": "x"},
        {"kind": "caption", "photos": name},
        {"kind": "draw", "model": name or "/", "settings": SETTINGS},
        {"kind": "draw", "settings": SETTINGS | {"init_image": name or "/"}},
        {"kind": "draw", "settings": SETTINGS | {"init_image": f"upload:{name}"}},
    ):
        assert ask(shared, "ana", "POST", "/api/v1/jobs", body).status_code in (404, 422), body
    prepare = {"process_src": name, "process_dst": name}
    assert ask(shared, "ana", "POST", "/sdapi/v1/preprocess", prepare).status_code in (404, 422)
    assert sorted(path.name for path in service.home.parent.iterdir()) == around


def test_what_nobody_foresaw_shows_nothing(shared: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = shared.app.state.service  # type: ignore[attr-defined]

    def broken() -> None:
        raise ZeroDivisionError("/home/secret")

    monkeypatch.setattr(service, "models", broken)
    answer = ask(shared, "ana", "GET", "/api/v1/models")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


def test_a_full_disk_is_said_as_jobs_say_it(shared: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = shared.app.state.service  # type: ignore[attr-defined]
    file = service.home / "photos" / "ana" / "x.png"
    monkeypatch.setattr(service, "models", lambda: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left", file)))
    answer = ask(shared, "ana", "GET", "/api/v1/models")
    assert answer.status_code == 507
    assert answer.json()["detail"] == f"{Path('photos/ana/x.png')}: No space left"


@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [("INSERT INTO full VALUES (zeroblob(99999))", 507, "retrato.sqlite: database or disk is full"), ("X", 500, "log")],
)
def test_a_full_database_is_said(
    shared: TestClient, monkeypatch: pytest.MonkeyPatch, statement: str, status: int, said: str
) -> None:
    service = shared.app.state.service  # type: ignore[attr-defined]

    def write() -> None:
        with closing(sqlite3.connect(":memory:")) as database:
            database.executescript("CREATE TABLE full (content); PRAGMA max_page_count = 2")
            database.execute(statement)

    monkeypatch.setattr(service, "models", write)
    answer = ask(shared, "ana", "GET", "/api/v1/models")
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_foreign_words_come_back_as_data_and_never_as_a_page(shared: TestClient) -> None:
    hostile = '</script><img src=x onerror=alert(1)>"><svg/onload=alert(1)>'
    text = f"{hostile}\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
    image = base64.b64encode(photo(parameters=text)).decode()
    answer = ask(shared, "ana", "POST", "/api/v1/pictures/read", {"image": image})
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["parameters"]["Prompt"] == hostile


def test_nobody_outside_is_asked(shared: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def look_up(host: object, *arguments: object, **named: object) -> None:
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    drawn = ask(shared, "ana", "POST", "/sdapi/v1/txt2img", {"steps": 1, "width": 64, "height": 64})
    assert drawn.status_code == 200
    for path in ("/", "/docs", "/openapi.json", "/sdapi/v1/options", "/api/v1/people"):
        assert ask(shared, "ana", "GET", path).status_code == 200
    address = "http://example.org/secret.png"
    named = {"path": address, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
    for function, field in (("add", ["ana", [named]]), ("take", [named]), ("read", [named])):
        sent = {"data": field, "fn_index": number_of(shared, function), "session_hash": "asked"}
        refused = ask(shared, "ana", "POST", "/en/gradio_api/queue/join", sent)
        assert refused.status_code == 403
        assert "no other file and no address" in refused.json()["detail"]
    for mark in ("file=", "file/", "proxy="):
        assert ask(shared, "ana", "GET", f"/pt-br/gradio_api/{mark}{address}").status_code in (400, 403)
    assert asked == []


def number_of(client: TestClient, function: str) -> int:
    """Gives the number by which requests name a function of the page."""
    called = ask(client, "ana", "GET", "/en/config").json()["dependencies"]
    return next(int(each["id"]) for each in called if each["api_name"] == function)


def test_a_cut_can_move_and_be_taken_back(service: Service) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((96, 64)).convert("RGB").save(buffer, "PNG")
    file = service.add_photo("cuts", "one.png", buffer.getvalue(), owner="local")
    service.cut_photo("cuts", "one.png", (0.5, 0.25, 0.5), owner="local")
    with Image.open(file) as image:
        assert image.size == (32, 32)
    service.cut_photo("cuts", "one.png", (0.0, 0.0, 1.0), owner="local")
    with Image.open(file) as image:
        assert image.size == (64, 64)
    assert read_cut(file) == (0.0, 0.0, 1.0)
    assert [path.name for path in list_photos(file.parent)] == ["one.png"]
    service.uncut_photo("cuts", "one.png", owner="local")
    with Image.open(file) as image:
        assert image.size == (96, 64)
    assert read_cut(file) is None


def test_a_photo_dropped_again_forgets_its_cut(service: Service) -> None:
    for cut in ((0.5, 0.25, 0.5), None):
        buffer = io.BytesIO()
        Image.new("RGB", (96, 64), "red").save(buffer, "PNG")
        file = service.add_photo("again", "one.png", buffer.getvalue(), owner="local")
        if cut:
            service.cut_photo("again", "one.png", cut, owner="local")
    assert whole_size(file) == (96, 64)
    assert read_cut(file) is None


def test_a_caption_is_one_line_beside_the_photo_and_goes_with_it(service: Service) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    file = service.add_photo("captions", "one.png", buffer.getvalue(), owner="local")
    service.caption_photo("captions", "one.png", " a man\nin a hat ", owner="local")
    assert file.with_suffix(".txt").read_text() == "a man in a hat\n"
    service.caption_photo("captions", "one.png", " ", owner="local")
    assert not file.with_suffix(".txt").exists()
    service.cut_photo("captions", "one.png", (0, 0, 0.5), owner="local")
    service.remove_photo("captions", "one.png", owner="local")
    assert not file.parent.exists()  # an empty set is none
    with pytest.raises((UnknownError, PhotoError)):
        service.remove_photo("captions", "one.png", owner="local")


def test_photos_are_looked_at_once(service: Service) -> None:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    service.add_photo("looks", "one.png", buffer.getvalue(), owner="local")
    first = list(service.look_at_photos("looks", owner="local"))
    assert [type(each).__name__ for each in first] == ["Looked", "PhotoReport"]
    assert list(service.look_at_photos("looks", owner="local")) == first[1:]
    service.add_photo("looks", "two.png", buffer.getvalue(), owner="local")
    assert len(list(service.look_at_photos("looks", owner="local"))) == 3


@pytest.mark.parametrize("cut", [["NaN", "0", "0.5"], ["0", "0"], ["a", "b", "c"], "x"])
def test_a_cut_that_has_no_place_is_refused_and_the_photo_stays(service: Service, cut: object) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    file = service.add_photo("places", "one.png", buffer.getvalue(), owner="local")
    with pytest.raises(SettingsError, match="no place"):
        retouch(service, "places", {"verb": "save", "file": "one.png", "cut": cut}, owner="local")
    assert [path.name for path in file.parent.iterdir()] == ["one.png"]


# --- reading the model ------------------------------------------------------------------------------------------------


def test_the_model_is_read_when_a_page_stands_and_not_before(tmp_path: Path, tiny_folder: Path) -> None:
    """While torch is imported, everything else waits for the interpreter: the first page came a second later."""
    studio = Studio.open(tiny_folder, home=tmp_path / "home", device="cpu")
    pictures = studio.home / "outputs" / "2026-01-01"
    pictures.mkdir(parents=True)
    write_embedding(Embedding("ana", (torch.zeros(1, 32),)), studio.home / "embeddings" / "ana.safetensors")
    (pictures / "00000.png").write_bytes(photo(parameters="a portrait of ana\nSteps: 4, Seed: 1"))
    app = create_app(studio, ServerSettings())
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        while not client.get("/api/v1/pictures").json():  # the worker has looked through the folder
            pass
        assert client.get("/api/v1/pictures").json()[0]["people"] == ["ana"]
        assert client.get("/en/").status_code == 200
        assert "_components" not in vars(studio)
        app.state.service.warm_up()
        app.state.service.warm_up()
    assert "_components" in vars(studio)  # once the server has ended it was read to the end


def test_photos_that_a_telephone_calls_alike_do_not_replace_each_other(alone: Service) -> None:
    """And one that is sent twice is there once."""

    def sent(colour: str, name: str) -> str:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
        return alone.add_photo("ana", name, buffer.getvalue(), colour, owner="local").name

    assert sent("red", "image.jpg") == "image.png"
    assert sent("blue", "image.jpg") == "image-2.png"
    assert sent("teal", "image.png") == "image-3.png"
    alone.cut_photo("ana", "image-2.png", (0, 0, 0.5), owner="local")
    assert (sent("blue", "image.jpg"), sent("red", "image.jpg")) == ("image-2.png", "image.png")
    folder = alone.photo_set("ana", owner="local")
    assert len(list_photos(folder)) == 3
    assert [(folder / f"image{number}.txt").read_text().strip() for number in ("", "-2", "-3")] == [
        "red",
        "blue",
        "teal",
    ]


def noise(seed: int, side: int = 64) -> bytes:
    """A photo that no compression makes small."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_photos_of_one_name_that_come_at_the_same_time_are_all_kept(alone: Service) -> None:
    def send(seed: int) -> None:
        alone.add_photo("ana", "image.jpg", noise(seed, 200), owner="local")

    sending = [threading.Thread(target=send, args=(seed,)) for seed in range(8)]
    for each in sending:
        each.start()
    for each in sending:
        each.join()
    kept = [path.read_bytes() for path in list_photos(alone.photo_set("ana", owner="local"))]
    assert len(set(kept)) == 8


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_photo_that_could_not_be_cut_as_the_disk_was_full_is_whole(
    alone: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    photo = alone.add_photo("ana", "a.png", noise(1, 200), owner="local")
    before, usual = photo.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, usual[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            alone.cut_photo("ana", "a.png", (0, 0, 0.5), owner="local")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [path.name for path in photo.parent.iterdir()] == ["a.png"]
    alone.cut_photo("ana", "a.png", (0, 0, 0.5), owner="local")
    with Image.open(photo) as cut:
        assert cut.size == (100, 100)
    alone.uncut_photo("ana", "a.png", owner="local")
    assert photo.read_bytes() == before


def test_what_was_dropped_is_read_once(alone: Service) -> None:
    file = alone.dropped / "hash" / "a.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"38.7 N")
    assert alone.read_dropped(str(file)) == b"38.7 N"
    assert not file.exists()
    with pytest.raises(PhotoError, match=r"a\.jpg is not there any more: drop it again"):
        alone.read_dropped(str(file))
    file.write_bytes(b"38.7 N")
    (alone.dropped / "tmp1").write_bytes(b"")
    kept = alone.dropped.with_name("a.png")
    kept.write_bytes(photo())
    alone.empty_dropped()
    assert list(alone.dropped.iterdir()) == []
    assert kept.exists()
    alone.empty_dropped()


@pytest.mark.parametrize("settings", [TrainSettings(name="ana-t1"), HypernetworkSettings(name="ana-t1")])
def test_a_template_is_a_built_in_one_and_no_file_of_the_server(
    alone: Service, tmp_path: Path, settings: LearnSettings
) -> None:
    """The page and both APIs ask this; the lines of a template are told to whoever asked for the training."""
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret of [name]")
    with pytest.raises(SettingsError, match=r"secret\.txt'?: name one of .*subject"):
        alone.check_training(tmp_path, settings.changed(template=str(secret)))


def test_a_training_on_another_model_is_checked_by_what_holds_for_any(alone: Service, tmp_path: Path) -> None:
    """The current model knows the word `cat` and takes no 516 pixels; that says nothing about the other one."""
    photos = alone.add_photo("ana", "one.png", photo(), owner="local").parent
    for said in ({"name": "cat"}, {"name": "ana-t1", "width": 516}):
        settings = TrainSettings(**said)
        with pytest.raises(RetratoError):
            alone.check_training(photos, settings)
        alone.check_training(photos, settings, "/models/other.safetensors")
    for wrong in (TrainSettings(name="a/b"), TrainSettings(name="ana-t1", learning_rate="fast")):
        with pytest.raises(RetratoError):
            alone.check_training(photos, wrong, "/models/other.safetensors")
    with pytest.raises(RetratoError):
        alone.check_training(tmp_path / "nowhere", TrainSettings(name="ana-t1"), "/models/other.safetensors")
