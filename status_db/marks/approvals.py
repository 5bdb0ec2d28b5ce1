"""Votes on suspended runs, as they are recorded: sealed, each on one change. A vote alone changes no mark.

The caller checks whether a person is allowed to vote; `sync.run.approve` records votes and carries them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, insert, select

from config.tables.sources import Guard
from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.code_words import code_word
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind
from status_db.ledger.reader import vouched
from status_db.model import RunState, VoteKind
from status_db.store.engine import reading

#: A suspended run waits this long for a person.
APPROVAL_OPEN_FOR = timedelta(hours=72)


class VoteCode(StrEnum):
    """Why a vote is refused."""

    #: The run does not exist.
    NO_SUCH_RUN = "no_such_run"
    #: The run does not wait for approval.
    DOES_NOT_WAIT = "does_not_wait"
    #: The run would now change something else.
    MOVED = "moved"
    #: The same person has cast this vote already.
    TWICE = "twice"


class VoteRefused(Refused[VoteCode]):
    """A vote that is refused; the text states why, and the fix."""


@dataclass(frozen=True, slots=True)
class ApprovalVote:
    """One person's vote on one run."""

    run: int
    source: str
    kind: VoteKind
    author: str
    reason: str
    at: datetime
    #: The run's plan digest: the vote is on that change, and on no other that the run may contain later.
    digest: bytes


class Missing(StrEnum):
    """What a run still lacks before it is approved."""

    #: The confirmation of the office.
    OFFICE = "office"
    #: An approval; two, where none is there and two are required; one by another person.
    APPROVAL = "approval"
    TWO_APPROVALS = "two_approvals"
    SECOND_APPROVAL = "second_approval"


class ApprovalVotes:
    """Records and reads the votes on one cohort's suspended runs."""

    def __init__(self, engine: Engine, cohort: str, ledger: Ledger | None = None) -> None:
        """Without a ledger, votes can be read, and no seal is checked."""
        self._engine = engine
        self._cohort = cohort
        self._ledger = ledger

    def record(
        self, run: int, kind: VoteKind, *, author: str, reason: str = "", now: datetime, voted_on: bytes | None = None
    ) -> ApprovalVote:
        """Record a vote on a suspended run. Raises VoteRefused when it does not wait, or the person has cast this vote.

        `voted_on` is the digest of the change that the person checked: a run with another change by now is refused.
        """
        table, known = tables.approval_vote, tables.run
        if self._ledger is None:
            raise ValueError("votes need the ledger's key. Run this where [status_db] names it.")
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.APPROVAL) as (connection, link):
            row = connection.execute(
                select(known.c.source, known.c.state, known.c.plan_digest).where(
                    known.c.run == run, known.c.cohort == self._cohort
                )
            ).one_or_none()
            if row is None:
                raise VoteRefused(VoteCode.NO_SUCH_RUN, tr("there is no run {run}. See: clearance runs list", run=run))
            if row.state != RunState.SUSPENDED:
                raise VoteRefused(
                    VoteCode.DOES_NOT_WAIT,
                    tr(
                        "run {run} is {state} and does not wait for a vote. See: clearance runs show {run}",
                        run=run,
                        state=code_word(row.state),
                    ),
                )
            if voted_on not in (None, row.plan_digest):
                raise VoteRefused(
                    VoteCode.MOVED,
                    tr(
                        "the change of run {run} differs from the one you checked. Check it again: clearance "
                        "runs show {run}",
                        run=run,
                    ),
                )
            if any(o.kind is kind and o.author == author for o in _of_run(connection, run)):
                raise VoteRefused(
                    VoteCode.TWICE,
                    tr(
                        "{author} has already cast this vote on run {run}: another person is needed. See: clearance "
                        "runs show {run}",
                        author=author,
                        run=run,
                    ),
                )
            values = {"run": run, "says": kind, "author": author, "reason": reason, "at": now}
            entered = insert(table).values(**values, digest=row.plan_digest).returning(table.c.approval_vote)
            link.seal_behind(table, connection.execute(entered).scalar_one())
        return ApprovalVote(run, row.source, kind, author, reason, now, row.plan_digest)

    def of_run(self, run: int) -> tuple[ApprovalVote, ...]:
        """Return the votes on the current change of a run, in order."""
        with reading(self._engine) as connection:
            return _of_run(connection, run)

    def waiting(self) -> tuple[ApprovalVote, ...]:
        """Return the votes on runs that still wait, in order; leave out any with a wrong seal."""
        table, run = tables.approval_vote, tables.run
        with reading(self._engine) as connection:
            waits = [run.c.cohort == self._cohort, run.c.state == RunState.SUSPENDED]
            if self._ledger is not None:
                numbers = table.c.run.in_(select(run.c.run).where(*waits))
                seals = self._ledger.seals(connection)
                waits.append(
                    table.c.approval_vote.in_(vouched(connection, table, raw_rows.APPROVAL_VOTE, seals, numbers))
                )
            return _read_votes(connection, *waits)


def missing(votes: Sequence[ApprovalVote], guard: Guard | None) -> tuple[Missing, ...]:
    """Return what is still missing before a run is approved, in order; nothing when the votes are enough.

    A change of settings, and a source that the settings no longer have, have no guard.
    """
    approved, two = approvers(votes), guard is not None and guard.two_approve
    office_first = guard is not None and guard.office_first
    lacks = [Missing.OFFICE] if office_first and all(o.kind is not VoteKind.CONFIRM for o in votes) else []
    if not approved:
        lacks.append(Missing.TWO_APPROVALS if two else Missing.APPROVAL)
    elif two and len(approved) < 2:
        lacks.append(Missing.SECOND_APPROVAL)
    return tuple(lacks)


def approvers(votes: Sequence[ApprovalVote]) -> tuple[str, ...]:
    """Return the persons that have approved, each once, in order."""
    return tuple(dict.fromkeys(o.author for o in votes if o.kind is VoteKind.APPROVE))


def _of_run(connection: Connection, run: int) -> tuple[ApprovalVote, ...]:
    return _read_votes(connection, tables.approval_vote.c.run == run)


def _read_votes(connection: Connection, *conditions: Any) -> tuple[ApprovalVote, ...]:  # noqa: ANN401 - SQLAlchemy's conditions
    table, run = tables.approval_vote, tables.run
    same = and_(run.c.run == table.c.run, run.c.plan_digest == table.c.digest)
    query = select(table, run.c.source).join(run, same).where(*conditions)
    return tuple(_vote_from(row) for row in connection.execute(query.order_by(table.c.approval_vote)))


def _vote_from(row: Row[Any]) -> ApprovalVote:
    return ApprovalVote(row.run, row.source, VoteKind(row.says), row.author, row.reason, row.at, row.digest)
