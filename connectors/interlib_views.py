"""图创 Interlib, asked through its Oracle database, or through read-only views on it: books on loan, or debts.

What is public of its tables: a reader's RDID is not the student number, which stands in WORKCARDNO; RDCFSTATE is 1
valid, 2 to be verified, 3 lost, 4 paused, 5 cancelled; HOLDING has a copy's BARCODE and leads by BOOKRECNO to BIBLIOS
and its TITLE. Guesses are the schema's name, LOAN_WORK with RETURNDATE for what is out, and FIN_DEBT with MONEY for
what is owed: every name is a setting. Look with `clearance check`, and name yours, or have the library make views of
these shapes.
"""

from typing import Annotated, Literal

from pydantic import Field

from connectors import sql
from connectors.port import Question
from connectors.presets import Database, Name, asking

_COLUMNS = {
    "loans": {"student": "STUDENT_NO", "title": "TITLE", "due": "DUE", "reference": "BARCODE"},
    "debts": {"student": "STUDENT_NO", "amount": "AMOUNT"},
}


State = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,10}$")]


class Settings(Database):
    """Where the database is, what is asked, and what its tables are called there."""

    mappings = _COLUMNS

    asks: Literal["loans", "debts"]
    owner: Name = "INTERLIB"
    #: The readers: who they are, their student number, their state, and the states that are no longer a reader's.
    readers: Name = "READER"
    reader: Name = "RDID"
    number: Name = "WORKCARDNO"
    state: Name = "RDCFSTATE"
    cancelled: tuple[State, ...] = ("5",)
    #: What is on loan, or a view of it, and the column of the day it is due.
    loans: Name = "LOAN_WORK"
    due: Name = "RETURNDATE"
    #: Copies and their books.
    holdings: Name = "HOLDING"
    barcode: Name = "BARCODE"
    books: Name = "BIBLIOS"
    book: Name = "BOOKRECNO"
    title: Name = "TITLE"
    #: What is owed, or a view of it, and the column of the amount.
    debts: Name = "FIN_DEBT"
    amount: Name = "MONEY"


def _query(s: Settings) -> str:
    """Return the query for everybody; what no reader with a number is found for is listed by the reader's id."""
    lent = "d" if s.asks == "debts" else "l"
    number = f"COALESCE(TRIM(r.{s.number}), 'reader ' || TRIM({lent}.{s.reader})) AS STUDENT_NO"
    if s.asks == "debts":
        return (
            f"SELECT {number}, d.{s.amount} AS AMOUNT FROM {s.owner}.{s.debts} d "  # noqa: S608 - names are checked
            f"LEFT JOIN {s.owner}.{s.readers} r ON r.{s.reader} = d.{s.reader} WHERE d.{s.amount} <> 0"
        )
    return (
        f"SELECT {number}, b.{s.title} AS TITLE, l.{s.due} AS DUE, TRIM(l.{s.barcode}) AS BARCODE "  # noqa: S608 - names are checked
        f"FROM {s.owner}.{s.loans} l LEFT JOIN {s.owner}.{s.readers} r ON r.{s.reader} = l.{s.reader} "
        f"LEFT JOIN {s.owner}.{s.holdings} h ON h.{s.barcode} = l.{s.barcode} "
        f"LEFT JOIN {s.owner}.{s.books} b ON b.{s.book} = h.{s.book}"
    )


def _population(s: Settings) -> str:
    """Return the query for every reader with a student number who has not been cancelled."""
    # A state is a number in some places and text in others.
    number, state = f"TRIM(r.{s.number})", f"TRIM(TO_CHAR(r.{s.state}))"
    states = ", ".join(f"'{word}'" for word in s.cancelled)
    cancelled = f" AND ({state} IS NULL OR {state} NOT IN ({states}))" if states else ""
    return f"SELECT {number} AS STUDENT_NO FROM {s.owner}.{s.readers} r WHERE {number} IS NOT NULL{cancelled}"  # noqa: S608 - names and states are checked


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it opens nothing yet."""
    return asking(settings, question, _query(settings), _population(settings), f"TRIM(r.{settings.number})")
