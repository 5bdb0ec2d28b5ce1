"""Questions: what may stand after the ? of an address. Whatever else stands there is refused, with what is known."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from config.settings import Settings
from portal.api.problems import NoAnswer
from status_db.model import State

Q = TypeVar("Q", bound="Question")

#: A page of the list has so many students at most.
MOST = 500


def _written_out(value: object) -> object:
    """Take a number as it is written, without signs, points and spaces."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("this is no whole number")
    return value


#: No control character: a database may refuse it, and nobody's name has one.
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]
Limit = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_written_out)]


class Question(BaseModel):
    """Nothing may be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InWords(Question):
    """In which language."""

    lang: Annotated[str | None, Field(description="The language of all words; else as Accept-Language says.")] = None


class OfCohort(InWords):
    """Of which cohort."""

    cohort: Annotated[str | None, Field(description="The newest when left out.")] = None


class OfStudent(InWords):
    """Of which cohort a student is to be read."""

    cohort: Annotated[str | None, Field(description="When left out, the newest that lists the student.")] = None


class OfList(OfCohort):
    """Which students."""

    step: Annotated[str | None, Field(description="This step alone; every one that may be read when left out.")] = None
    state: Annotated[
        State | None, Field(description="Who has this state at the step, or at any one that may be read.")
    ] = None
    college: Annotated[Line | None, Field(description="Of this college alone.")] = None
    class_name: Annotated[Line | None, Field(alias="class", description="Of this class alone.")] = None
    after: Annotated[Line | None, Field(description="Those after this number: the `next` of the page before.")] = None
    limit: Annotated[Limit, Field(description="So many at most.")] = 100


def known_values(settings: Settings) -> dict[str, list[str]]:
    """Return what an installation's own parameters may be."""
    return {
        "lang": list(settings.institution.languages),
        "cohort": list(settings.cohort_keys()),
        "step": [step.key for step in settings.step],
    }


def read(request: Request, kind: type[Q], known: Mapping[str, Sequence[str]]) -> Q:
    """Return what is asked. Raises NoAnswer for what is unknown, stands twice, or makes no sense."""
    given = request.query_params.multi_items()
    names = [_name(name, field) for name, field in kind.model_fields.items()]
    asked: dict[str, str] = {}
    for name, value in given:
        if name not in names:
            raise NoAnswer(400, "There is a parameter that is not known here: take it out.", known=names)
        if name in asked:
            raise NoAnswer(400, f"The parameter {name} stands twice: give it once.", known=names)
        if name in known and value not in known[name]:
            raise NoAnswer(400, f"The parameter {name} has a value that is not known.", known=list(known[name]))
        asked[name] = value
    try:
        return kind.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0])
        values = [str(state) for state in State] if name == "state" else None
        raise NoAnswer(400, f"The parameter {name} makes no sense: {first['msg']}.", known=values) from None


def _name(name: str, field: Any) -> str:  # noqa: ANN401 - pydantic's description of a field
    return field.alias or name
