"""Koha, read from its own database (MariaDB or MySQL): books on loan, or amounts owed on the account.

Tables and columns are those of Koha's public schema (schema.koha-community.org); those used here are the same from
19.05 to today. `issues` contains only items on loan, `accountlines.amountoutstanding` is positive for charges and
negative for credits. The card number can differ from the student number: if a library keeps student numbers in an
extended attribute, set its code. A reader without that attribute is identified by the card number.
"""

from datetime import timedelta
from typing import ClassVar, Literal

from config.tables.base import Span
from connectors import sql
from connectors.http.tls import DatabaseTls
from connectors.own_keys.questions import KnownQuestions
from connectors.port import Question

_COLUMNS = {
    "loans": {"student": "number", "title": "title", "due": "date_due", "reference": "barcode"},
    "fines": {
        "student": "number",
        "title": "description",
        "amount": "amountoutstanding",
        "reference": "accountlines_id",
    },
}


class Settings(KnownQuestions, DatabaseTls):
    """Where Koha's database is, what to ask, and where the student number is."""

    mappings = _COLUMNS
    asks_database: ClassVar[bool] = True

    asks: Literal["loans", "fines"]
    #: The column of `borrowers` with the student number …
    number: Literal["cardnumber", "userid", "sort1", "sort2"] = "cardnumber"
    #: … or the code of the extended attribute with it.
    attribute: str = ""
    #: Books lent for the reading room count as loans, as they do for Koha's own discharge.
    onsite: bool = True
    #: Ask only about the roster's numbers, not about every reader.
    roster_only: bool = False
    #: Compare a fingerprint first, and read the answer only if it changed.
    fingerprint: bool = False
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)


def query(settings: Settings) -> str:
    """Return the query for all readers, or for the roster's numbers."""
    return f"{_SELECT[settings.asks].format(*_number_or_borrower(settings))} {_where_clause(settings, one=False)}"


def population(settings: Settings) -> str:
    """Return the query for all readers with a student number; a reader without one is unknown, not clear."""
    number, joined = _known_number(settings)
    theirs = f" AND {number} IN :numbers" if settings.roster_only else ""
    return f"SELECT {number} AS number FROM borrowers b{joined} WHERE {number} IS NOT NULL{theirs}"  # noqa: S608 - every part is one of ours


#: {0} is the number, {1} the join that it needs.
_SELECT = {
    "loans": "SELECT {0} AS number, t.title, i.date_due, it.barcode "
    "FROM issues i JOIN borrowers b ON b.borrowernumber = i.borrowernumber "
    "LEFT JOIN items it ON it.itemnumber = i.itemnumber "
    "LEFT JOIN biblio t ON t.biblionumber = it.biblionumber{1}",
    "fines": "SELECT {0} AS number, l.description, l.amountoutstanding, l.accountlines_id "
    "FROM accountlines l JOIN borrowers b ON b.borrowernumber = l.borrowernumber{1}",
}


def _where_clause(settings: Settings, *, one: bool) -> str:
    number, _ = _number_or_borrower(settings)
    conditions = {
        "l.amountoutstanding <> 0": settings.asks == "fines",
        "COALESCE(i.onsite_checkout, 0) = 0": settings.asks == "loans" and not settings.onsite,
        f"{number} = :student": one,
        f"{number} IN :numbers": settings.roster_only and not one,
    }
    asked = [condition for condition, so in conditions.items() if so]
    return f"WHERE {' AND '.join(asked)}" if asked else ""


def _known_number(settings: Settings) -> tuple[str, str]:
    """Return the student number, else the card number, and the join it needs; NULL for a reader with neither."""
    if settings.attribute:
        joined = " LEFT JOIN borrower_attributes a ON a.borrowernumber = b.borrowernumber AND a.code = :attribute"
        return "COALESCE(NULLIF(TRIM(a.attribute), ''), NULLIF(TRIM(b.cardnumber), ''))", joined
    if settings.number == "cardnumber":
        return "NULLIF(TRIM(b.cardnumber), '')", ""
    return f"COALESCE(NULLIF(TRIM(b.{settings.number}), ''), NULLIF(TRIM(b.cardnumber), ''))", ""


def _number_or_borrower(settings: Settings) -> tuple[str, str]:
    """Return the same, but with Koha's own number for a reader with neither; it matches no student."""
    number, joined = _known_number(settings)
    return f"COALESCE({number}, CONCAT('borrower', b.borrowernumber))", joined


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector: `connectors.sql` with these queries. It does not connect yet."""
    own = sql.Settings(
        url=settings.url,
        query=query(settings),
        population=population(settings),
        one=f"{_SELECT[settings.asks].format(*_number_or_borrower(settings))} {_where_clause(settings, one=True)}",
        parameters={"attribute": settings.attribute} if settings.attribute else {},
        fingerprint=settings.fingerprint,
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
        tls_minimum=settings.tls_minimum,
        tls_ciphers=settings.tls_ciphers,
    )
    return sql.connect(own, question)
