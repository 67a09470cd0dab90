"""Which files a request may name, on an application that would take any."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from retrato.server.web.dropped import OnlyDropped, paths_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page" / "hash").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "page" / "way-out.png").symlink_to(tmp_path / "secret.png")
    return tmp_path / "page"


@pytest.fixture
def client(folder: Path) -> TestClient:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    return TestClient(OnlyDropped(app, paths=["/en/"], folder=folder))


def test_what_was_dropped_may_be_named(client: TestClient, folder: Path) -> None:
    body = {"data": ["ana", [{"path": str(folder / "hash" / "a.jpg")}, {"path": str(folder / "b.jpg")}]]}
    assert client.post("/en/queue/join", json=body).json() == body
    assert client.get(f"/en/file={folder}/hash/a.jpg").status_code == 200
    assert client.get("/en/file.js").status_code == 200
    assert client.post("/en/reset").status_code == 200


def test_a_body_in_many_parts_goes_on_as_it_came(client: TestClient) -> None:
    parts = [b'{"data": [', b'"x"', b"]}"]
    answer = client.post("/en/join", content=iter(parts), headers={"content-type": "application/json"})
    assert answer.content == b"".join(parts)


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "{folder}/../secret.png", "{folder}/way-out.png", "{folder}", "", "secret.png", "a\0b"),
        *("http://example.org/a.png", "HTTPS://example.org/a.png", "file:///etc/passwd", "{folder}-2/a.png"),
    ],
)
@pytest.mark.parametrize("around", ['{"data": [%s]}', '[[{"a": {"b": [1, %s]}}]]', '{"path": "x", %s}'])
def test_nothing_else_may(client: TestClient, folder: Path, path: str, around: str) -> None:
    named = json.dumps({"path": path.format(folder=folder), "is_stream": True, "meta": {"_type": "gradio.FileData"}})
    body = around % (named[1:-1] if around.endswith(", %s}") else named)
    answer = client.post("/en/queue/join", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 403
    assert "no other file and no address" in answer.json()["detail"]


@pytest.mark.parametrize("address", ["/en/x/file=/etc/passwd", "/en/x/file/http://a.b/c", "/en/x/file=http%3A//a.b/c"])
def test_addresses_name_no_other_file_either(client: TestClient, address: str) -> None:
    for method in ("GET", "HEAD"):
        assert client.request(method, address).status_code == 403


def test_elsewhere_a_path_is_a_word_like_others(client: TestClient) -> None:
    assert client.post("/api/v1/jobs", json={"path": "/etc/passwd"}).status_code == 200
    assert client.get("/api/file=/etc/passwd").status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [("multipart/form-data; boundary=x", 200), ("Multipart/Form-Data", 200), ("multipart/mixed", 403), ("text/x", 403)],
)
def test_only_forms_are_not_looked_into(client: TestClient, kind: str, status: int) -> None:
    body = b'{"path": "/etc/passwd"}'
    assert client.post("/en/upload", content=body, headers={"content-type": kind}).status_code == status


def test_a_body_that_is_too_large_is_said_to_be(folder: Path) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError

    client = TestClient(RequestBodyLimitMiddleware(OnlyDropped(never, paths=["/en/"], folder=folder), 100))
    answer = client.post("/en/join", content=iter([b"[" * 101]))
    assert answer.status_code == 413
    assert "send less at a time" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"no json", b"\xff", b"3", b"[" * 100_000])
def test_what_is_no_json_names_nothing(body: bytes) -> None:
    assert list(paths_in(body)) == []


def test_paths_are_found_however_deep() -> None:
    deep: Any = {"path": "x"}
    for _ in range(400):
        deep = [{"a": deep}]
    assert list(paths_in(json.dumps(deep).encode())) == ["x"]
