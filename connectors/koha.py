"""Koha, asked through its own database (MariaDB or MySQL): books on loan, or what is owed on the account.

Tables and columns are those of Koha's public schema (schema.koha-community.org), as far as they are used here the same
from 19.05 to today: `issues` holds what is out and nothing that has come back, `accountlines.amountoutstanding` is
positive for charges and negative for credits in both of its dialects. The card number need not be the student number;
where a library keeps that in an extended attribute, name its code: a reader without one is known by the card number.
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
    """Where Koha's database is, what is asked, and where the student number stands."""

    mappings = _COLUMNS
    asks_database: ClassVar[bool] = True

    asks: Literal["loans", "fines"]
    #: The column of `borrowers` with the student number …
    number: Literal["cardnumber", "userid", "sort1", "sort2"] = "cardnumber"
    #: … or the code of the extended attribute that holds it.
    attribute: str = ""
    #: Books lent for the reading room count as loans, as they do for Koha's own discharge.
    onsite: bool = True
    #: Ask about the roster's numbers alone, and not about every reader.
    roster_only: bool = False
    #: Ask the database first whether its answer is still the last one.
    fingerprint: bool = False
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)


def query(settings: Settings) -> str:
    """Return the query for everybody, or for the roster's numbers."""
    return f"{_SELECT[settings.asks].format(*_number(settings))} {_where(settings, one=False)}"


def population(settings: Settings) -> str:
    """Return the query for every reader with a student number; who has none is unknown, not clear."""
    number, joined = _known_number(settings)
    theirs = f" AND {number} IN :numbers" if settings.roster_only else ""
    return f"SELECT {number} AS number FROM borrowers b{joined} WHERE {number} IS NOT NULL{theirs}"  # noqa: S608 - every part is one of ours


#: The number and what it is joined by stand in the braces.
_SELECT = {
    "loans": "SELECT {0} AS number, t.title, i.date_due, it.barcode "
    "FROM issues i JOIN borrowers b ON b.borrowernumber = i.borrowernumber "
    "LEFT JOIN items it ON it.itemnumber = i.itemnumber "
    "LEFT JOIN biblio t ON t.biblionumber = it.biblionumber{1}",
    "fines": "SELECT {0} AS number, l.description, l.amountoutstanding, l.accountlines_id "
    "FROM accountlines l JOIN borrowers b ON b.borrowernumber = l.borrowernumber{1}",
}


def _where(settings: Settings, *, one: bool) -> str:
    number, _ = _number(settings)
    conditions = {
        "l.amountoutstanding <> 0": settings.asks == "fines",
        "COALESCE(i.onsite_checkout, 0) = 0": settings.asks == "loans" and not settings.onsite,
        f"{number} = :student": one,
        f"{number} IN :numbers": settings.roster_only and not one,
    }
    asked = [condition for condition, so in conditions.items() if so]
    return f"WHERE {' AND '.join(asked)}" if asked else ""


def _known_number(settings: Settings) -> tuple[str, str]:
    """Return the student number, else the card number, and what it is joined by; NULL for a reader with neither."""
    if settings.attribute:
        joined = " LEFT JOIN borrower_attributes a ON a.borrowernumber = b.borrowernumber AND a.code = :attribute"
        return "COALESCE(NULLIF(TRIM(a.attribute), ''), NULLIF(TRIM(b.cardnumber), ''))", joined
    if settings.number == "cardnumber":
        return "NULLIF(TRIM(b.cardnumber), '')", ""
    return f"COALESCE(NULLIF(TRIM(b.{settings.number}), ''), NULLIF(TRIM(b.cardnumber), ''))", ""


def _number(settings: Settings) -> tuple[str, str]:
    """Return the same for what is owed: a reader with neither number is listed by Koha's own, and is nobody's."""
    number, joined = _known_number(settings)
    return f"COALESCE({number}, CONCAT('borrower', b.borrowernumber))", joined


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector: `connectors.sql` with these queries. It opens nothing yet."""
    own = sql.Settings(
        url=settings.url,
        query=query(settings),
        population=population(settings),
        one=f"{_SELECT[settings.asks].format(*_number(settings))} {_where(settings, one=True)}",
        parameters={"attribute": settings.attribute} if settings.attribute else {},
        fingerprint=settings.fingerprint,
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
        tls_minimum=settings.tls_minimum,
        tls_ciphers=settings.tls_ciphers,
    )
    return sql.connect(own, question)
