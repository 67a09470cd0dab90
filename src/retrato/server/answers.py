"""Answers that hold pictures: JSON made piece by piece on a thread, so that nobody else waits for it.

One call that encodes a hundred megabytes keeps Python from all other work, on whatever thread it runs.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic_core import to_json

PIECE = 3 << 18  # bytes or letters; by three, so that the base64 of the pieces is that of the whole


def answer_with(said: Mapping[str, Any]) -> StreamingResponse:
    """Gives the answer that says `said` in JSON, what is bytes in base64."""
    return StreamingResponse(in_pieces(said), media_type="application/json")


def in_pieces(said: Any) -> Iterator[bytes]:
    """Yields `said` as JSON, about PIECE at a time, what is bytes in base64."""
    gathered = bytearray()
    for part in _parts(said):
        gathered += part
        if len(gathered) >= PIECE:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _parts(said: Any) -> Iterator[bytes]:
    match said:
        case bytes():
            yield b'"'
            yield from (base64.b64encode(said[at : at + PIECE]) for at in range(0, len(said), PIECE))
            yield b'"'
        case str():
            yield b'"'
            yield from (json.dumps(said[at : at + PIECE])[1:-1].encode() for at in range(0, len(said), PIECE))
            yield b'"'
        case Mapping():
            yield b"{"
            for place, (key, value) in enumerate(said.items()):
                yield b"," * (place > 0) + json.dumps(str(key)).encode() + b":"
                yield from _parts(value)
            yield b"}"
        case list() | tuple():
            yield b"["
            for place, value in enumerate(said):
                yield b"," * (place > 0)
                yield from _parts(value)
            yield b"]"
        case _:
            yield to_json(said, inf_nan_mode="null")
