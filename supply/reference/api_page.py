"""The page of the API: every address with its parameters and its answer, from the OpenAPI description."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from clearance.settings_file import schema_of
from config.load import load
from config.settings import Settings
from portal.api.document import described
from portal.api.routes import ENDPOINTS, PREFIX
from supply.locks import ROOT
from supply.reference.markdown import code, table

_HEAD = """Every address of the API with its parameters and its answer. [The API](../api.md) explains tokens, rights and
errors. An installation describes itself at `/api/v1/openapi.json`, with its own cohorts and steps. `make reference`
writes this page from that description."""

#: A JSON type as OpenAPI names it → in words.
_TYPES: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
_FORMATS: Mapping[str, str] = {"date": "date", "date-time": "time"}


def page() -> str:
    """Return the page."""
    whole = description()
    pieces = ["# All addresses of the API", " ".join(_HEAD.split())]
    for path, methods in whole["paths"].items():
        pieces.extend(_operation(path, methods["get"]))
    pieces.append("## Objects of the answers")
    for name, schema in whole["components"]["schemas"].items():
        pieces.extend(_schema(name, schema))
    return "\n\n".join(pieces) + "\n"


def description() -> dict[str, Any]:
    """Return the OpenAPI description of an installation, without the values that only that installation has."""
    whole: dict[str, Any] = json.loads(described(PREFIX, [each for each, _ in ENDPOINTS], {}, _demo()))
    return whole


def _demo() -> Settings:
    return load(ROOT / "config" / "demo.toml", schema_of, {})


def _operation(path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"## `GET {PREFIX}{path}`"
    yield f"{operation['summary']}."
    rows = [
        (code(each["name"]), each["in"], _type(each["schema"]), each["description"]) for each in operation["parameters"]
    ]
    if rows:
        yield table(("parameter", "in", "type", "meaning"), rows)
    yield table(("status", "answer"), ((status, _answer(each)) for status, each in operation["responses"].items()))


def _answer(answer: Mapping[str, Any]) -> str:
    schema = next((each["schema"] for each in answer.get("content", {}).values()), None)
    text = answer["description"]
    return f"{_type(schema)}: {text}" if schema else text


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if schema.get("description"):
        yield " ".join(schema["description"].split())
    if "enum" in schema:
        yield "One of " + ", ".join(code(f'"{value}"') for value in schema["enum"]) + "."
        return
    rows = ((code(key), _type(each), each.get("description", "")) for key, each in schema.get("properties", {}).items())
    yield table(("field", "type", "meaning"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema in words."""
    match schema:
        case {"$ref": reference}:
            name = str(reference).rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": shapes}:
            return " or ".join(_type(each) for each in shapes)
        case {"enum": values}:
            return ", ".join(code(f'"{value}"') for value in values)
        case {"type": "array", "items": items}:
            return f"list: {_type(items)}"
        case {"type": "object", "additionalProperties": dict() as values}:
            return f"object: text → {_type(values)}"
        case {"type": "string", "format": form} if form in _FORMATS:
            return _FORMATS[str(form)]
        case {"type": str() as kind}:
            return _TYPES.get(kind, kind) + _limits(schema)
        case _:
            return "any"


def _limits(schema: Mapping[str, Any]) -> str:
    parts = [f"at least {schema['minimum']}"] if "minimum" in schema else []
    parts += [f"at most {schema['maximum']}"] if "maximum" in schema else []
    return f" ({', '.join(parts)})" if parts else ""
