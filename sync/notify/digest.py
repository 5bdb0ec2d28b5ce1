"""The morning digest of a class teacher: the students of the classes of their grants who have something to do."""

from datetime import datetime
from itertools import islice

from config.settings import Settings
from config.tables.notify import NotifyEvent
from foundation.translation import in_language, tr, tr_n
from status_db.accounts.accounts import Account, Accounts, Act
from status_db.accounts.authority import allowed
from status_db.effective.visible import Visibility
from status_db.effective_status import StepStatus
from status_db.model import State
from status_db.outbox.rows import Notice
from status_db.queries.lists import Filter, Lists, ListSelection
from sync.notify.channels.port import EventText
from sync.notify.wording import Wording

#: The most students that a digest names; the page has all of them.
_MOST = 200


def of_classes(account: Account, settings: Settings, cohort: str) -> Visibility | None:
    """Return what a class teacher reads of their classes; None for an account that reads more, or nothing.

    A grant to read for whole colleges does not make a class teacher.
    """
    own = [grant for grant in account.grants if "class" in grant.scope]
    steps = allowed(own, (Act.READ,), (step.key for step in settings.step), cohort)
    return Visibility(cohort, steps) if steps else None


class ClassDigests:
    """Makes the digests when they are sent, from what holds then."""

    def __init__(self, settings: Settings, accounts: Accounts, lists: Lists, wording: Wording) -> None:
        self._settings = settings
        self._accounts = accounts
        self._lists = lists
        self._wording = wording

    def teachers(self) -> list[str]:
        """Return the active accounts with a class in an open cohort."""
        open_cohorts = self._settings.open_cohorts()
        return [
            account.account
            for account in self._accounts.with_grants()
            if account.active and any(of_classes(account, self._settings, cohort) for cohort in open_cohorts)
        ]

    def text(self, notice: Notice, now: datetime) -> EventText | None:
        """Return the digest of an account; None when none of its students has anything to do."""
        account = self._accounts.find(notice.account or "")
        if account is None or not account.active:
            return None
        with in_language(self._wording.language):
            lines: list[str] = []
            total = 0
            for cohort in self._settings.open_cohorts():
                visibility = of_classes(account, self._settings, cohort)
                if visibility is None:
                    continue
                chosen = Filter(ListSelection.TO_DO)
                count = self._lists.count(visibility, chosen, now, 100_000)
                total += count
                rows = self._lists.leaf(visibility, chosen, now, _MOST).rows
                for row in islice(rows, _MOST - len(lines)):
                    steps = ", ".join(self._wording.step(one.step) for one in row.steps if _to_do(one, now))
                    lines.append(f"{row.class_name} {row.student} {row.name}: {steps}")
            if not total:
                return None
            if total > len(lines):
                lines.append(tr("… and {number} more: see the page.", number=total - len(lines)))
            title = tr_n(
                "{number} student of your classes has something to do",
                "{number} students of your classes have something to do",
                total,
            )
        link = self._wording.staff_link("/lists", None)
        return EventText(NotifyEvent.CLASS_DIGEST, notice.key, title, tuple(lines), link)


def _to_do(status: StepStatus, now: datetime) -> bool:
    at = status.at(now)
    return at.state in (State.HELD, State.NOT_DONE) or at.overtaken_by_debt
