"""汇文 Libsys, read from its Oracle database, or from read-only views on it: books on loan, or debts.

Public facts about its tables: LEND_LST has the loans, by reader and copy, with due dates as text; READER_CERT maps the
reader to the card; ITEM and MARC map the copy to the title; keys are CHAR and so padded with blanks. Names differ
between releases and sites, and column types are not published: run `clearance check`, and set your names.
"""

from typing import Literal

from connectors import sql
from connectors.port import Question
from connectors.presets import Database, Name, asking

_COLUMNS = {
    "loans": {"student": "STUDENT_NO", "title": "M_TITLE", "due": "NORM_RET_DATE", "reference": "PROP_NO"},
    "debts": {"student": "STUDENT_NO", "amount": "DEBT"},
}


class Settings(Database):
    """Where the database is, what to ask, and the names of its tables."""

    mappings = _COLUMNS

    asks: Literal["loans", "debts"]
    #: Whether the student number is the card's number or the reader's own.
    number: Literal["card", "reader"] = "card"
    owner: Name = "LIBSYS"
    #: The loans: the table, or a view such as VLEND_ALL.
    lent: Name = "LEND_LST"
    cards: Name = "READER_CERT"
    #: The column of the reader in both.
    reader: Name = "CERT_ID_F"
    #: The column of the copy in the loans and in ITEM.
    copy_column: Name = "PROP_NO_F"
    #: The columns of the card's own number and of the amount owed on it.
    card: Name = "REDR_CERT_ID"
    debt: Name = "DEBT"


def _query(settings: Settings) -> str:
    s = settings
    cards = f"{s.owner}.{s.cards} c"
    if s.asks == "debts":
        # A reader can have several cards; their debts are summed, and debts of zero are omitted.
        return f"SELECT {_card_number(s)} AS STUDENT_NO, c.{s.debt} AS DEBT FROM {cards} WHERE c.{s.debt} <> 0"  # noqa: S608 - names are checked
    # A loan counts even if its reader's card, its copy or its title is missing.
    number = _lent_number(s) if s.number == "reader" else f"COALESCE({_card_number(s)}, 'reader ' || {_lent_number(s)})"
    return (
        f"SELECT {number} AS STUDENT_NO, m.M_TITLE, l.NORM_RET_DATE, TRIM(l.{s.copy_column}) AS PROP_NO "  # noqa: S608 - names are checked
        f"FROM {s.owner}.{s.lent} l LEFT JOIN {cards} ON c.{s.reader} = l.{s.reader} "
        f"LEFT JOIN {s.owner}.ITEM i ON i.{s.copy_column} = l.{s.copy_column} "
        f"LEFT JOIN {s.owner}.MARC m ON m.MARC_REC_NO = i.MARC_REC_NO"
    )


def _card_number(settings: Settings) -> str:
    """Return the student number without the blanks that pad a CHAR."""
    return f"TRIM(c.{settings.card if settings.number == 'card' else settings.reader})"


def _lent_number(settings: Settings) -> str:
    """Return the reader's own number from the loans."""
    return f"TRIM(l.{settings.reader})"


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it does not connect yet."""
    number = _card_number(settings)
    population = f"SELECT {number} AS STUDENT_NO FROM {settings.owner}.{settings.cards} c"  # noqa: S608 - names are checked
    lent = _lent_number(settings) if settings.asks == "loans" and settings.number == "reader" else number
    return asking(settings, question, _query(settings), population, number, lent)
