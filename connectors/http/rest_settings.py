"""Where a JSON API is, how it pages, and how an answer shows that it is whole: the keys of `rest`, checked together."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.tables.secrets import Text
from connectors.http.paging import NoPaging, Paging
from connectors.http.records import ASKED_NUMBER
from connectors.http.settings import HttpSettings
from connectors.http.worker_pool import PerStudent
from foundation.translation import tr


class Settings(HttpSettings):
    """Where the API is, how it pages, and how an answer shows that it is whole."""

    #: The address of all records; optional where only `one_url` is asked.
    url: Text = ""
    params: dict[str, Text | int] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The path of the list of records in the answer; the answer itself when left out.
    records: str = ""
    paging: Paging = NoPaging()
    #: Where the system reports the number of records: in the body, or in a header.
    total: str = ""
    total_header: str = ""
    #: What must show that an answer is whole: its total; or, without a total, that paging reached its end, or that a
    #: second reading returns the same; or, for one student, that a single answer has all of their records.
    proofs: tuple[Literal["total", "end_of_pages", "second_pass", "one_answer"], ...] = ("total",)
    #: Accept a bare record in place of a list of one, as converters from XML write it. It is always accepted where
    #: the total shows that one record is left.
    bare_record: bool = False
    #: Parameters for one student, with {student} for the number; left out, all records are read and one student's kept.
    one: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: The address for one student, with {student} for the number, where it differs from `url`.
    one_url: Text = ""
    #: Ask about each student on the roster, for a system that answers about one student only.
    per_student: PerStudent | None = None
    #: What a 404 about one student means: an error, or that the system does not know the number.
    missing: Literal["refused", "outside"] = "refused"
    #: Fields that a record may leave out.
    optional: tuple[str, ...] = ()
    #: Ask first, by HEAD, whether the ETag or Last-Modified of the one answer has changed.
    fingerprint: bool = False
    #: The most records, and the most pages, of an answer.
    limit: Annotated[int, Field(ge=1)] = 1_000_000
    most_pages: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _proves_something(self) -> Self:
        if "student" in self.optional:
            raise ValueError(tr('student cannot be optional: remove "student" from optional'))
        if "end_of_pages" in self.proofs and isinstance(self.paging, NoPaging):
            raise ValueError(
                tr(
                    "without paging, the system may stop at its own default limit: set total or "
                    'total_header, set paging, or accept proofs = ["second_pass"]'
                )
            )
        if not self.proofs or ("total" in self.proofs and not (self.total or self.total_header)):
            raise ValueError(
                tr(
                    "these settings cannot prove that an answer is whole: set total or total_header, or accept "
                    'proofs = ["second_pass"] or proofs = ["end_of_pages"]'
                )
            )
        return self

    @model_validator(mode="after")
    def _has_one_fingerprint(self) -> Self:
        if self.fingerprint and (self.per_student or not isinstance(self.paging, NoPaging)):
            raise ValueError(tr("a fingerprint needs one answer with everything: remove fingerprint, or remove paging"))
        return self

    @model_validator(mode="after")
    def _asks_about_one_rightly(self) -> Self:
        if self.one_url and ASKED_NUMBER not in self.one_url:
            raise ValueError(tr("one_url is the same for all students: write {student} where the number belongs"))
        names_one = self.one_url or any(ASKED_NUMBER in text for text in self.one.values())
        if self.per_student is None:
            if not self.url:
                raise ValueError(tr("the address is missing: set url"))
            if "one_answer" in self.proofs or self.missing == "outside":
                raise ValueError(
                    tr(
                        'proofs = ["one_answer"] and missing = "outside" are about single students: set per_student, '
                        "too"
                    )
                )
        elif not names_one:
            raise ValueError(
                tr("per_student asks about each student: name one or one_url, with {student} for the number")
            )
        elif "one_answer" in self.proofs and not isinstance(self.paging, NoPaging):
            raise ValueError(tr('one page is not the whole answer: remove paging, or accept proofs = ["end_of_pages"]'))
        return self
