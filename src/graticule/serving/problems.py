"""What went wrong, as JSON: `{"error": {"type", "message"}}`, one shape for every error of the service."""

from __future__ import annotations

import json
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from graticule.errors import GraticuleError, ModelNotFoundError

__all__ = ["JSON", "ServingError", "answer_problems", "problem"]

JSON: Final = "application/json"

_TYPES: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "TooSlow",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    422: "InvalidRequest",
    429: "TooManyRequests",
    500: "InternalError",
    503: "Overloaded",
}
_RETRY_S: Final = 2
"""How soon a client that was turned away may come again."""


class ServingError(GraticuleError):
    """A request that is not answered, and its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def problem(status: int, message: str, *, kind: str | None = None) -> Response:
    """The answer that tells of an error.

    Args:
        status: Of HTTP.
        message: What is wrong, and what to do.
        kind: The error's type, where it is one of the library's; else it goes by the status.
    """
    body = {"error": {"type": kind or _TYPES.get(status, f"HTTP{status}"), "message": message}}
    response = Response(json.dumps(body, ensure_ascii=False), status, media_type=JSON)
    if status in (429, 503):
        response.headers["Retry-After"] = str(_RETRY_S)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_problems(app: FastAPI) -> None:
    """Have every error that reaches the application answered so.

    The handlers are coroutines: others would each be given a thread, just when the server has too much to do.
    """
    app.add_exception_handler(GraticuleError, _on_purpose)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_a_parameter)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _fault)


async def _on_purpose(_: Request, error: Exception) -> Response:
    if isinstance(error, ServingError):
        return problem(error.status, str(error))
    return problem(
        404 if isinstance(error, ModelNotFoundError) else 422, str(error), kind=type(error).__name__
    )


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: f"{request.url.path}: there is nothing here; /openapi.json tells what there is.",
        405: f"{request.url.path}: does not take {request.method}.",
    }.get(error.status_code, str(error.detail))
    response = problem(error.status_code, message)
    response.headers.update(error.headers or {})
    return response


async def _of_a_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = (f"{'.'.join(map(str, one['loc'][1:])) or 'body'}: {one['msg']}" for one in error.errors())
    return problem(422, "; ".join(wrong))


async def _gone(_: Request, error: Exception) -> Response:
    return problem(400, "the connection was closed before the request was complete.")


async def _fault(_: Request, error: Exception) -> Response:
    # The traceback goes to the log, and only there.
    return problem(500, "a fault in Graticule; the server's log tells more.")
