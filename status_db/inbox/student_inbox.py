"""All that a student's own page shows of requests, announcements and appeals, in one read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from status_db.inbox.announcements import Announcement, Announcements
from status_db.inbox.appeal_rows import Appeal
from status_db.inbox.appeals import Appeals
from status_db.inbox.requests import Request, Requests
from status_db.store.engine import one_read


@dataclass(frozen=True, slots=True)
class StudentInbox:
    """One student's part of the desk's database."""

    #: The announcements to the cohort that are shown now, of every scope.
    announced: tuple[Announcement, ...]
    last_recheck: Request | None
    appeals: tuple[Appeal, ...]


@dataclass(frozen=True, slots=True)
class StudentInboxes:
    """Reads the part of a student. The readers use the same `engine`. Raises StoreError."""

    engine: Engine
    announcements: Announcements
    requests: Requests
    appeals: Appeals

    def of(self, cohort: str, student: str, now: datetime) -> StudentInbox:
        """Return a student's part at `now`."""
        with one_read(self.engine):
            return StudentInbox(
                self.announcements.effective(cohort, now),
                self.requests.last_recheck(cohort, student),
                self.appeals.of_student(cohort, student),
            )
