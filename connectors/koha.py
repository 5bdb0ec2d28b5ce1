"""Koha, asked through its own database (MariaDB or MySQL): books on loan, or what is owed on the account.

Tables and columns are those of Koha's public schema (schema.koha-community.org), as far as they are used here the same
from 19.05 to today: `issues` holds what is out and nothing that has come back, `accountlines.amountoutstanding` is
positive for charges and negative for credits in both of its dialects. The card number need not be the student number;
where a library keeps that in an extended attribute, name its code.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from config.secrets import DatabaseUrl
from config.settings import Span, Table
from connectors import sql
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


class Settings(Table):
    """Where Koha's database is, what is asked, and where the student number stands."""

    url: DatabaseUrl
    asks: Literal["loans", "fines"]
    #: The column of `borrowers` with the student number …
    number: Literal["cardnumber", "userid", "sort1", "sort2"] = "cardnumber"
    #: … or the code of the extended attribute that holds it.
    attribute: str = ""
    #: Books read in the reading room count as loans, too.
    onsite: bool = False
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)

    @classmethod
    def default_columns(cls, own: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the mapping for what is asked, so that a settings file need not spell it out."""
        return _COLUMNS.get(str(own.get("asks")), {})


def query(settings: Settings) -> str:
    """Return the query for everybody."""
    number, joined = _number(settings)
    if settings.asks == "loans":
        onsite = "" if settings.onsite else " WHERE COALESCE(i.onsite_checkout, 0) = 0"
        return (
            f"SELECT {number} AS number, t.title, i.date_due, it.barcode "  # noqa: S608 - every part is one of ours
            "FROM issues i JOIN borrowers b ON b.borrowernumber = i.borrowernumber "
            "LEFT JOIN items it ON it.itemnumber = i.itemnumber "
            f"LEFT JOIN biblio t ON t.biblionumber = it.biblionumber{joined}{onsite}"
        )
    return (
        f"SELECT {number} AS number, l.description, l.amountoutstanding, l.accountlines_id "  # noqa: S608 - every part is one of ours
        f"FROM accountlines l JOIN borrowers b ON b.borrowernumber = l.borrowernumber{joined} "
        "WHERE l.amountoutstanding <> 0"
    )


def population(settings: Settings) -> str:
    """Return the query for every reader with a student number; who has none is unknown, not clear."""
    number, joined = _number(settings)
    return f"SELECT {number} AS number FROM borrowers b{joined} WHERE {number} IS NOT NULL"  # noqa: S608 - every part is one of ours


def _number(settings: Settings) -> tuple[str, str]:
    if not settings.attribute:
        return f"b.{settings.number}", ""
    joined = " LEFT JOIN borrower_attributes a ON a.borrowernumber = b.borrowernumber AND a.code = :attribute"
    return "a.attribute", joined


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it opens nothing yet."""
    number, _ = _number(settings)
    everybody = query(settings)
    one = f"{everybody} {'AND' if ' WHERE ' in everybody else 'WHERE'} {number} = :student"
    own = sql.Settings(
        url=settings.url,
        query=everybody,
        population=population(settings),
        one=one,
        parameters={"attribute": settings.attribute} if settings.attribute else {},
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
    )
    return sql.connect(own, question)
