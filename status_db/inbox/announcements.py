"""Announcements to students, at the top of their page or on the card of one step. Withdrawn, never deleted.

These queries return all active announcements; the page checks whether a student is in an announcement's scope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Engine, Row, Select, bindparam, insert, or_, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.accounts.accounts import SCOPE_COLUMNS
from status_db.desk import store
from status_db.desk.seals import ANNOUNCEMENT
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: In characters, in each language.
LONGEST_TITLE = 200
LONGEST_BODY = 4_000


class AnnouncementCode(StrEnum):
    """Why an announcement is refused."""

    #: The title is missing.
    NO_TITLE = "no_title"
    #: The title or the text is too long.
    TOO_LONG = "too_long"
    #: The end is before the beginning.
    ENDS_FIRST = "ends_first"
    #: The scope names a column that it cannot have, or no values.
    SCOPE = "scope"
    #: The announcement does not exist, or was withdrawn.
    GONE = "gone"


class AnnouncementRefused(Refused[AnnouncementCode]):
    """An announcement that is refused, or cannot be withdrawn; the text has the reason and the fix."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement to students."""

    announcement: int
    title: str
    body: str
    author: str
    at: datetime
    opens: datetime
    #: None for no end.
    closes: datetime | None = None
    #: None for every cohort.
    cohort: str | None = None
    #: The step on whose card it is shown; None for the top of the page.
    step: str | None = None
    #: Roster column → values of its readers; empty for all students.
    scope: Mapping[str, Sequence[str]] = field(default_factory=dict)
    title_en: str = ""
    body_en: str = ""
    #: The contact for questions.
    contact: str = ""
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""

    def is_active(self, now: datetime) -> bool:
        """Return whether it is shown at `now`: begun, not ended, not withdrawn."""
        return self.withdrawn_at is None and self.opens <= now and (self.closes is None or now < self.closes)


class Announcements:
    """Makes, withdraws and reads announcements. For reads, an engine of `open_reading` is enough.

    Raises StoreError.
    """

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def announce(
        self,
        title: str,
        body: str,
        *,
        author: str,
        now: datetime,
        cohort: str | None = None,
        step: str | None = None,
        scope: Mapping[str, Sequence[str]] | None = None,
        title_en: str = "",
        body_en: str = "",
        contact: str = "",
        opens: datetime | None = None,
        closes: datetime | None = None,
    ) -> Announcement:
        """Make an announcement and return it: at the top of the page or on a step's card; by default from now on.

        Raises AnnouncementRefused if it has no title, is too long, ends before it begins, or its scope is invalid.
        """
        values: dict[str, Any] = {
            "cohort": cohort,
            "step": step,
            "scope": {column: list(wanted) for column, wanted in (scope or {}).items()},
            "title": title.strip(),
            "title_en": title_en.strip(),
            "body": body.strip(),
            "body_en": body_en.strip(),
            "contact": contact.strip(),
            "opens": opens or now,
            "closes": closes,
            "author": author[:100],
            "at": now,
        }
        _refuse_nonsense(values, scope or {})
        table = tables.announcement
        with self._desk.writing() as entry:
            row = entry.connection.execute(insert(table).values(**values).returning(table)).one()
            entry.added(ANNOUNCEMENT, row.announcement)
        return _announcement(row)

    def withdraw(self, announcement: int, *, author: str, now: datetime) -> Announcement:
        """Withdraw an announcement and return it. Raises AnnouncementRefused if there is none or it is withdrawn."""
        table = tables.announcement
        this = table.c.announcement == announcement
        with self._desk.writing() as entry, entry.changing(ANNOUNCEMENT, this):
            row = entry.connection.execute(
                update(table)
                .where(this, table.c.withdrawn_at.is_(None))
                .values(withdrawn_at=now, withdrawn_by=author[:100])
                .returning(table)
            ).one_or_none()
        if row is None:
            raise AnnouncementRefused(
                AnnouncementCode.GONE,
                tr(
                    "there is no announcement {announcement} to withdraw. Check the list again.",
                    announcement=announcement,
                ),
            )
        return _announcement(row)

    def effective(self, cohort: str, now: datetime) -> tuple[Announcement, ...]:
        """Return the announcements shown to a cohort at `now`, the newest first, of every scope."""
        with reading(self._desk.engine) as connection:
            return tuple(map(_announcement, connection.execute(_EFFECTIVE, {"cohort": cohort, "now": now})))

    def listed(self, cohort: str) -> tuple[Announcement, ...]:
        """Return the announcements of a cohort and of every cohort, also withdrawn ones, the newest first."""
        return self._select(_in_cohort(cohort))

    def _select(self, *conditions: ColumnElement[bool]) -> tuple[Announcement, ...]:
        table = tables.announcement
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).where(*conditions).order_by(table.c.announcement.desc()))
            return tuple(_announcement(row) for row in rows)


def _in_cohort(cohort: str | BindParameter[str]) -> ColumnElement[bool]:
    column = tables.announcement.c.cohort
    return or_(column.is_(None), column == cohort)


def _effective() -> Select[Any]:
    table, now = tables.announcement, bindparam("now", type_=tables.announcement.c.opens.type)
    ended = or_(table.c.closes.is_(None), table.c.closes > now)
    shown = (_in_cohort(bindparam("cohort")), table.c.withdrawn_at.is_(None), table.c.opens <= now, ended)
    return select(table).where(*shown).order_by(table.c.announcement.desc())


# Built once, because every page of a student asks it.
_EFFECTIVE = _effective()


def _refuse_nonsense(values: Mapping[str, Any], scope: Mapping[str, Sequence[str]]) -> None:
    if not values["title"]:
        raise AnnouncementRefused(AnnouncementCode.NO_TITLE, tr("an announcement needs a title. Write one."))
    for name in ("title", "title_en", "contact"):
        if len(values[name]) > LONGEST_TITLE:
            raise AnnouncementRefused(
                AnnouncementCode.TOO_LONG,
                tr(
                    "its {name} is longer than {most} characters. Make it shorter.",
                    name=name,
                    most=LONGEST_TITLE,
                ),
            )
    for name in ("body", "body_en"):
        if len(values[name]) > LONGEST_BODY:
            raise AnnouncementRefused(
                AnnouncementCode.TOO_LONG,
                tr(
                    "its {name} is longer than {most:,} characters. Make it shorter.",
                    name=name,
                    most=LONGEST_BODY,
                ),
            )
    if values["closes"] is not None and values["closes"] <= values["opens"]:
        raise AnnouncementRefused(
            AnnouncementCode.ENDS_FIRST, tr("it would end before it begins. Correct one of the two times.")
        )
    for column, wanted in scope.items():
        if column not in SCOPE_COLUMNS:
            raise AnnouncementRefused(
                AnnouncementCode.SCOPE,
                tr(
                    'a scope cannot name "{column}". Use one of: {columns}',
                    column=column,
                    columns=", ".join(SCOPE_COLUMNS),
                ),
            )
        if isinstance(wanted, str) or not wanted:
            raise AnnouncementRefused(
                AnnouncementCode.SCOPE,
                tr("the scope's {column} lists no values. Give at least one, or leave it out.", column=column),
            )


def _announcement(row: Row[Any]) -> Announcement:
    return Announcement(
        announcement=row.announcement,
        title=row.title,
        body=row.body,
        author=row.author,
        at=row.at,
        opens=row.opens,
        closes=row.closes,
        cohort=row.cohort,
        step=row.step,
        scope={column: tuple(values) for column, values in row.scope.items()},
        title_en=row.title_en,
        body_en=row.body_en,
        contact=row.contact,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by or "",
    )
