"""The applied settings: their meaning when a settings run was last applied, stored beside the marks.

A process with settings of another meaning can show what is stored; it must not review, issue or apply an answer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from config.meaning import Meaning, meaning_of
from config.settings import Settings
from foundation.refusals import Refused
from foundation.translation import N_
from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.chain import PendingLink
from status_db.model import ROSTER


class SettingsDifferCode(StrEnum):
    """The state of the change."""

    #: No run has proposed the change yet.
    NOT_APPLIED = "not_applied"
    #: The change waits for approval.
    WAITS = "waits"


class SettingsDiffer(Refused[SettingsDifferCode]):
    """The settings of this process are not the applied ones; the text ends with the fix."""


@dataclass(frozen=True, slots=True)
class AppliedSettings:
    """One cohort's settings as applied."""

    meaning: Meaning
    digest: bytes
    #: The run that applied them; None for those that the cohort began with.
    run: int | None
    at: datetime


def read(connection: Connection, cohort: str) -> AppliedSettings | None:
    """Return the settings as applied; None for a cohort for which none have been recorded."""
    table = tables.applied_settings
    row = connection.execute(select(table).where(table.c.cohort == cohort)).one_or_none()
    return _applied(row) if row is not None else None


def digest(connection: Connection, cohort: str) -> bytes | None:
    """Return the digest of the settings as applied; None where none have been recorded."""
    table = tables.applied_settings
    return connection.execute(select(table.c.digest).where(table.c.cohort == cohort)).scalar()


#: The refusal of a review or an issue by a process with other settings.
DIFFER = N_(
    "the settings of this process are not the ones that are applied, and nothing is reviewed or "
    "issued until they are. See the change with `clearance plan` and apply it with `clearance "
    "sync`, or restart this process with the settings file that was applied."
)


def same(connection: Connection, settings: Settings, cohort: str) -> bool:
    """Return, inside a transaction that reviews or issues, whether these settings are the applied ones."""
    return digest(connection, cohort) == meaning_of(settings.of_cohort(cohort)).digest


def write(
    connection: Connection, entry: PendingLink, cohort: str, meaning: Meaning, now: datetime, run: int | None
) -> None:
    """Record what the settings mean from now on, sealed, and add it to the link."""
    table = tables.applied_settings
    values = (cohort, meaning.digest, meaning.to_text(), run, now)
    row = dict(zip(raw_rows.APPLIED, values, strict=True)) | {"mac": entry.seal_applied(values)}
    news = {column: value for column, value in row.items() if column != "cohort"}
    known = connection.execute(update(table).where(table.c.cohort == cohort).values(**news))
    if not known.rowcount:
        connection.execute(insert(table).values(**row))


def note_source(
    connection: Connection, entry: PendingLink, cohort: str, name: str, own: Meaning, now: datetime
) -> None:
    """Record that an answer of a source, or the roster, was applied with its meaning in `own`, if not yet recorded."""
    before = read(connection, cohort)
    if before is None:
        return
    source = own.sources.get(name)
    after = before.meaning.with_roster(own.roster) if name == ROSTER else before.meaning
    after = after.with_source(name, source) if source is not None else after
    if after.digest != before.digest:
        write(connection, entry, cohort, after, now, before.run)


def _applied(row: Row[Any]) -> AppliedSettings:
    return AppliedSettings(Meaning.from_text(row.meaning), row.digest, row.run, row.at)
