"""What a body is, and how much it holds."""

import asyncio

import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message

from retrato.server.bodies import FORM, MARKS, MOST_MARKS, counted, kind_of


@pytest.mark.parametrize(
    ("said", "kind"), [("Multipart/Form-Data ; boundary=X", FORM), ("multipart/mixed", "multipart/mixed"), ("", "")]
)
def test_the_kind_is_in_lower_case_and_alone(said: str, kind: str) -> None:
    assert kind_of(Headers({"content-type": said})) == kind


@pytest.mark.parametrize("values", [b"[],", b"{}, ", b"1,", b'"",'])
def test_marks_are_counted_over_all_parts(values: bytes) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": values * (MOST_MARKS // 10), "more_body": True}

    async def read(parts: int) -> None:
        counting = counted(receive)
        for _ in range(parts):
            await counting()

    fits = 10 // sum(values.count(mark) for mark in MARKS)
    asyncio.run(read(fits))
    with pytest.raises(HTTPException, match="send less at a time"):
        asyncio.run(read(fits + 1))


def test_a_picture_has_none() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"image": "' + b"A" * 1_000_000 + b'"}', "more_body": False}

    assert asyncio.run(counted(receive)())["more_body"] is False
