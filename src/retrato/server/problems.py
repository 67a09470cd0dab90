"""Turns whatever goes wrong into one sentence with the right status; what else is known stays in the log."""

import logging
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from retrato.database import FILE
from retrato.errors import JobError, QueueError, RetratoError, TrainingError, UnknownError
from retrato.files import FULL, fault
from retrato.home import within

logger = logging.getLogger("retrato")

TOO_LARGE = (
    "the request is larger than this server takes: send less at a time, or start the server with a larger --megabytes"
)
STATUS: Mapping[type[RetratoError], int] = {
    UnknownError: 404,
    QueueError: 409,
    JobError: 500,
    TrainingError: 500,
}


class Problem(BaseModel):
    """An error (RFC 9457): `detail` is one sentence; `error`, `errors` and `body` are there for A1111's clients."""

    type: str = "about:blank"
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["steps is 0: input should be greater than or equal to 1"])
    error: str = Field("", description="the kind of error")
    errors: str = Field("", description="the same sentence, where A1111 has it")
    body: str = ""


def problem(status: int, detail: str, *, error: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Gives the response for an error."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, error=error, errors=detail)
    return JSONResponse(said.model_dump(), status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Lets `app` answer all errors as problems."""
    app.add_exception_handler(RetratoError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _of_the_system)
    app.add_exception_handler(sqlite3.OperationalError, _of_the_database)
    app.add_exception_handler(Exception, _unexpected)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 422)
    return problem(status, within(request.app.state.service.home, str(error)), error=type(error).__name__)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problem(422, "; ".join(_sentence(found) for found in error.errors()[:10]), error="ValidationError")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    is_plain = error.detail in (HTTPStatus(error.status_code).phrase, "Content Too Large")  # of 413, before Python 3.13
    detail = _usual(request, error) if is_plain else error.detail
    return problem(error.status_code, detail, error="HTTPException", headers=error.headers)


async def _of_the_system(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, OSError)
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    status = 507 if error.errno in FULL else 500
    return problem(status, within(request.app.state.service.home, fault(error)), error="OSError")


async def _of_the_database(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, sqlite3.OperationalError)
    if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return await _unexpected(request, error)
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(507, f"{FILE}: {error}", error="OSError")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "this failed for a reason that was not foreseen: the log of the server says more")


def _usual(request: Request, error: HTTPException) -> str:
    path = request.url.path[:100]
    usual = {
        404: f"there is nothing at {path}: /docs lists what there is",
        405: f"{path} does not take {request.method}: /docs says what it takes",
        413: TOO_LARGE,
    }
    return usual.get(error.status_code, error.detail)


def _sentence(found: Mapping[str, object]) -> str:
    """Gives `steps is 0: input should be ...` for one of pydantic's findings."""
    place = found.get("loc")
    names = [str(part) for part in place if part not in ("body", "query", "path")] if isinstance(place, tuple) else []
    message = str(found.get("msg", "")).removeprefix("Value error, ")
    if found.get("type") == "json_invalid":
        return "the body is not JSON: send an object such as {}"
    if found.get("type") == "missing":
        return f"{'.'.join(names) or 'the body'} is missing: it must be given"
    return f"{'.'.join(names) or 'the body'}: {message[:1].lower()}{message[1:]}"
