"""汇文 Libsys, asked through its Oracle database, or through read-only views on it: books on loan, or debts.

What is public of its tables: LEND_LST holds what is lent, by reader and copy, with due dates as text; READER_CERT leads
from the reader to the card; ITEM and MARC lead to the title; keys are CHAR and so padded with blanks. Names differ
between releases and sites, and the types of columns are not published: look with `clearance check`, and name yours.
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
    """Where the database is, what is asked, and what its tables are called there."""

    mappings = _COLUMNS

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


def _query(settings: Settings) -> str:
    s = settings
    cards = f"{s.owner}.{s.cards} c"
    if s.asks == "debts":
        # A reader may hold several cards; each is summed up, and debts of nought are left out.
        return f"SELECT {_number(s)} AS STUDENT_NO, c.{s.debt} AS DEBT FROM {cards} WHERE c.{s.debt} <> 0"  # noqa: S608 - names are checked
    # A loan holds though its reader's card, its copy or its title is gone.
    number = _lent_number(s) if s.number == "reader" else f"COALESCE({_number(s)}, 'reader ' || {_lent_number(s)})"
    return (
        f"SELECT {number} AS STUDENT_NO, m.M_TITLE, l.NORM_RET_DATE, TRIM(l.{s.copy_column}) AS PROP_NO "  # noqa: S608 - names are checked
        f"FROM {s.owner}.{s.lent} l LEFT JOIN {cards} ON c.{s.reader} = l.{s.reader} "
        f"LEFT JOIN {s.owner}.ITEM i ON i.{s.copy_column} = l.{s.copy_column} "
        f"LEFT JOIN {s.owner}.MARC m ON m.MARC_REC_NO = i.MARC_REC_NO"
    )


def _number(settings: Settings) -> str:
    """Return the student number, without the blanks that a CHAR is padded with."""
    return f"TRIM(c.{settings.card if settings.number == 'card' else settings.reader})"


def _lent_number(settings: Settings) -> str:
    """Return the reader's own number, as what is lent has it."""
    return f"TRIM(l.{settings.reader})"


def connect(settings: Settings, question: Question) -> sql.Sql:
    """Return the connector; it opens nothing yet."""
    number = _number(settings)
    everybody = f"SELECT {number} AS STUDENT_NO FROM {settings.owner}.{settings.cards} c"  # noqa: S608 - names are checked
    lent = _lent_number(settings) if settings.asks == "loans" and settings.number == "reader" else number
    return asking(settings, question, _query(settings), everybody, number, lent)
