"""图创 Interlib, read from its Oracle database, or from read-only views on it: books on loan, or debts.

Public facts about its tables: a reader's RDID is not the student number, which is in WORKCARDNO; RDCFSTATE is 1 valid,
2 to be verified, 3 lost, 4 paused, 5 cancelled; HOLDING has a copy's BARCODE, and its BOOKRECNO is a key of BIBLIOS
with TITLE. The other names are guesses: the schema, LOAN_WORK with RETURNDATE for loans, and FIN_DEBT with MONEY for
debts. Every name is a setting: run `clearance check`, and set your names, or have the library create views with these
columns.
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
    """Where the database is, what to ask, and the names of its tables."""

    mappings = _COLUMNS

    asks: Literal["loans", "debts"]
    owner: Name = "INTERLIB"
    #: The readers: their id, student number and state, and the states of former readers.
    readers: Name = "READER"
    reader: Name = "RDID"
    number: Name = "WORKCARDNO"
    state: Name = "RDCFSTATE"
    cancelled: tuple[State, ...] = ("5",)
    #: The loans, as a table or view, and the column of the due date.
    loans: Name = "LOAN_WORK"
    due: Name = "RETURNDATE"
    #: The copies and their titles.
    holdings: Name = "HOLDING"
    barcode: Name = "BARCODE"
    books: Name = "BIBLIOS"
    book: Name = "BOOKRECNO"
    title: Name = "TITLE"
    #: The debts, as a table or view, and the column of the amount.
    debts: Name = "FIN_DEBT"
    amount: Name = "MONEY"


def _query(s: Settings) -> str:
    """Return the query for all readers; a row without a student number has the reader's id in its place."""
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
    """Return the query for all readers with a student number that are not cancelled."""
    # A state is a number at some sites and text at others.
    number, state = f"TRIM(r.{s.number})", f"TRIM(TO_CHAR(r.{s.state}))"
    states = ", ".join(f"'{word}'" for word in s.cancelled)
    cancelled = f" AND ({state} IS NULL OR {state} NOT IN ({states}))" if states else ""
    return f"SELECT {number} AS STUDENT_NO FROM {s.owner}.{s.readers} r WHERE {number} IS NOT NULL{cancelled}"  # noqa: S608 - names and states are checked


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it does not connect yet."""
    return asking(settings, question, _query(settings), _population(settings), f"TRIM(r.{settings.number})")
