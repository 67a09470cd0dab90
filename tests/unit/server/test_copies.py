"""A browser keeps small copies, and asks each time whether they are still right."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request

from retrato.server.copies import small_copy


def asked(**headers: str) -> Request:
    lines = [(name.replace("_", "-").encode(), said.encode()) for name, said in headers.items()]
    return Request({"type": "http", "headers": lines})


def test_a_copy_is_made_once_while_the_picture_stays_the_same(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"one")
    first = small_copy(asked(), picture, lambda: b"small")
    assert (first.status_code, first.body, first.headers["cache-control"]) == (200, b"small", "private, no-cache")
    tag = first.headers["etag"]
    again = small_copy(asked(if_none_match=f'"x", W/{tag}'), picture, lambda: pytest.fail("it was made again"))
    assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
    assert "no-cache" in again.headers["cache-control"]


def test_another_picture_under_that_address_is_shown(tmp_path: Path) -> None:
    """In another home on the same port, say, where the first one was forgotten."""
    for home in ("one", "two"):
        (tmp_path / home).mkdir()
        (tmp_path / home / "a.png").write_bytes(b"one")
    tag = small_copy(asked(), tmp_path / "one" / "a.png", lambda: b"").headers["etag"]
    (tmp_path / "one" / "a.png").write_bytes(b"other")
    for home in ("one", "two"):
        answer = small_copy(asked(if_none_match=tag), tmp_path / home / "a.png", lambda: b"new")
        assert (answer.status_code, answer.body) == (200, b"new")


def test_what_is_gone_is_not_shown_from_the_browsers_memory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        small_copy(asked(if_none_match='"x"'), tmp_path / "a.png", lambda: b"")


def test_few_pictures_are_read_at_a_time(tmp_path: Path, busy: Any) -> None:
    """A gallery's page asks for sixty copies at once, and a sheet may have 178 megapixels."""

    def slow() -> bytes:
        busy()
        return b"small"

    (tmp_path / "a.png").write_bytes(b"one")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: small_copy(asked(), tmp_path / "a.png", slow), range(8)))
    assert busy.most == 2
