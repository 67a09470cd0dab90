"""Requests made up from our own OpenAPI document: none is a crash, and every answer is one that the document names."""

from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[FastAPI]:
    """A server whose worker does not run: a made-up drawing may be as large as the bounds allow."""
    studio = Studio.open(tiny_folder, home=tmp_path_factory.mktemp("openapi"), device="cpu")
    app = create_app(studio, ServerSettings())
    TestClient(app, base_url="http://localhost").get("/api/v1/people")  # loads the model
    return app


def test_no_made_up_request_breaks_it(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    schema = schema.include(path_regex="^/api/v1").exclude(path_regex="/events$")
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None)
        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(headers={"host": "localhost"}), checks=CHECKS)

        ask()
        asked.append(operation.label)
    assert len(asked) > 20
