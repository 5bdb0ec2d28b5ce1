"""Requests: what people ask for on the pages, which write no mark themselves. The scheduler serves them.

A request says who asked and when; whether they may ask is checked by the caller. How it ended stays beside it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, insert, select, update

from foundation.refusals import Refused
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import REQUEST
from status_db.desk.store import DeskEntry, DeskStore
from status_db.model import VoteKind
from status_db.store.engine import reading


class RequestKind(StrEnum):
    """What can be asked for."""

    #: That the sources be asked about one student.
    RECHECK = "recheck"
    #: That a vote on a suspended run be recorded and carried out.
    VOTE = "opinion"
    #: That every source be asked anew.
    ASK = "ask"
    #: That a sheet which was brought be taken as a source's own list.
    LIST = "list"
    #: What taking an approved run back would change.
    WAY_BACK = "way_back"
    #: That it be taken back, if that would change just this.
    REVERT = "revert"


class RequestOutcome(StrEnum):
    """How a request ended."""

    DONE = "done"
    #: It could not be so: the message says why.
    REFUSED = "refused"
    #: A source did not answer, or something broke: the message says what, and the way out.
    FAILED = "failed"


class RequestCode(StrEnum):
    """Why a request is not taken now."""

    #: The same waits, or is being served.
    UNDER_WAY = "under_way"
    #: The last one was too short a time ago; there were as many as may be in a day.
    TOO_SOON = "too_soon"
    TOO_OFTEN = "too_often"
    #: The uploaded list was confirmed already.
    CONFIRMED = "confirmed"


class RequestRefused(Refused[RequestCode]):
    """A request that is not taken now; `wait` says how long until it would be."""

    def __init__(self, code: RequestCode, text: str, wait: timedelta) -> None:
        super().__init__(code, text)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked for, and how it ended."""

    request: int
    cohort: str
    kind: RequestKind
    student: str | None
    run: int | None
    says: VoteKind | None
    digest: bytes | None
    reason: str
    #: Of a list: the upload that holds it.
    upload: int | None
    account: str
    at: datetime
    #: None while it waits.
    served_at: datetime | None
    outcome: RequestOutcome | None
    message: str
    #: The result as JSON: the plan of a way back, or the run of a revert.
    found: dict[str, Any] | None
    #: It was not written by this program, or not so: nobody who may has asked for it.
    altered: bool = False


class Requests:
    """Takes requests and reads them. An engine of `open_reading` will do for what only reads. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def ask_recheck(
        self, cohort: str, student: str, *, account: str, now: datetime, pause: timedelta, day_limit: int
    ) -> None:
        """Ask that the sources be asked about a student.

        Raises RequestRefused while one waits, before `pause` has passed since the last, and after `day_limit` in 24 h.
        """
        table = tables.request
        mine = (table.c.cohort == cohort, table.c.kind == RequestKind.RECHECK, table.c.student == student)
        with self._desk.writing() as entry:
            connection = entry.connection
            times = connection.execute(
                select(table.c.at, table.c.served_at)
                .where(*mine, table.c.at > now - timedelta(days=1))
                .order_by(table.c.request.desc())
            ).all()
            if times and times[0].served_at is None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, "it is being asked already. Wait for the answer.", timedelta(seconds=5)
                )
            if times and now - times[0].at < pause:
                raise RequestRefused(
                    RequestCode.TOO_SOON, "it was asked a moment ago. Ask again later.", times[0].at + pause - now
                )
            if len(times) >= day_limit:
                raise RequestRefused(
                    RequestCode.TOO_OFTEN,
                    "it was asked often enough today. Ask again tomorrow.",
                    times[-1].at + timedelta(days=1) - now,
                )
            _add(entry, cohort=cohort, kind=RequestKind.RECHECK, student=student, account=account, at=now)

    def ask_vote(
        self, cohort: str, run: int, says: VoteKind, digest: bytes, *, account: str, reason: str = "", now: datetime
    ) -> None:
        """Vote on the plan with this digest of a suspended run. Raises RequestRefused while such a vote waits."""
        table = tables.request
        same = (
            table.c.cohort == cohort,
            table.c.kind == RequestKind.VOTE,
            table.c.run == run,
            table.c.account == account,
        )
        with self._desk.writing() as entry:
            connection = entry.connection
            waiting = connection.execute(select(table.c.request).where(*same, table.c.served_at.is_(None))).first()
            if waiting is not None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, "it is being carried out already. Wait for its end.", timedelta(seconds=5)
                )
            values = {"cohort": cohort, "kind": RequestKind.VOTE, "run": run, "says": says, "digest": digest}
            _add(entry, **values, reason=reason, account=account, at=now)

    def ask_sources(self, cohort: str, *, account: str, now: datetime, pause: timedelta) -> None:
        """Ask that every source be asked anew. Raises RequestRefused while that waits, and until `pause` has passed."""
        table = tables.request
        same = (table.c.cohort == cohort, table.c.kind == RequestKind.ASK)
        with self._desk.writing() as entry:
            connection = entry.connection
            last = connection.execute(
                select(table.c.at, table.c.served_at).where(*same).order_by(table.c.request.desc()).limit(1)
            ).first()
            if last is not None and last.served_at is None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, "they are being asked already. Wait for the answers.", timedelta(seconds=5)
                )
            if last is not None and now - last.at < pause:
                raise RequestRefused(
                    RequestCode.TOO_SOON, "they were asked a moment ago. Ask again later.", last.at + pause - now
                )
            _add(entry, cohort=cohort, kind=RequestKind.ASK, account=account, at=now)

    def ask_list(self, cohort: str, upload: int, *, account: str, now: datetime) -> None:
        """Ask that a sheet be taken as a source's list. Raises RequestRefused when that was asked of it already."""
        table = tables.request
        with self._desk.writing() as entry:
            connection = entry.connection
            same = select(table.c.request).where(table.c.kind == RequestKind.LIST, table.c.upload == upload)
            if connection.execute(same).first() is not None:
                raise RequestRefused(
                    RequestCode.CONFIRMED,
                    "this sheet has been confirmed already. Wait for its end.",
                    timedelta(seconds=5),
                )
            _add(entry, cohort=cohort, kind=RequestKind.LIST, upload=upload, account=account, at=now)

    def ask_way_back(self, cohort: str, run: int, *, account: str, now: datetime) -> None:
        """Ask what taking a run back would change. Raises RequestRefused while that, or the way back, is under way."""
        self._ask_about_run(cohort, run, kind=RequestKind.WAY_BACK, account=account, at=now)

    def ask_revert(self, cohort: str, run: int, digest: bytes, *, account: str, reason: str, now: datetime) -> None:
        """Ask that a run be taken back by the plan with this digest. Raises RequestRefused as `ask_way_back` does."""
        self._ask_about_run(cohort, run, kind=RequestKind.REVERT, digest=digest, account=account, reason=reason, at=now)

    def _ask_about_run(self, cohort: str, run: int, **values: Any) -> None:  # noqa: ANN401 - columns by name
        table = tables.request
        same = (
            table.c.cohort == cohort,
            table.c.run == run,
            table.c.kind.in_((RequestKind.WAY_BACK, RequestKind.REVERT)),
        )
        with self._desk.writing() as entry:
            connection = entry.connection
            waiting = connection.execute(select(table.c.request).where(*same, table.c.served_at.is_(None))).first()
            if waiting is not None:
                raise RequestRefused(
                    RequestCode.UNDER_WAY, "it is being carried out already. Wait for its end.", timedelta(seconds=5)
                )
            _add(entry, cohort=cohort, run=run, **values)

    def last_ask(self, cohort: str) -> Request | None:
        """Return the newest request that every source be asked."""
        table = tables.request
        found = self._read(table.c.cohort == cohort, table.c.kind == RequestKind.ASK)
        return found[-1] if found else None

    def about_upload(self, cohort: str, upload: int) -> Request | None:
        """Return the request to take a sheet as a source's list."""
        table = tables.request
        found = self._read(table.c.cohort == cohort, table.c.kind == RequestKind.LIST, table.c.upload == upload)
        return found[-1] if found else None

    def waiting(self, cohort: str) -> tuple[Request, ...]:
        """Return what nobody has served yet, the oldest first; an altered one says so."""
        return self._read(tables.request.c.cohort == cohort, tables.request.c.served_at.is_(None))

    def served(
        self, request: int, outcome: RequestOutcome, message: str, now: datetime, found: dict[str, Any] | None = None
    ) -> None:
        """Note how a request ended, and what it found."""
        table = tables.request
        with self._desk.writing() as entry:
            connection = entry.connection
            connection.execute(
                update(table)
                .where(table.c.request == request, table.c.served_at.is_(None))
                .values(served_at=now, outcome=outcome, message=message, found=found)
            )

    def last_recheck(self, cohort: str, student: str) -> Request | None:
        """Return the newest recheck that was asked for a student."""
        table = tables.request
        found = self._read(table.c.cohort == cohort, table.c.kind == RequestKind.RECHECK, table.c.student == student)
        return found[-1] if found else None

    def about_run(self, cohort: str, run: int, *kinds: RequestKind) -> tuple[Request, ...]:
        """Return the requests of these kinds about a run, the oldest first; the votes on it when none is named."""
        table = tables.request
        return self._read(table.c.cohort == cohort, table.c.run == run, table.c.kind.in_(kinds or (RequestKind.VOTE,)))

    def _read(self, *conditions: ColumnElement[bool]) -> tuple[Request, ...]:
        table = tables.request
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).where(*conditions).order_by(table.c.request)).all()
        return tuple(_request(row, altered=not self._desk.vouches(REQUEST, row)) for row in rows)


def _add(entry: DeskEntry, **values: Any) -> None:  # noqa: ANN401 - columns by name
    table = tables.request
    number = entry.connection.execute(insert(table).values(**values).returning(table.c.request)).scalar_one()
    entry.added(REQUEST, number)


def _request(row: Row[Any], *, altered: bool) -> Request:
    return Request(
        request=row.request,
        cohort=row.cohort,
        kind=RequestKind(row.kind),
        student=row.student,
        run=row.run,
        says=VoteKind(row.says) if row.says else None,
        digest=row.digest,
        reason=row.reason,
        upload=row.upload,
        account=row.account,
        at=row.at,
        served_at=row.served_at,
        outcome=RequestOutcome(row.outcome) if row.outcome else None,
        message=row.message,
        found=row.found,
        altered=altered,
    )
