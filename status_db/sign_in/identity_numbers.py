"""Numbers of identity documents, with which a student can set a password if the settings allow it.

The number itself is never stored and is in no message: an account has a keyed hash of number and student.
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

#: The number of accounts written with one statement.
_AT_ONCE = 1000


def normalise_document(typed: str) -> str:
    """Return a document's number in its normal form: NFKC, upper case, only letters and digits."""
    return "".join(letter for letter in unicodedata.normalize("NFKC", typed).upper() if letter.isalnum())


class Identities:
    """Stores and compares the hashes. Every method raises StoreError if the database fails, or KeyRefused."""

    def __init__(self, desk: Engine | DeskStore, key: DeskKey) -> None:
        self._desk = store.of(desk)
        self._key = key

    def keep(self, numbers: Mapping[str, str]) -> set[str]:
        """Store student → document number, all or none; return the students without an account."""
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
        """Return whether this is the document number of an active student; unknown accounts take the same time."""
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
