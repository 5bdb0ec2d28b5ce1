"""Numbers of identity documents: with one, where the settings allow it, a student sets a password.

A number itself is stored nowhere, and stands in no message: an account keeps its keyed hash, bound to the student.
"""

import hmac
import unicodedata
from collections.abc import Mapping

from sqlalchemy import Engine, bindparam, select, update

from foundation.chunks import chunked
from status_db import tables
from status_db.accounts.accounts import normalise_account
from status_db.desk import store
from status_db.desk.key import DeskKey
from status_db.desk.seals import ACCOUNT
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: So many accounts are written with one statement.
_AT_ONCE = 1000


def normalise_document(typed: str) -> str:
    """Return a document's number in its one form: NFKC, upper case, nothing but letters and digits."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", typed).upper() if letter.isalnum())


class Identities:
    """Keeps and compares them. Every method raises StoreError when the database fails, or KeyRefused."""

    def __init__(self, desk: Engine | DeskStore, key: DeskKey) -> None:
        self._desk = store.of(desk)
        self._key = key

    def keep(self, numbers: Mapping[str, str]) -> set[str]:
        """Keep student → number of the document, all or none; return the students who have no account."""
        table = tables.account
        sealed = (table.c.mac.is_not(None), table.c.student.is_not(None))
        with self._desk.writing() as entry, entry.changing(ACCOUNT, *sealed):
            connection = entry.connection
            held = set(connection.execute(select(table.c.student).where(table.c.student.is_not(None))).scalars())
            known = [
                {"whose": student, "hashed": self._hash(student, number)}
                for student, number in numbers.items()
                if student in held
            ]
            change = (
                update(table)
                .where(table.c.student == bindparam("whose"))
                .values(identity=bindparam("hashed"), identity_at=None)
            )
            for chunk in chunked(known, _AT_ONCE):
                connection.execute(change, chunk)
        return set(numbers) - held

    def fits(self, account: str, number: str) -> bool:
        """Say whether this is the number of an active student's document; the work is the same for nobody's."""
        table = tables.account
        with reading(self._desk.engine) as connection:
            row = connection.execute(
                select(table.c.student, table.c.identity).where(
                    table.c.account == normalise_account(account), table.c.active, table.c.student.is_not(None)
                )
            ).one_or_none()
        student, kept = (row.student, row.identity) if row is not None else ("", None)
        return hmac.compare_digest(self._hash(student, number), kept or b"") and kept is not None

    def _hash(self, student: str, number: str) -> bytes:
        return self._key.hashed("identity", f"{normalise_document(number)} {student}")
