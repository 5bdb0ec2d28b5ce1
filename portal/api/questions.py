"""The query parameters of the API. Unknown parameters are refused, with a list of the known ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from config.settings import Settings
from portal.api.problems import NoAnswer
from status_db.model import State

Q = TypeVar("Q", bound="Question")
B = TypeVar("B", bound=BaseModel)

#: No body is longer, in bytes.
LONGEST_BODY = 8 * 1024

#: A page of the list has at most this many students.
MOST = 500


def _written_out(value: object) -> object:
    """Return a number if it is written in digits only, without signs, points and spaces. Raises ValueError."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("this is not a whole number")
    return value


#: No control characters: a database may refuse them, and names have none.
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Limit = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_written_out)]


class Question(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InWords(Question):
    """The language of the answer."""

    lang: Annotated[str | None, Field(description="The language of all texts; by default as in Accept-Language.")] = (
        None
    )


class OfCohort(InWords):
    """The cohort of the answer."""

    cohort: Annotated[str | None, Field(description="The cohort; by default the newest.")] = None


class OfStudent(InWords):
    """The cohort in which a student is read."""

    cohort: Annotated[str | None, Field(description="The cohort; by default the newest that lists the student.")] = None


class OfList(OfCohort):
    """The filters of a list of students."""

    step: Annotated[str | None, Field(description="Only this step; by default every step within the grants.")] = None
    state: Annotated[
        State | None, Field(description="Only students with this state at the step, or at any step within the grants.")
    ] = None
    college: Annotated[Line | None, Field(description="Only this college.")] = None
    class_name: Annotated[Line | None, Field(alias="class", description="Only this class.")] = None
    after: Annotated[Line | None, Field(description="Only later numbers than this: `next` of the page before.")] = None
    limit: Annotated[Limit, Field(description="The number of students on a page, at most.")] = 100


class RecheckBody(BaseModel):
    """What the office's own program has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    student: Annotated[Line, Field(description="The student number, in any spelling (full width, blanks).")]
    source: Annotated[Line, Field(description="The source to ask, as in /sources.")]
    cohort: Annotated[
        Line | None, Field(description="An open cohort; by default the newest that lists the student.")
    ] = None


def known_values(settings: Settings) -> dict[str, list[str]]:
    """Return the values of an installation's own parameters."""
    return {
        "lang": list(settings.institution.languages),
        "cohort": list(settings.cohort_keys()),
        "step": [step.key for step in settings.step],
    }


def read_question(request: Request, kind: type[Q], known: Mapping[str, Sequence[str]]) -> Q:
    """Return the question of a request. Raises NoAnswer for unknown, duplicate and invalid parameters."""
    given = request.query_params.multi_items()
    names = [_parameter_name(name, field) for name, field in kind.model_fields.items()]
    asked: dict[str, str] = {}
    for name, value in given:
        if name not in names:
            raise NoAnswer(400, "A parameter is unknown. Remove it.", known=names)
        if name in asked:
            raise NoAnswer(400, f"The parameter {name} appears more than once. Send it once.", known=names)
        if name in known and value not in known[name]:
            raise NoAnswer(
                400, f"The parameter {name} has an unknown value. Choose one of `known`.", known=list(known[name])
            )
        asked[name] = value
    try:
        return kind.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0])
        values = [str(state) for state in State] if name == "state" else None
        raise NoAnswer(400, f"The parameter {name} is not valid: {first['msg']}. Correct it.", known=values) from None


def _parameter_name(name: str, field: Any) -> str:  # noqa: ANN401 - pydantic's description of a field
    return field.alias or name


async def read_body(request: Request, kind: type[B]) -> B:
    """Return the body of a request, which is one JSON object. Raises NoAnswer."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise NoAnswer(415, "The body must be JSON. Send it with Content-Type: application/json.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise NoAnswer(413, f"The body is longer than {LONGEST_BODY:,} bytes. Send only the fields of `known`.")
    names = list(kind.model_fields)
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if not first["loc"]:
            detail = 'The body is not a JSON object. Send such as {"student": "20151001", "source": "loans"}.'
            raise NoAnswer(400, detail, known=names) from None
        if first["type"] == "extra_forbidden":
            raise NoAnswer(400, "A field is unknown. Remove it.", known=names) from None
        raise NoAnswer(
            400, f"The field {first['loc'][0]} is not valid: {first['msg']}. Correct it.", known=names
        ) from None
