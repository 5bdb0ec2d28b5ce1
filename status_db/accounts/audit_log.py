"""The audit log: who did what on the pages and the command line, and when. Lines are added and never changed.
Only retention removes lines, the oldest first, after their retention period.

Administrators and auditors read it. A line names the student that was read or decided on. It contains no password, no
token and no number of an identity document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, select

from status_db import tables
from status_db.desk import store
from status_db.desk.store import DeskStore
from status_db.store.engine import reading


class AuditEvent(StrEnum):
    """The events that the audit log records."""

    #: All existing rows were sealed for the first time.
    SEALED = "sealed"

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    PASSWORD_SET = "password_set"  # noqa: S105 - the name of an event
    CODES_MADE = "codes_made"
    SECOND_FACTOR_SET = "second_factor_set"
    SECOND_FACTOR_REMOVED = "second_factor_removed"
    #: An administrator removed all second factors.
    SECOND_FACTOR_RESET = "second_factor_reset"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"
    SAW_STUDENT = "saw_student"
    SAW_LIST = "saw_list"
    EXPORTED = "exported"
    ASKED_RECHECK = "asked_recheck"
    MADE_SLIP = "made_slip"
    PRINTED_SHEETS = "printed_sheets"
    ENTERED_PAPER = "entered_paper"
    PAPER_TAKEN_BACK = "paper_taken_back"
    SPOKE_ON_RUN = "spoke_on_run"
    REVERTED_RUN = "reverted_run"
    ASKED_SYNC = "asked_sync"
    SOURCE_PAUSED = "source_paused"
    SOURCE_RESUMED = "source_resumed"
    DECIDED = "decided"
    DECISION_WITHDRAWN = "decision_withdrawn"
    REVIEWED = "reviewed"
    REVIEW_WITHDRAWN = "review_withdrawn"
    ACCOUNT_MADE = "account_made"
    ACCOUNT_CHANGED = "account_changed"
    GRANTED = "granted"
    GRANT_TAKEN = "grant_taken"
    #: A change waits for a second administrator; it was withdrawn or refused.
    SECOND_ASKED = "second_asked"
    SECOND_REFUSED = "second_refused"
    RENUMBERED = "renumbered"
    HANDED_OVER = "handed_over"
    ANNOUNCED = "announced"
    ANNOUNCEMENT_WITHDRAWN = "announcement_withdrawn"
    CLASS_REVIEWED = "morning_held"
    ISSUED = "issued"
    CERTIFICATE_HANDED_OVER = "certificate_handed_over"
    REVOKED = "revoked"
    BROUGHT_SHEET = "brought_sheet"
    CONFIRMED_LIST = "confirmed_list"
    IMPORTED = "imported"
    IMPORT_UNDONE = "import_undone"
    TOKEN_MADE = "token_made"  # noqa: S105 - the name of an event
    TOKEN_WITHDRAWN = "token_withdrawn"  # noqa: S105 - the name of an event
    APPEAL_RAISED = "objected"
    APPEAL_WITHDRAWN = "objection_withdrawn"
    APPEAL_ANSWERED = "objection_answered"
    SENT_BACK = "sent_back"
    SENT_REMINDER = "sent_reminder"
    #: A notification was delivered, or given up.
    NOTIFIED = "notified"
    NOT_NOTIFIED = "not_notified"
    ADDRESSES_CHANGED = "addresses_changed"


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit log."""

    line: int
    at: datetime
    #: Empty if no account was signed in.
    account: str
    event: AuditEvent
    cohort: str | None
    student: str | None
    run: int | None
    detail: Mapping[str, Any]
    address: str


class Audit:
    """Adds and reads lines. For reads, an engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def note(
        self,
        event: AuditEvent,
        *,
        account: str,
        now: datetime,
        cohort: str | None = None,
        student: str | None = None,
        run: int | None = None,
        address: str = "",
        **detail: str | int | list[str],
    ) -> None:
        """Add a line; it is durable when this returns."""
        with self._desk.writing() as entry:
            entry.note(
                event, account=account, now=now, cohort=cohort, student=student, run=run, address=address, detail=detail
            )

    def newest(
        self,
        limit: int = 100,
        *,
        before: int | None = None,
        account: str | None = None,
        event: AuditEvent | None = None,
        student: str | None = None,
    ) -> tuple[AuditLine, ...]:
        """Return lines, the newest first; filtered by line number, account, event and student."""
        table = tables.audit
        query = select(table).order_by(table.c.line.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.line < before)
        for column, value in ((table.c.account, account), (table.c.event, event), (table.c.student, student)):
            if value is not None:
                query = query.where(column == value)
        with reading(self._desk.engine) as connection:
            return tuple(_audit_line(row) for row in connection.execute(query))


def _audit_line(row: Row[Any]) -> AuditLine:
    return AuditLine(
        row.line, row.at, row.account, AuditEvent(row.event), row.cohort, row.student, row.run, row.detail, row.address
    )
