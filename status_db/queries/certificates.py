"""Queries of certificates: lists, single certificates, and the certificates of a class. Read-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, case, or_, select

from status_db import tables
from status_db.effective.step_status import certificate_from
from status_db.effective.visible import inside
from status_db.model import Certificate, normalise_number
from status_db.store.engine import reading
from status_db.views import Scope


class CertificateSelection(StrEnum):
    """Which certificates a list shows."""

    #: Not collected yet.
    WAITING = "waiting"
    LEFT = "left"
    REVOKED = "revoked"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CertificateFilter:
    """The filter of a list. None and an empty text do not filter."""

    held: CertificateSelection = CertificateSelection.ALL
    college: str | None = None
    class_name: str | None = None
    #: The beginning of a student's or a certificate's number, or a part of a name.
    text: str = ""


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A certificate and its student."""

    certificate: Certificate
    name: str
    college: str
    class_name: str
    #: In the scopes for handing over and revoking.
    may_issue: bool


class CertificateReader:
    """Reads one cohort's certificates. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine, cohort: str) -> None:
        self._engine = engine
        self._cohort = cohort

    def listed(
        self,
        step: str,
        scopes: Sequence[Scope],
        chosen: CertificateFilter,
        issue_scopes: Sequence[Scope] = (),
        *,
        limit: int | None = None,
        after: int = 0,
    ) -> tuple[ListedCertificate, ...]:
        """Return the certificates issued on this review in the scopes, the oldest first, starting after one."""
        table = tables.certificate
        query = self._query(step, scopes, issue_scopes).where(table.c.certificate > after, *_conditions(chosen))
        return self._select_certificates(query.order_by(table.c.certificate).limit(limit))

    def of_class(
        self, step: str, scopes: Sequence[Scope], college: str, class_name: str
    ) -> tuple[ListedCertificate, ...]:
        """Return the certificates of a class, by student number."""
        person = tables.student
        query = self._query(step, scopes).where(
            person.c.college == college,
            person.c["class"] == class_name,
            tables.certificate.c.revoked_at.is_(None),
        )
        return self._select_certificates(query.order_by(person.c.student))

    def find(
        self, step: str, scopes: Sequence[Scope], certificate: int, issue_scopes: Sequence[Scope] = ()
    ) -> ListedCertificate | None:
        """Return one certificate; None if there is none or it is outside the scopes."""
        found = self._select_certificates(
            self._query(step, scopes, issue_scopes).where(tables.certificate.c.certificate == certificate)
        )
        return found[0] if found else None

    def _query(self, step: str, scopes: Sequence[Scope], issue_scopes: Sequence[Scope] = ()) -> Select[Any]:
        table, person, review = tables.certificate, tables.student, tables.decision
        of_them = and_(person.c.cohort == table.c.cohort, person.c.student == table.c.student)
        return (
            select(
                table,
                person.c.name,
                person.c.college,
                person.c["class"],
                case((inside(issue_scopes), 1), else_=0).label("may_issue"),
            )
            .join(person, of_them)
            .join(review, review.c.decision == table.c.decision)
            .where(table.c.cohort == self._cohort, review.c.step == step, inside(scopes))
        )

    def _select_certificates(self, query: Select[Any]) -> tuple[ListedCertificate, ...]:
        with reading(self._engine) as connection:
            return tuple(_listed_certificate(row) for row in connection.execute(query))


def _conditions(chosen: CertificateFilter) -> list[ColumnElement[bool]]:
    table, person = tables.certificate, tables.student
    held: dict[CertificateSelection, list[ColumnElement[bool]]] = {
        CertificateSelection.WAITING: [table.c.revoked_at.is_(None), table.c.collected == ""],
        CertificateSelection.LEFT: [table.c.revoked_at.is_(None), table.c.collected != ""],
        CertificateSelection.REVOKED: [table.c.revoked_at.is_not(None)],
        CertificateSelection.ALL: [],
    }
    found = held[chosen.held]
    if chosen.college is not None:
        found.append(person.c.college == chosen.college)
    if chosen.class_name is not None:
        found.append(person.c["class"] == chosen.class_name)
    if chosen.text:
        number, text = normalise_number(chosen.text), chosen.text.strip()
        found.append(
            or_(
                person.c.student.startswith(number, autoescape=True),
                table.c.number.startswith(text, autoescape=True),
                person.c.name.contains(text, autoescape=True),
            )
        )
    return found


def _listed_certificate(row: Row[Any]) -> ListedCertificate:
    return ListedCertificate(
        certificate=certificate_from(row),
        name=row.name,
        college=row.college,
        class_name=row._mapping["class"],  # noqa: SLF001 - SQLAlchemy's public name for a row by column
        may_issue=bool(row.may_issue),
    )
