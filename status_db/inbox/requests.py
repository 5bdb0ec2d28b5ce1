"""Requests that people make on the pages. The pages do not write marks; the scheduler carries the requests out.

A request contains its author, its time and, later, its outcome. The caller checks whether the author is allowed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, bindparam, func, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import REQUEST
from status_db.desk.store import DeskEntry, DeskStore
from status_db.inbox.wake_ups import announce
from status_db.model import VoteKind
from status_db.store.engine import reading


class RequestKind(StrEnum):
    """The kind of request."""

    #: Read the sources about one student.
    RECHECK = "recheck"
    #: Record a vote on a suspended run, and carry it out.
    VOTE = "opinion"
    #: Read every source again.
    ASK = "ask"
    #: Read one source again.
    SYNC = "sync"
    #: Use an uploaded sheet as a source's own list.
    LIST = "list"
    #: Plan the revert of an approved run.
    WAY_BACK = "way_back"
    #: Revert the run, if that changes exactly the plan.
    REVERT = "revert"


class RequestOutcome(StrEnum):
    """The outcome of a request."""

    DONE = "done"
    #: It is not possible: the message has the reason.
    REFUSED = "refused"
    #: A source did not respond, or an error occurred: the message has the error and the fix.
    FAILED = "failed"


class RequestCode(StrEnum):
    """Why a request is refused now."""

    #: The same request waits or is being carried out.
    UNDER_WAY = "under_way"
    #: The last request was too recent.
    TOO_SOON = "too_soon"
    #: The daily limit is reached.
    TOO_OFTEN = "too_often"
    #: The uploaded list is already confirmed.
    CONFIRMED = "confirmed"


class RequestRefused(Refused[RequestCode]):
    """A request that is refused now; `wait` is the time until it is possible."""

    def __init__(self, code: RequestCode, text: str, wait: timedelta) -> None:
        super().__init__(code, text)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Request:
    """A request and its outcome."""

    request: int
    cohort: str
    kind: RequestKind
    student: str | None
    run: int | None
    vote: VoteKind | None
    digest: bytes | None
    reason: str
    #: Of a list: its upload.
    upload: int | None
    #: Of a sync; of a recheck: the one source that is asked, or None for each source of the student's steps.
    source: str | None
    account: str
    at: datetime
    #: None while it waits.
    served_at: datetime | None
    outcome: RequestOutcome | None
    message: str
    #: The result as JSON: the plan of a revert, or the run of one.
    found: dict[str, Any] | None
    #: Its seal is wrong: another program wrote or changed it.
    altered: bool = False


class Requests:
    """Adds requests and reads them. For reads, an engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def ask_recheck(
        self, cohort: str, student: str, *, account: str, now: datetime, pause: timedelta, day_limit: int
    ) -> None:
        """Request a recheck of one student.

        Raises RequestRefused while one waits, until `pause` after the last one, and after `day_limit` in 24 hours.
        """
        table = tables.request
        mine = _rechecks_of(cohort, student)
        with self._desk.writing() as entry:
            connection = entry.connection
            times = connection.execute(
                select(table.c.at, table.c.served_at)
                .where(*mine, table.c.at > now - timedelta(days=1))
                .order_by(table.c.request.desc())
            ).all()
            if times and times[0].served_at is None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, tr("a recheck is already running. Wait for its end."), timedelta(seconds=5)
                )
            if times and now - times[0].at < pause:
                raise RequestRefused(
                    RequestCode.TOO_SOON,
                    tr("the last recheck was a moment ago. Try again later."),
                    times[0].at + pause - now,
                )
            if len(times) >= day_limit:
                raise RequestRefused(
                    RequestCode.TOO_OFTEN,
                    tr("the daily limit of rechecks is reached. Try again tomorrow."),
                    times[-1].at + timedelta(days=1) - now,
                )
            _add(entry, cohort=cohort, kind=RequestKind.RECHECK, student=student, account=account, at=now)

    def ask_source_about(
        self, cohort: str, student: str, source: str, *, account: str, now: datetime, pause: timedelta
    ) -> tuple[int, bool]:
        """Request that one source be asked about one student; return the request's number, and whether it is new.

        While the same request waits, that one is returned. Once it has begun, the office may have been asked before
        what happens now, so there is another one. Raises RequestRefused until `pause` after the last one.
        """
        table = tables.request
        same = (*_rechecks_of(cohort, student, source), table.c.at > now - timedelta(days=1))
        with self._desk.writing() as entry:
            last = entry.connection.execute(
                select(table.c.request, table.c.at, table.c.begun_at, table.c.served_at)
                .where(*same)
                .order_by(table.c.request.desc())
                .limit(1)
            ).first()
            if last is not None and last.begun_at is None and last.served_at is None:
                return last.request, False
            if last is not None and now - last.at < pause:
                raise RequestRefused(
                    RequestCode.TOO_SOON,
                    tr("the last recheck was a moment ago. Try again later."),
                    last.at + pause - now,
                )
            wanted = {"cohort": cohort, "kind": RequestKind.RECHECK, "student": student, "source": source}
            return _add(entry, **wanted, account=account, at=now), True

    def ask_vote(
        self, cohort: str, run: int, vote: VoteKind, digest: bytes, *, account: str, reason: str = "", now: datetime
    ) -> None:
        """Vote on the plan with this digest of a suspended run. Raises RequestRefused while the same vote waits."""
        table = tables.request
        same = (
            table.c.cohort == cohort,
            table.c.kind == RequestKind.VOTE,
            table.c.run == run,
            table.c.account == account,
        )
        values = {"cohort": cohort, "kind": RequestKind.VOTE, "run": run, "says": vote, "digest": digest}
        self._add_unless_waiting(same, **values, reason=reason, account=account, at=now)

    def ask_sources(self, cohort: str, *, account: str, now: datetime, pause: timedelta) -> None:
        """Request a sync of every source. Raises RequestRefused while one waits, and until `pause` after the last."""
        table = tables.request
        same = (table.c.cohort == cohort, table.c.kind == RequestKind.ASK)
        with self._desk.writing() as entry:
            connection = entry.connection
            last = connection.execute(
                select(table.c.at, table.c.served_at).where(*same).order_by(table.c.request.desc()).limit(1)
            ).first()
            if last is not None and last.served_at is None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, tr("a sync is already running. Wait for its end."), timedelta(seconds=5)
                )
            if last is not None and now - last.at < pause:
                raise RequestRefused(
                    RequestCode.TOO_SOON, tr("the last sync was a moment ago. Try again later."), last.at + pause - now
                )
            _add(entry, cohort=cohort, kind=RequestKind.ASK, account=account, at=now)

    def ask_sync(self, cohort: str, source: str, *, account: str, now: datetime) -> None:
        """Request a sync of one source. Raises RequestRefused while one waits or is being carried out."""
        same = self._syncs_of(cohort, source)
        self._add_unless_waiting(same, cohort=cohort, kind=RequestKind.SYNC, source=source, account=account, at=now)

    def last_syncs(self, cohort: str, since: datetime) -> dict[str, Request]:
        """Return source → the newest request for a sync of it, among those since a moment."""
        table = tables.request
        of_kind = (table.c.cohort == cohort, table.c.kind == RequestKind.SYNC, table.c.at >= since)
        return {found.source: found for found in self._select(*of_kind) if found.source is not None}

    def _syncs_of(self, cohort: str, source: str) -> tuple[ColumnElement[bool], ...]:
        table = tables.request
        return (table.c.cohort == cohort, table.c.kind == RequestKind.SYNC, table.c.source == source)

    def queue(self, now: datetime) -> tuple[int, timedelta]:
        """Return how many requests of all cohorts wait, and how long the oldest has waited."""
        table = tables.request
        with reading(self._desk.engine) as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(table.c.at)).where(table.c.served_at.is_(None))
            ).one()
        return count, now - oldest if oldest is not None else timedelta(0)

    def ask_list(self, cohort: str, upload: int, *, account: str, now: datetime) -> None:
        """Request that a sheet be used as a source's list. Raises RequestRefused if that was requested before."""
        table = tables.request
        with self._desk.writing() as entry:
            connection = entry.connection
            same = select(table.c.request).where(table.c.kind == RequestKind.LIST, table.c.upload == upload)
            if connection.execute(same).first() is not None:
                raise RequestRefused(
                    RequestCode.CONFIRMED,
                    tr("this sheet is already confirmed. Wait for the import to end."),
                    timedelta(seconds=5),
                )
            _add(entry, cohort=cohort, kind=RequestKind.LIST, upload=upload, account=account, at=now)

    def ask_way_back(self, cohort: str, run: int, *, account: str, now: datetime) -> None:
        """Request the plan of a revert. Raises RequestRefused while that or the revert is running."""
        self._ask_about_run(cohort, run, kind=RequestKind.WAY_BACK, account=account, at=now)

    def ask_revert(self, cohort: str, run: int, digest: bytes, *, account: str, reason: str, now: datetime) -> None:
        """Request the revert of a run by the plan with this digest. Raises RequestRefused as `ask_way_back` does."""
        self._ask_about_run(cohort, run, kind=RequestKind.REVERT, digest=digest, account=account, reason=reason, at=now)

    def _ask_about_run(self, cohort: str, run: int, **values: Any) -> None:  # noqa: ANN401 - columns by name
        table = tables.request
        same = (
            table.c.cohort == cohort,
            table.c.run == run,
            table.c.kind.in_((RequestKind.WAY_BACK, RequestKind.REVERT)),
        )
        self._add_unless_waiting(same, cohort=cohort, run=run, **values)

    def _add_unless_waiting(self, same: Sequence[ColumnElement[bool]], **values: Any) -> None:  # noqa: ANN401 - as above
        """Add a request. Raises RequestRefused while one that fulfils `same` waits."""
        table = tables.request
        with self._desk.writing() as entry:
            connection = entry.connection
            waiting = connection.execute(select(table.c.request).where(*same, table.c.served_at.is_(None))).first()
            if waiting is not None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY,
                    tr("the same request is already running. Wait for its end."),
                    timedelta(seconds=5),
                )
            _add(entry, **values)

    def last_ask(self, cohort: str) -> Request | None:
        """Return the newest request for a sync of every source."""
        table = tables.request
        found = self._select(table.c.cohort == cohort, table.c.kind == RequestKind.ASK)
        return found[-1] if found else None

    def about_upload(self, cohort: str, upload: int) -> Request | None:
        """Return the request to use a sheet as a source's list."""
        table = tables.request
        found = self._select(table.c.cohort == cohort, table.c.kind == RequestKind.LIST, table.c.upload == upload)
        return found[-1] if found else None

    def waiting(self, cohort: str, kinds: Collection[RequestKind] = frozenset(RequestKind)) -> tuple[Request, ...]:
        """Return the waiting requests of these kinds, the oldest first; `altered` is set if a seal is wrong."""
        table = tables.request
        return self._select(table.c.cohort == cohort, table.c.kind.in_(sorted(kinds)), table.c.served_at.is_(None))

    def kinds_waiting(self, cohorts: Collection[str]) -> frozenset[RequestKind]:
        """Return the kinds of the waiting requests of these cohorts."""
        table = tables.request
        waits = (table.c.cohort.in_(sorted(cohorts)), table.c.served_at.is_(None))
        with reading(self._desk.engine) as connection:
            kinds = connection.execute(select(table.c.kind).where(*waits).distinct()).scalars()
            return frozenset(map(RequestKind, kinds))

    def begin(self, request: int, now: datetime) -> None:
        """Record that the sync begins to carry out a request."""
        table = tables.request
        with self._desk.writing() as entry:
            entry.connection.execute(update(table).where(table.c.request == request).values(begun_at=now))

    def served(
        self, request: int, outcome: RequestOutcome, message: str, now: datetime, found: dict[str, Any] | None = None
    ) -> None:
        """Record a request's outcome and result."""
        table = tables.request
        with self._desk.writing() as entry:
            connection = entry.connection
            connection.execute(
                update(table)
                .where(table.c.request == request, table.c.served_at.is_(None))
                .values(served_at=now, outcome=outcome, message=message, found=found)
            )

    def last_recheck(self, cohort: str, student: str) -> Request | None:
        """Return the newest recheck of a student that a person requested."""
        with reading(self._desk.engine) as connection:
            row = connection.execute(_LAST_RECHECK, {"cohort": cohort, "student": student}).one_or_none()
        return self._request(row) if row is not None else None

    def about_run(self, cohort: str, run: int, *kinds: RequestKind) -> tuple[Request, ...]:
        """Return the requests of these kinds about a run, the oldest first; the votes if no kind is given."""
        table = tables.request
        of_kinds = table.c.kind.in_(kinds or (RequestKind.VOTE,))
        return self._select(table.c.cohort == cohort, table.c.run == run, of_kinds)

    def _select(self, *conditions: ColumnElement[bool]) -> tuple[Request, ...]:
        table = tables.request
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).where(*conditions).order_by(table.c.request)).all()
        return tuple(map(self._request, rows))

    def _request(self, row: Row[Any]) -> Request:
        return _request(row, altered=not self._desk.vouches(REQUEST, row))


# Built once, because every page of a student asks it.
_LAST_RECHECK = (
    select(tables.request)
    .where(
        tables.request.c.cohort == bindparam("cohort"),
        tables.request.c.kind == RequestKind.RECHECK,
        tables.request.c.student == bindparam("student"),
        tables.request.c.source.is_(None),
    )
    .order_by(tables.request.c.request.desc())
    .limit(1)
)


def _rechecks_of(cohort: str, student: str, source: str | None = None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on the rechecks of a student: of one source, or those that people request."""
    table = tables.request
    return (
        table.c.cohort == cohort,
        table.c.kind == RequestKind.RECHECK,
        table.c.student == student,
        table.c.source.is_(None) if source is None else table.c.source == source,
    )


def _add(entry: DeskEntry, **values: Any) -> int:  # noqa: ANN401 - columns by name
    table = tables.request
    number: int = entry.connection.execute(insert(table).values(**values).returning(table.c.request)).scalar_one()
    entry.added(REQUEST, number)
    announce(entry.connection)
    return number


def _request(row: Row[Any], *, altered: bool) -> Request:
    return Request(
        request=row.request,
        cohort=row.cohort,
        kind=RequestKind(row.kind),
        student=row.student,
        run=row.run,
        vote=VoteKind(row.says) if row.says else None,
        digest=row.digest,
        reason=row.reason,
        upload=row.upload,
        source=row.source,
        account=row.account,
        at=row.at,
        served_at=row.served_at,
        outcome=RequestOutcome(row.outcome) if row.outcome else None,
        message=row.message,
        found=row.found,
        altered=altered,
    )
