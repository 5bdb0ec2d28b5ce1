"""Problems: every answer that is none, as RFC 9457 has it, with the way out."""

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
    """Why there is no answer."""

    type: str = Field(description="about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong, and the way out.")
    known: list[str] | None = Field(description="What would be taken in place of what was asked; null elsewhere.")


class NoAnswer(HTTPException):
    """There is no answer; what is said instead."""

    def __init__(
        self, status: int, detail: str, *, known: list[str] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.known = known


#: Told alike of a student who is on no list and of one outside the grants.
NO_STUDENT = "There is no such student, or none whom this token's account may read."

_OTHERS: Mapping[int, str] = {
    400: "The address or a header holds a NUL, or bytes that are not UTF-8. Remove them.",
    404: "There is nothing at this address. See openapi.json.",
    405: "This can only be read: ask with GET.",
    408: "The request did not arrive in time. Send it again.",
    429: "Too many of this account's or this network's requests are unfinished. Ask again after Retry-After.",
    503: "Too many requests are waiting to be answered. Ask again after Retry-After.",
}


async def no_answer(_request: Request, error: Exception) -> Response:
    """Say why there is no answer."""
    if isinstance(error, NoAnswer):
        return _said(error.status_code, error.detail, error.known, error.headers or {})
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return _said(status, _OTHERS.get(status, "See openapi.json."), None, headers or {})


async def unavailable(_request: Request, error: Exception) -> Response:
    """Say that the database does not answer; what it said is for the log alone."""
    structlog.get_logger("clearance.portal").error("database failed", path="/api", message=str(error))
    return _said(503, "The database does not answer now. Ask again in half a minute.", None, {"Retry-After": "30"})


async def not_stored(request: Request, error: Exception) -> Response:
    """Refuse a value that the database cannot store; only the log says which one."""
    path = noted_path(request)
    structlog.get_logger("clearance.portal").warning("value refused by the database", path=path, message=str(error))
    return _said(400, "A value is too long or too large to be stored. Make it shorter.", None, {})


async def broken(faults: FaultLog, request: Request, error: Exception) -> Response:
    """Say that something broke here; what it was is for the log alone."""
    await faults.note(request, error)
    return _said(500, "Something broke here, and was noted. Ask again later, or tell the administrators.", None, {})


def _said(status: int, detail: str, known: list[str] | None, headers: Mapping[str, str]) -> Response:
    problem = Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, known=known)
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


HANDLERS = {HTTPException: no_answer, StoreError: unavailable, ValueRefused: not_stored}
