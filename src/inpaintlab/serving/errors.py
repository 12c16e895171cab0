"""One shape for every error, which clients of OpenAI also read: `{"error": {"type", "message"}}`."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from inpaintlab.errors import InpaintlabError

_LOG = logging.getLogger("inpaintlab.serving")


class RefusedError(InpaintlabError):
    """A request that gets no image: a status, the type of the error in one word, and a message."""

    def __init__(
        self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.headers = status, kind, dict(headers or {})


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(
        description="The kind of error in one word, for programs.", examples=["image_error"]
    )
    message: str = Field(description="What was seen, what is allowed, what to do: for people.")


class ErrorReply(BaseModel):
    """The body of every reply that is no success."""

    error: Problem


_MEANINGS = {
    400: "The request, an image or a mask cannot be used.",
    401: "The server wants its token, which was missing or wrong.",
    403: "The request comes from a web page of another origin.",
    404: "There is nothing at this path.",
    405: "This path takes another method.",
    406: "`Accept` names none of the formats of replies: PNG, WebP and JPEG.",
    408: "The request took too long to arrive.",
    413: "The request has too many bytes, or an image too many pixels.",
    421: "The Host header names another machine.",
    422: "A field is missing, unknown or has a value that is not allowed; or, if strict, the model is "
    "not to be trusted with the image.",
    429: "Too many images are waiting; `Retry-After` says for how many seconds to wait.",
    500: "The fill failed, or the process that did it crashed. The server goes on.",
    503: "No worker process is ready.",
    504: "The fill took longer than the time limit.",
}
#: The status of a worker's errors by class, where it is not 400.
_STATUS = {"TooManyPixels": 413, "TrustError": 422, "InternalError": 500}
_KINDS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of error replies: those of every request, and the given ones."""
    return {
        status: {"model": ErrorReply, "description": _MEANINGS[status]}
        for status in sorted({401, 403, 421, *statuses})
    }


#: Errors of all routes that fill.
OF_FILLS = (400, 408, 413, 422, 429, 500, 503, 504)


def refused_by_worker(error: str, message: str) -> RefusedError:
    """Return the error that a worker replied, by the name of its class."""
    kind = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in error).lstrip("_")
    return RefusedError(_STATUS.get(error, 400), kind, message)


def error_response(refused: RefusedError) -> JSONResponse:
    """Return the reply for an error."""
    body = {"error": {"type": refused.kind, "message": str(refused)}}
    return JSONResponse(body, status_code=refused.status, headers=refused.headers)


def install(app: FastAPI) -> None:
    """Give all errors of an application the one shape, those of the framework included."""
    for kind in (InpaintlabError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _reply)


async def _reply(request: Request, error: Exception) -> JSONResponse:
    return error_response(_refused(request.url.path, request.method, error))


def _refused(path: str, method: str, error: Exception) -> RefusedError:
    """Return any error as one of ours."""
    match error:
        case RefusedError():
            return error
        case InpaintlabError():
            return refused_by_worker(type(error).__name__, str(error))
        case HTTPException():
            messages = {
                404: f"there is nothing at {path}: see /openapi.json",
                405: f"{path} does not take {method}",
            }
            message = messages.get(error.status_code, str(error.detail))
            kind = _KINDS.get(error.status_code, "http_error")
            return RefusedError(error.status_code, kind, message, headers=error.headers)
        case RequestValidationError():
            finding = error.errors()[0]
            message = finding["msg"].removeprefix("Value error, ")
            # The first word is where it stood (body, query, …), which the name of the field makes clear.
            field = ".".join(str(part) for part in finding["loc"][1:])
            return RefusedError(422, "bad_field", f"{field}: {message}" if field else message)
    _LOG.error("a request failed", exc_info=error)
    return RefusedError(500, "internal_error", "the server failed; its log says why")
