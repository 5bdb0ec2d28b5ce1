"""Problems: the API's error answers (RFC 9457), each with the fix."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.web.faults import FaultLog, noted_path
from status_db.store.engine import StoreError, ValueRefused

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request failed."""

    type: str = Field(description="Always about:blank: the status is the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="The cause and the fix.")
    known: list[str] | None = Field(description="The accepted parameters or values; null for other problems.")


class NoAnswer(HTTPException):
    """A request that fails with this status and detail."""

    def __init__(
        self, status: int, detail: str, *, known: list[str] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.known = known


#: The same text for an unknown student and for a student outside the grants.
NO_STUDENT = "The student does not exist, or this token's account is not allowed to read this student."

_OTHERS: Mapping[int, str] = {
    400: "The address or a header contains a NUL, or bytes that are not UTF-8. Remove them.",
    404: "This address does not exist. See openapi.json.",
    405: "This address has another method. Use the one in Allow; see openapi.json.",
    408: "The request did not arrive in time. Send it again.",
    429: "Too many of this account's or this network's requests are unfinished. Retry after Retry-After.",
    503: "Too many requests are waiting. Retry after Retry-After.",
}


async def no_answer(_request: Request, error: Exception) -> Response:
    """Return the problem of a failed request."""
    if isinstance(error, NoAnswer):
        return _problem_response(error.status_code, error.detail, error.known, error.headers or {})
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return _problem_response(status, _OTHERS.get(status, "See openapi.json."), None, headers or {})


async def unavailable(_request: Request, error: Exception) -> Response:
    """Return the problem of a database that does not respond. Only the log has its message."""
    structlog.get_logger("clearance.portal").error("database failed", path="/api", message=str(error))
    return _problem_response(
        503, "The database does not respond now. Retry in half a minute.", None, {"Retry-After": "30"}
    )


async def not_stored(request: Request, error: Exception) -> Response:
    """Refuse a value that the database cannot store. Only the log has the value."""
    path = noted_path(request)
    structlog.get_logger("clearance.portal").warning("value refused by the database", path=path, message=str(error))
    return _problem_response(400, "A value is too long or too large to be stored. Make it shorter.", None, {})


async def broken(faults: FaultLog, request: Request, error: Exception) -> Response:
    """Return the problem of an internal error. Only the log has the details."""
    await faults.note(request, error)
    return _problem_response(
        500, "An internal error occurred and was logged. Retry later, or inform the administrators.", None, {}
    )


def _problem_response(status: int, detail: str, known: list[str] | None, headers: Mapping[str, str]) -> Response:
    problem = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, known=known)
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


HANDLERS = {HTTPException: no_answer, StoreError: unavailable, ValueRefused: not_stored}
