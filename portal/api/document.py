"""The OpenAPI 3.1 description of the API, made from its routes and the schemas of questions and answers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from config.settings import Settings
from foundation.version import program_version
from portal.api.problems import MEDIA_TYPE, Problem
from portal.api.questions import Question
from portal.web.links import public_link

_REF = "#/components/schemas/{model}"

#: The meaning of each error status.
PROBLEMS: Mapping[str, str] = {
    "400": "A parameter or value is unknown.",
    "401": "The token is missing or not valid.",
    "403": "The token's account has no grant to read.",
    "404": "The student does not exist, or the token's account is not allowed to read this student.",
    "429": "Too many requests with this token.",
    "500": "An internal error.",
    "503": "The database does not respond now.",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route with its question and answer."""

    path: str
    summary: str
    question: type[Question]
    answer: type[BaseModel]
    #: The address contains a student number.
    of_one: bool = False
    #: The answer has an ETag, with which a client can ask whether it has changed.
    tagged: bool = False
    #: It waits its turn with the other long questions.
    long: bool = False

    @property
    def name(self) -> str:
        """The operation's name for client programs."""
        return "student" if self.of_one else self.path.removeprefix("/")


def described(
    prefix: str, endpoints: Iterable[Endpoint], known: Mapping[str, Sequence[str]], settings: Settings
) -> bytes:
    """Return the description as JSON; `known` has the values of an installation's own parameters."""
    endpoints = list(endpoints)
    shapes: list[type[BaseModel]] = [*(endpoint.answer for endpoint in endpoints), Problem]
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{settings.institution.name}: leaving clearance",
            "version": program_version(),
            "description": (
                "The status of each student, read-only, for other programs. Each request sends a token in its "
                "Authorization header, and can read what the token's account is allowed to read."
            ),
        },
        "servers": [{"url": public_link(settings.portal.public_url, prefix)}],
        "security": [{"token": []}],
        "paths": {endpoint.path: {"get": _operation(endpoint, known)} for endpoint in endpoints},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(tuple(shapes)),
        },
    }
    return json.dumps(whole, ensure_ascii=False).encode()


@cache
def _schemas(shapes: tuple[type[BaseModel], ...]) -> Mapping[str, Any]:
    """Return the schemas of these answers and their parts. They are code, so they are cached."""
    _, together = models_json_schema([(shape, "serialization") for shape in shapes], ref_template=_REF)
    schemas: Mapping[str, Any] = together["$defs"]
    return schemas


def _operation(endpoint: Endpoint, known: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    parameters = list(_parameters(endpoint, known))
    answers: dict[str, Any] = {
        "200": {
            "description": (endpoint.answer.__doc__ or "").strip(),
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=endpoint.answer.__name__)}}},
        }
    }
    if endpoint.tagged:
        answers["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        answers["304"] = {"description": "The answer has not changed since the tag in If-None-Match."}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}}
    for status, meaning in PROBLEMS.items():
        if status != "404" or endpoint.of_one:
            answers[status] = {"description": meaning, "content": problem}
    answers["401"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    answers["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": answers,
    }


@cache
def _question_schema(question: type[Question]) -> Mapping[str, Any]:
    """Return the schema of a question. It is code, so it is cached."""
    return question.model_json_schema()


def _parameters(endpoint: Endpoint, known: Mapping[str, Sequence[str]]) -> Iterable[dict[str, Any]]:
    if endpoint.of_one:
        yield {
            "name": "number",
            "in": "path",
            "required": True,
            "description": "The student number, in any spelling (full width, blanks).",
            "schema": {"type": "string", "minLength": 1},
        }
    asked = _question_schema(endpoint.question)
    for name, shape in asked.get("properties", {}).items():
        # An optional parameter has two schemas, the second of them null: an address has no null.
        schema = next((one for one in shape.get("anyOf", ()) if one.get("type") != "null"), shape)
        schema = asked["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        schema = {key: value for key, value in schema.items() if key not in ("title", "description")}
        if name in known:
            schema["enum"] = list(known[name])
        yield {"name": name, "in": "query", "description": shape["description"], "schema": schema}
    if endpoint.tagged:
        yield {
            "name": "If-None-Match",
            "in": "header",
            "description": "The tag of the answer that the client has.",
            "schema": {"type": "string"},
        }
