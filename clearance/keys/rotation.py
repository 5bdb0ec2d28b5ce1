"""Replacing a key. Each step can be repeated: after an interruption the same command continues with that key."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from foundation.private_files import flush
from foundation.translation import tr
from portal.auth import totp
from status_db import tables
from status_db.desk import rekey
from status_db.desk.key import DeskKey
from status_db.ledger import checkpoint
from status_db.ledger import key as ledger_key
from status_db.ledger.chain import newest_head
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import Seals
from status_db.ledger.sets import KEY
from status_db.store import keys
from status_db.store.engine import reading, writing

if TYPE_CHECKING:
    from clearance.services import Program


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """A key that was replaced."""

    file: Path
    #: The fingerprints of the new key and of the one before; empty for a key that was lost.
    new: str
    old: str
    #: Where the key from before is kept; None for a key that was lost.
    former: Path | None
    #: What was sealed again, or has to be made again: cohort or table → rows.
    counts: dict[str, int]


def rotate_ledger_key(program: "Program", by: str) -> KeyRotation:
    """Replace the ledger's key: in each cohort's ledger, in the desk's rows, then the file. Raises StoreError."""
    file = program.settings.status_db.ledger_key_file
    old = ledger_key.read(file)
    if old is None:
        raise ledger_key.missing(file)
    waiting = ledger_key.next_file(file)
    if not waiting.exists():
        _refuse_unsound(program)
    new = ledger_key.read(waiting) or ledger_key.make(waiting)
    counts: dict[str, int] = {}
    for cohort in _cohorts(program):
        with writing(program.writing, cohort) as connection:
            head = newest_head(connection, cohort)
            if head is not None and head.words.get(KEY) != new.fingerprint:
                counts[cohort] = checkpoint.change_key(connection, old, new, cohort, head, program.clock()).link
    rekey.change_ledger_key(program.desk, old, new, program.clock(), by)
    former = ledger_key.former_file(file, old.fingerprint)
    _replace(file, waiting, former)
    return KeyRotation(file, new.fingerprint, old.fingerprint, former, counts)


def begin_again(program: "Program", by: str, approved_by: str) -> KeyRotation:
    """Begin each ledger again with a new key after the key was lost: rows are sealed as they are. Raises StoreError."""
    file = program.settings.status_db.ledger_key_file
    if not approved_by or approved_by == by:
        raise LedgerRefused(
            tr(
                "A new beginning seals rows without a check, so a second person approves it. Name that person: "
                "--approved-by NAME (and --as for yourself)."
            )
        )
    if file.exists():
        _refuse_known_key(program)
    new = ledger_key.read(file) or ledger_key.make(file)
    counts: dict[str, int] = {}
    for cohort in _cohorts(program):
        with writing(program.writing, cohort) as connection:
            head = newest_head(connection, cohort)
            if head is not None and head.words.get(KEY) != new.fingerprint:
                at = program.clock()
                counts[cohort] = checkpoint.begin_again(connection, new, cohort, head, at, approved_by).link
    rekey.begin_again(program.desk, new, program.clock(), by, approved_by)
    return KeyRotation(file, new.fingerprint, "", None, counts)


def rotate_desk_key(program: "Program", by: str) -> KeyRotation:
    """Replace the desk's key: second factors are sealed again, keyed hashes are removed. Raises StoreError."""
    file = program.settings.portal.key_file
    before = DeskKey(file)
    old_key = before.existing("audit chain")
    if old_key is None:
        raise keys.KeyRefused(tr("The desk's key {file} is missing. There is nothing to replace.", file=file))
    waiting = ledger_key.next_file(file)
    after = DeskKey(waiting)
    old, new = Seals(old_key), Seals(after.of("audit chain"))
    counts = rekey.change_desk_key(
        program.desk_store, old, new, program.clock(), by, lambda sealed: totp.sealed_again(before, after, sealed)
    )
    former = ledger_key.former_file(file, old.fingerprint)
    _replace(file, waiting, former)
    return KeyRotation(file, new.fingerprint, old.fingerprint, former, counts or {})


def _replace(file: Path, new: Path, former: Path) -> None:
    """Keep the file of before under its fingerprint, and put the new one in its place."""
    if not former.exists():
        os.link(file, former)
    new.replace(file)
    flush(file.parent)


def _cohorts(program: "Program") -> list[str]:
    """Return the cohorts that have a ledger, those that the settings no longer have included."""
    with reading(program.writing) as connection:
        return list(connection.execute(select(tables.ledger.c.cohort).distinct()).scalars())


def _refuse_unsound(program: "Program") -> None:
    known = [program.of_cohort(key) for key in program.settings.cohort_keys()]
    if not (all(one.verified({}).sound for one in known) and program.desk_verified({}).sound):
        raise LedgerRefused(
            tr(
                "`clearance verify` finds rows that were altered, and a new key would hide that. Restore a backup that "
                "verifies, then run this again."
            )
        )


def _refuse_known_key(program: "Program") -> None:
    """Raise LedgerRefused where the key in the file is the ledger's: it is not lost."""
    for cohort in _cohorts(program):
        with reading(program.writing) as connection:
            head = newest_head(connection, cohort)
            named = head.words.get(KEY) if head is not None else None
        try:
            with reading(program.writing) as connection:
                program.of_cohort(cohort).ledger.seals(connection)
        except LedgerRefused:
            continue
        if not (named and _has_beginning(program, cohort)):
            raise LedgerRefused(
                tr("The ledger's key is here, so it is not lost. To replace it, run: clearance keys rotate")
            )


def _has_beginning(program: "Program", cohort: str) -> bool:
    table = tables.ledger
    with reading(program.writing) as connection:
        query = select(table.c.link).where(table.c.cohort == cohort, table.c.kind == "beginning")
        return connection.execute(query.limit(1)).first() is not None
