"""Requests made up from our own OpenAPI document: none is a crash, and every answer is one that the document names."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from retrato.server import create_app
from retrato.settings import ServerSettings
from retrato.studio import Studio

EXAMPLES = 3
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@asynccontextmanager
async def no_worker(app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[FastAPI]:
    """A server whose worker does not run: a made-up drawing may be as large as the bounds allow."""
    studio = Studio.open(tiny_folder, home=tmp_path_factory.mktemp("openapi"), device="cpu")
    app = create_app(studio, ServerSettings())
    app.router.lifespan_context = no_worker  # schemathesis starts applications up
    TestClient(app, base_url="http://localhost").get("/api/v1/people")  # loads the model
    return app


# They answer when the worker is done, and there is none.
WAITING = "(txt2img|img2img|interrogate|preprocess|train/[a-z]+)$"


@pytest.mark.parametrize(
    ("included", "excluded", "least"), [("^/api/v1", "/events$", 20), ("^/sdapi/v1", f"^/sdapi/v1/{WAITING}", 30)]
)
def test_no_made_up_request_breaks_it(app: FastAPI, included: str, excluded: str, least: int) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    schema = schema.include(path_regex=included).exclude(path_regex=excluded)
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None)
        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(headers={"host": "localhost"}), checks=CHECKS)

        ask()
        asked.append(operation.label)
    assert len(asked) >= least


def test_made_up_requests_that_would_wait_are_read_without_a_crash(app: FastAPI) -> None:
    """Those to endpoints that wait for the worker: each is wrong somewhere, so that none gets that far."""
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    for found in schema.include(path_regex=WAITING).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=2 * EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None)
        def ask(case: schemathesis.Case) -> None:
            body = {**(case.body if isinstance(case.body, dict) else {}), "no_such_field": True, "script_name": "none"}
            answer = client.request(case.method, case.path, json=body)
            assert answer.status_code == 422, answer.text
            assert answer.headers["content-type"] == "application/problem+json"

        ask()
