"""The bodies of requests: of what kind they are, and how much JSON they may hold, counted as it comes in."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

FORM = "multipart/form-data"
# Each value of JSON has one of these beside it, and reading costs time for each; pictures in base64 have none.
MARKS = (b"[", b"{", b",", b'"')
MOST_MARKS = 200_000


def kind_of(headers: Headers) -> str:
    """Gives the type of a request's body in lower case, without its parameters; empty where nothing is said."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def counted(receive: Receive) -> Receive:
    """Gives a `receive` that raises HTTPException once more than `MOST_MARKS` have come, before they are read."""
    marks = 0

    async def counting() -> Message:
        nonlocal marks
        message = await receive()
        marks += sum(map(message.get("body", b"").count, MARKS))
        if marks > MOST_MARKS:
            raise HTTPException(
                413, f"the request has more than {MOST_MARKS} brackets, commas and quotes: send less at a time"
            )
        return message

    return counting
