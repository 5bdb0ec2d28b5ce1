"""Alma of Ex Libris, by its REST API: loans, fees or blocks of the roster's students, one after the other.

As documented in the Developer Network (developers.exlibrisgroup.com, Users and Fulfillment): under
`/almaws/v1/users/{id}` are `/loans` (`limit` up to 100, `offset`, `loan_status`), `/fees` (`status`, by default
ACTIVE, so disputed and exported fees need their own questions) and, in the user's own record, `user_block`.
`user_id_type` selects the identifier of a user. Lists have `total_record_count`; with 0 the list itself can be
missing. The key is sent in the header `Authorization: apikey …`. Failures are an `errorList`: an unknown user is HTTP
400 with the code 401861, or 401890; the daily quota is HTTP 429 with DAILY_THRESHOLD, too many questions in a second
PER_SECOND_THRESHOLD. There is no list of all users' loans.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.by_student.each_patron import EachPatron, EachPatronSettings, changed_on_the_way, optional
from connectors.http.paging import NoPaging, OffsetPaging, Paging
from connectors.http.records import ASKED_NUMBER
from connectors.http.refusals import UNKNOWN, Unknown
from connectors.http.settings import HeaderAuth
from connectors.http.worker_pool import Pause
from connectors.port import (
    Question,
    Sample,
    Snapshot,
    SourceError,
    SourceGarbled,
    SourceRefused,
    SourceUnavailable,
    together,
)
from foundation.translation import tr

_COLUMNS = {
    "loans": {"student": ASKED_NUMBER, "title": "title", "due": "due_date", "reference": "item_barcode"},
    "fees": {
        "student": ASKED_NUMBER,
        "title": "title",
        "kind": "type.desc",
        "amount": "balance",
        "reference": "id",
    },
    "blocks": {"student": ASKED_NUMBER, "title": "block_description.desc", "kind": "block_type.desc"},
}

#: The most loans that Alma returns on a page.
_MOST = 100

_NO_SUCH_USER = frozenset({"401861", "401890"})
_QUOTA = "DAILY_THRESHOLD"
_TOO_FAST = "PER_SECOND_THRESHOLD"


class Settings(EachPatronSettings):
    """Where Alma is, its key, what is asked, and by which identifier."""

    mappings = _COLUMNS

    #: The address of the region, such as https://api-cn.hosted.exlibrisgroup.com.cn.
    url: Text
    key: Secret
    asks: Literal["loans", "fees", "blocks"]
    #: Alma's name of the identifier that is the student number.
    id_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] = "all_unique"
    #: The states of fees that are owed; each is a separate question.
    fees: Annotated[tuple[Literal["ACTIVE", "INDISPUTE", "EXPORTED"], ...], Field(min_length=1)] = (
        "ACTIVE",
        "INDISPUTE",
        "EXPORTED",
    )
    per_page: Annotated[int, Field(ge=1, le=_MOST)] = _MOST


class AlmaPatronReader:
    """Asks about one student at a time, with several questions where they are needed."""

    def __init__(self, parts: Sequence[rest.Rest]) -> None:
        self._parts = parts

    def fresh(self) -> Self:
        """Return a reader with the same questions that accepts no answer from a cache."""
        return type(self)([part.fresh() for part in self._parts])

    @contextmanager
    def asking(self, pause: Pause = time.sleep) -> Iterator[Callable[[str], Snapshot]]:
        """Open a session and return a function that asks about one number. The population is that number, or empty."""
        with ExitStack() as stack:
            parts = [stack.enter_context(part.asking(pause)) for part in self._parts]

            def ask(student: str) -> Snapshot:
                answers: list[Snapshot] = []
                for part in parts:
                    answers.append(part(student))
                    if not answers[-1].population:
                        break
                # A user that was deleted in between is unknown; what was found before may still hold the student.
                known = all(answer.population for answer in answers)
                return replace(together(answers), population=[student] if known else [])

            yield ask

    def check_one(self, student: str) -> Sample:
        """Return the first answer about a student that has a record."""
        samples = (part.check_one(student) for part in self._parts)
        first = next(samples)
        return first if first.row is not None else next((s for s in samples if s.row is not None), first)


def _questions(settings: Settings) -> Iterator[tuple[str, Mapping[str, str], str, str]]:
    """Yield the path below a user, the parameters, the path of the records and the path of their total."""
    match settings.asks:
        case "loans":
            yield "/loans", {"loan_status": "Active"}, "item_loan", "total_record_count"
        case "fees":
            for status in settings.fees:
                yield "/fees", {"status": status}, "fee", "total_record_count"
        case "blocks":
            yield "", {"view": "full", "expand": "none"}, "user_block", ""


def _part(
    settings: Settings, question: Question, path: str, params: Mapping[str, str], records: str, total: str
) -> rest.Rest:
    paging: Paging = NoPaging()
    if settings.asks == "loans":
        paging = OffsetPaging(kind="offset", per_page=settings.per_page)
    own = rest.Settings(
        one_url=f"{settings.url.rstrip('/')}/almaws/v1/users/{ASKED_NUMBER}{path}",
        params={"user_id_type": settings.id_type, **params},
        records=records,
        total=total,
        proofs=("total",) if total else ("one_answer",),
        paging=paging,
        auth=HeaderAuth(kind="header", name="Authorization", value=settings.key, prefix="apikey "),
        per_student=settings.per_student,
        missing="outside",
        optional=optional(question.columns),
        **settings.patience(),
    ).set_by(Settings, question.columns, {})
    answers = Answers(question.source)
    shape = answers.blocks if settings.asks == "blocks" else answers.whole
    return rest.Rest(own, question, shape, failing=answers.failing)


class Answers:
    """Reads the errors and states in Alma's answers."""

    def __init__(self, source: str) -> None:
        self._source = source

    def failing(self, status: int, body: Any) -> SourceError | Unknown | None:  # noqa: ANN401 - whatever JSON holds
        """Return the meaning of a failure, by the codes in its errorList."""
        errors = _errors(body)
        codes = {code for code, _ in errors}
        words = "; ".join(f"{code}: {message}" if message else code for code, message in errors)[:300]
        if codes and codes <= _NO_SUCH_USER:
            return UNKNOWN
        if _QUOTA in codes:
            return SourceRefused(
                tr("{source}: Alma's daily quota of questions is used up ({words})", source=self._source, words=words),
                tr(
                    "No data of this pull are used. The quota is renewed at midnight UTC. Set a longer every, or have "
                    "the library check in the Developer Network what else uses the quota."
                ),
            )
        if _TOO_FAST in codes:
            return SourceUnavailable(
                tr("{source}: Alma gets too many questions in a second ({words})", source=self._source, words=words),
                tr("Requests of the library's other programs count too. Lower per_second and at_once in per_student."),
            )
        if status in (401, 403) or codes & {"UNAUTHORIZED", "FORBIDDEN", "INVALID_API_KEY"}:
            return SourceRefused(
                tr(
                    "{source}: Alma refused the key (HTTP {status})",
                    source=self._source,
                    status=f"{status}, {words}" if words else status,
                ),
                tr(
                    "Have the library check the key in the Developer Network: it needs read access to Users in "
                    "the production area, and url must be the address of its region."
                ),
            )
        if errors and 400 <= status < 429:
            return SourceRefused(
                tr(
                    "{source}: Alma does not understand the question (HTTP {status})",
                    source=self._source,
                    status=f"{status}, {words}",
                ),
                tr("Check url and id_type, and that the key is allowed to read Users."),
            )
        return None

    def whole(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return an answer as it is. Raises where it is an error with a successful HTTP status."""
        errors = _errors(body)
        found = self.failing(400, body) if errors else None
        if isinstance(found, SourceError):
            raise found
        listed = [body.get(name) for name in ("item_loan", "fee")] if isinstance(body, dict) else []
        strange = any(isinstance(records, list) and any(not isinstance(r, dict) for r in records) for records in listed)
        if errors or strange:
            what = (
                tr("an error with HTTP 200 ({code})", code=errors[0][0])
                if errors
                else tr("a list that has other things than records")
            )
            raise changed_on_the_way(self._source, "Alma", what)
        return body

    def blocks(self, body: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the active blocks of a user's record. Raises SourceGarbled for another answer."""
        body = self.whole(body)
        if not isinstance(body, dict) or "primary_id" not in body:
            raise SourceGarbled(
                tr("{source}: Alma did not answer with a user's record", source=self._source),
                tr("Check url: it is the address of the region, without a path."),
            )
        blocks = body.get("user_block") or []
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise SourceGarbled(
                tr("{source}: user_block in a user's record is not a list", source=self._source),
                tr("It may be another release of Alma. Have the library check that user."),
            )
        # A block without a state may be active: it is shown.
        return {"user_block": [block for block in blocks if block.get("block_status", "ACTIVE") == "ACTIVE"]}


def _errors(body: object) -> list[tuple[str, str]]:
    """Return the codes and messages of an errorList, in any of its forms."""
    listed = body.get("errorList") if isinstance(body, dict) else None
    errors = listed.get("error") if isinstance(listed, dict) else None
    if isinstance(errors, dict):
        errors = [errors]
    if not isinstance(errors, list):
        return []
    return [
        (str(error.get("errorCode", "?"))[:40], " ".join(str(error.get("errorMessage") or "").split())[:200])
        for error in errors
        if isinstance(error, dict)
    ]


def connect(settings: Settings, question: Question) -> EachPatron:
    """Return the connector; it opens nothing yet."""
    parts = [_part(settings, question, *asked) for asked in _questions(settings)]
    return EachPatron(AlmaPatronReader(parts), settings.per_student, question, settings.unknown)
