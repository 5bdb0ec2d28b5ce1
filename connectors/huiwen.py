"""汇文 Libsys, asked through its Oracle database, or through read-only views on it: books on loan, or debts.

What is public of its tables: LEND_LST holds what is lent, by reader and copy, with due dates as text; READER_CERT leads
from the reader to the card; ITEM and MARC lead to the title; keys are CHAR and so padded with blanks. Names differ
between releases and sites, and the types of columns are not published: look with `clearance check`, and name yours.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from config.secrets import DatabaseUrl, FilePath
from config.settings import Span, Table
from connectors import sql
from connectors.port import Question

_COLUMNS = {
    "loans": {"student": "STUDENT_NO", "title": "M_TITLE", "due": "NORM_RET_DATE", "reference": "PROP_NO"},
    "debts": {"student": "STUDENT_NO", "amount": "DEBT"},
}


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_$#]{0,127}", name):
        raise ValueError(f'"{name}" is no name of a table or column: letters, digits and _')
    return name.upper()


Name = Annotated[str, AfterValidator(_identifier)]


class Settings(Table):
    """Where the database is, what is asked, and what its tables are called there."""

    url: DatabaseUrl
    asks: Literal["loans", "debts"]
    #: What the student number is: the number of the card, or the reader's own.
    number: Literal["card", "reader"] = "card"
    owner: Name = "LIBSYS"
    #: What is lent: the table, or a view such as VLEND_ALL.
    lent: Name = "LEND_LST"
    cards: Name = "READER_CERT"
    #: The column that names the reader in both.
    reader: Name = "CERT_ID_F"
    #: The column that names the copy in what is lent and in ITEM.
    copy_column: Name = "PROP_NO_F"
    #: The card's own number, and what is owed on it.
    card: Name = "REDR_CERT_ID"
    debt: Name = "DEBT"
    #: The charset of the titles, where the database believes itself ASCII: mostly "gbk".
    bytes_as: str = ""
    #: Ask about the roster's numbers alone, and not about every reader.
    roster_only: bool = False
    #: Ask the database first whether its answer is still the last one.
    fingerprint: bool = False
    oracle_client: FilePath | None = None
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)

    @classmethod
    def default_columns(cls, own: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the mapping for what is asked, so that a settings file need not spell it out."""
        return _COLUMNS.get(str(own.get("asks")), {})


def _query(settings: Settings) -> str:
    s = settings
    number = _number(s)
    cards = f"{s.owner}.{s.cards} c"
    if s.asks == "debts":
        # A reader may hold several cards; each is summed up, and debts of nought are left out.
        return f"SELECT {number} AS STUDENT_NO, c.{s.debt} AS DEBT FROM {cards} WHERE c.{s.debt} <> 0"  # noqa: S608 - names are checked
    return (
        f"SELECT {number} AS STUDENT_NO, m.M_TITLE, l.NORM_RET_DATE, TRIM(l.{s.copy_column}) AS PROP_NO "  # noqa: S608 - names are checked
        f"FROM {s.owner}.{s.lent} l JOIN {cards} ON c.{s.reader} = l.{s.reader} "
        f"LEFT JOIN {s.owner}.ITEM i ON i.{s.copy_column} = l.{s.copy_column} "
        f"LEFT JOIN {s.owner}.MARC m ON m.MARC_REC_NO = i.MARC_REC_NO"
    )


def _number(settings: Settings) -> str:
    """Return the student number, without the blanks that a CHAR is padded with."""
    return f"TRIM(c.{settings.card if settings.number == 'card' else settings.reader})"


def _where(query: str, condition: str) -> str:
    if not condition:
        return query
    return f"{query} {'AND' if ' WHERE ' in query else 'WHERE'} {condition}"


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it opens nothing yet."""
    query, number = _query(settings), _number(settings)
    everybody = f"SELECT {number} AS STUDENT_NO FROM {settings.owner}.{settings.cards} c"  # noqa: S608 - names are checked
    theirs = f"{number} IN :numbers" if settings.roster_only else ""
    own = sql.Settings(
        url=settings.url,
        query=_where(query, theirs),
        population=_where(everybody, theirs),
        one=_where(query, f"{number} = :student"),
        fingerprint=settings.fingerprint,
        bytes_as=settings.bytes_as,
        oracle_client=settings.oracle_client,
        timeout=settings.timeout,
        connect_timeout=settings.connect_timeout,
    )
    return sql.connect(own, question)
