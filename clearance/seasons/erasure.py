"""Erasing a cohort: what is checked before, the steps in their order, and the deletion record.

Each step can be repeated: after an interruption the same command finishes the erasure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearance.seasons import backups
from foundation.translation import tr
from foundation.version import program_version
from status_db.accounts.audit_log import AuditEvent
from status_db.backups.making import make
from status_db.backups.manifest import databases, source_of
from status_db.ledger.chain import newest_head
from status_db.ledger.ended import SeasonEnd, SeasonState
from status_db.seasons.ending import EndingCode, EndingRefused
from status_db.seasons.erasing import Erasing
from status_db.store.engine import reading

if TYPE_CHECKING:
    from clearance.services import Program


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure would do now."""

    cohort: str
    state: str
    #: From when on it is allowed; None where the settings never allow it.
    from_when: datetime | None
    #: Why it is refused now; empty where it is allowed.
    refused: str
    #: Table → rows that would be erased.
    rows: dict[str, int]
    backups_removed: tuple[Path, ...]
    backups_elsewhere: tuple[Path, ...]


class Erasure:
    """Erases the cohort of a program."""

    def __init__(self, program: "Program", folder: Path | None) -> None:
        """`folder`: the known folder of the backups; None for none."""
        self._program = program
        self._folder = folder
        self._erasing = Erasing(program.writing, program.desk_store, program.cohort)

    def plan(self, now: datetime) -> ErasurePlan:
        """Return what an erasure would do, without a change."""
        end = self._program.ending.current()
        refused = ""
        try:
            self._refuse(end, now)
        except EndingRefused as error:
            refused = str(error)
        known = backups.recorded(self._program.audit_reading)
        return ErasurePlan(
            self._program.cohort,
            end.state if end is not None else SeasonState.OPEN,
            self._allowed_from(end),
            refused,
            self._erasing.counts(),
            self._in_folder(now),
            backups.elsewhere(known, self._folder, now),
        )

    def _in_folder(self, before: datetime) -> tuple[Path, ...]:
        if self._folder is None:
            return ()
        source = source_of(databases(self._program.settings.status_db))
        return backups.inside(self._folder, before, source, backups.recorded(self._program.audit_reading))

    def carry_out(self, by: str, approved_by: str, step: Callable[[str], None] = lambda _name: None) -> dict[str, Any]:
        """Erase the cohort, and return the deletion record. Raises EndingRefused, StoreError, OSError.

        For a cohort that is erased already, return its record.
        """
        program, now = self._program, self._program.clock()
        end = program.ending.current()
        if end is not None and end.state is SeasonState.ERASED and end.erasure is not None:
            return end.erasure
        end = self._refuse(end, now)
        if end.erasure is None:
            end = self._begin(end, by, approved_by, now)
        record = dict(end.erasure or {})
        self._erasing.erase(now, step)
        step("space")
        self._erasing.overwrite()
        step("backups")
        record |= self._remove_backups(record["backups_in_folder"])
        record["ended_at"] = program.clock().isoformat()
        done = program.ending.end_erasing(program.clock(), record)
        program.audit.note(
            AuditEvent.COHORT_ERASED,
            account=record["by"],
            now=program.clock(),
            cohort=program.cohort,
            address="command line",
            approved_by=record["approved_by"],
            rows=sum(record["erased"].values()),
        )
        return done.erasure or record

    def _begin(self, end: SeasonEnd, by: str, approved_by: str, now: datetime) -> SeasonEnd:
        """Record what will be erased, and who approved it, before the first row is erased."""
        program = self._program
        if not approved_by or approved_by == by:
            raise EndingRefused(
                EndingCode.NOT_APPROVED,
                tr(
                    "An erasure cannot be undone, so a second person approves it. Name that person: "
                    "--approved-by NAME (and --as for yourself)."
                ),
            )
        with reading(program.reading) as connection:
            head = newest_head(connection, program.cohort)
        record = {
            "cohort": program.cohort,
            "by": by,
            "approved_by": approved_by,
            "closed_at": end.closed_at.isoformat(),
            "begun_at": now.isoformat(),
            "erased": self._erasing.counts(),
            "archive": end.archive,
            "backups_in_folder": [str(path) for path in self._in_folder(now)],
            "head": {"link": head.link, "mac": head.mac.hex()} if head is not None else None,
        }
        program.audit.note(
            AuditEvent.ERASURE_BEGUN,
            account=by,
            now=now,
            cohort=program.cohort,
            address="command line",
            approved_by=approved_by,
        )
        return program.ending.begin_erasing(now, by, record)

    def _remove_backups(self, planned: list[str]) -> dict[str, list[str]]:
        """Make a backup without the cohort, then remove the older ones in the known folder.

        A backup that was made while the rows were erased has some of them, so it is removed too.
        """
        program, now = self._program, self._program.clock()
        removed = [path for path in planned if not Path(path).exists()]
        if self._folder is not None and (found := self._in_folder(now)):
            status_db = program.settings.status_db
            made = make(
                databases(status_db),
                self._folder,
                now=now,
                program=program_version(),
                tools_folder=status_db.postgres_tools,
            )
            for backup in found:
                if backup != made.folder:
                    backups.remove(backup)
                    removed.append(str(backup))
        known = backups.elsewhere(backups.recorded(program.audit_reading), self._folder, now)
        return {"backups_removed": removed, "backups_elsewhere": [str(path) for path in known]}

    def _refuse(self, end: SeasonEnd | None, now: datetime) -> SeasonEnd:
        """Return the end of the cohort. Raises EndingRefused unless it may be erased now."""
        program = self._program
        if end is None or not end.ended:
            raise EndingRefused(
                EndingCode.NOT_CLOSED,
                tr("{cohort} is open. Close it first: clearance cohort close", cohort=program.cohort),
            )
        if end.erasure is not None:
            return end
        if end.archive is None or "verified_at" not in end.archive:
            raise EndingRefused(
                EndingCode.NOT_VERIFIED,
                tr(
                    "{cohort} has no verified archive. Make one with `clearance cohort archive`, then read it back: "
                    "clearance cohort archive --verify FILE --identity KEY",
                    cohort=program.cohort,
                ),
            )
        allowed = self._allowed_from(end)
        if allowed is None:
            raise EndingRefused(
                EndingCode.TOO_EARLY,
                tr('closed_cohorts in [retention] is "never". Set a duration, such as "365 d".'),
            )
        if now < allowed:
            raise EndingRefused(
                EndingCode.TOO_EARLY,
                tr(
                    "{cohort} is kept until {at:%Y-%m-%d}: closed_cohorts in [retention], from its end. Run this "
                    "again after that day.",
                    cohort=program.cohort,
                    at=allowed.astimezone(program.settings.institution.timezone),
                ),
            )
        return end

    def _allowed_from(self, end: SeasonEnd | None) -> datetime | None:
        kept: timedelta | None = self._program.settings.retention.closed_cohorts
        return end.closed_at + kept if end is not None and kept is not None else None
