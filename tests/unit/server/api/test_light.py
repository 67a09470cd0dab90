"""What is left of a request's body while its answer is being made."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel

from retrato.server.api.light import LightRoute


class Sent(BaseModel):
    """A request that brings a picture."""

    picture: str
    words: str = ""


@pytest.fixture
def client() -> TestClient:
    router = APIRouter(route_class=LightRoute)

    @router.post("/draw")
    async def draw(body: Annotated[Sent, Body()], request: Request) -> dict[str, Any]:
        """Gives what was read and what is held of it."""
        said = await request.json()
        return {"read": body.picture, "held": (await request.body()).decode(), "said": said}

    app = FastAPI()
    app.include_router(router)
    return TestClient(app)


def test_the_bytes_go_once_they_are_read(client: TestClient) -> None:
    answer = client.post("/draw", json={"picture": "x" * 1000}).json()
    assert answer == {"read": "x" * 1000, "held": "{}", "said": {"picture": "x" * 1000}}


@pytest.mark.parametrize(("content", "status"), [(b"", 422), (b"{", 422), (b"\xff", 400), (b"[]", 422), (b"{}", 422)])
def test_what_is_wrong_is_as_wrong_as_ever(client: TestClient, content: bytes, status: int) -> None:
    assert client.post("/draw", content=content, headers={"content-type": "application/json"}).status_code == status
