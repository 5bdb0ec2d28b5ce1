"""Dual control: on the pages, a change to an account that can decide, review, issue or manage needs two administrators.

The first requests it. A second one, who is neither the first nor the account's owner, confirms or refuses. The change
is made in the transaction that confirms it, and only while the account is as it was at the request. Administrators
cannot give a grant to their own account. The command line does not use this: the server's owner needs no second person.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from config.tables.portal import Auth
from foundation.refusals import Refused
from status_db import tables
from status_db.accounts import changes, demo_accounts
from status_db.accounts import grants as given
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.changes import normalise_account
from status_db.accounts.grants import BY_TWO, Act, Grant
from status_db.desk.seals import ACCOUNT, GRANT, PENDING_CHANGE
from status_db.desk.store import DeskEntry, DeskStore
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.second_factor import asked_of, held_in, reset_in
from status_db.store.engine import reading

#: How long a change waits to be confirmed.
WAITS = timedelta(hours=72)

#: The number of administrators that such a change needs.
ADMINISTRATORS = 2

#: How long a one-time code is valid.
CODE_LASTS = timedelta(days=3)

#: How long a change is kept after its request; the audit log keeps who requested and who decided.
_KEPT = timedelta(days=90)


class ChangeKind(StrEnum):
    """The kind of change."""

    GRANT = "grant"
    HAND_OVER = "hand_over"
    #: A one-time code for a password; one to set up a second factor.
    CODE = "code"
    FACTOR_CODE = "factor_code"
    RESET_FACTOR = "reset_factor"
    #: Activating a deactivated account.
    OPEN = "open"


class ChangeCode(StrEnum):
    """Why a change is refused."""

    #: Administrators cannot give grants to their own account.
    OWN = "own"
    #: Administrators cannot reset their own second factor.
    OWN_FACTOR = "own_factor"
    #: The account has the grant already.
    HAS_IT = "has_it"
    #: The account cannot be used.
    SHUT = "shut"
    #: The account does not exist.
    NO_TARGET = "no_target"
    #: The account has no grants.
    NO_GRANTS = "no_grants"
    #: The account needs no second factor, or has set one up already.
    NO_FACTOR = "no_factor"
    #: The same change already waits.
    WAITS = "waits"
    #: It no longer waits: it was decided, has expired, or another program altered it.
    OVER = "over"
    #: The grants of the account or of the requesting administrator have changed since.
    NOT_AS_ASKED = "not_as_asked"
    #: The confirming administrator requested it, or owns the account.
    SAME_PERSON = "same_person"


class ChangeRefused(Refused[ChangeCode]):
    """A change that is refused. Only pages request changes, and they have a sentence for every code."""

    def __init__(self, code: ChangeCode) -> None:
        super().__init__(code, code.value)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A requested change to an account."""

    kind: ChangeKind
    account: str
    #: The grant to give.
    grant: Grant | None = None
    #: The account that receives the grants.
    target: str = ""

    @property
    def concerns(self) -> frozenset[str]:
        """The accounts that are changed."""
        return frozenset({self.account, self.target} - {""})


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that waits for a second administrator."""

    id: int
    change: AccountChange
    #: The account's grants at the request.
    held: tuple[Grant, ...]
    asked_by: str
    asked_at: datetime

    @property
    def until(self) -> datetime:
        """When it expires."""
        return self.asked_at + WAITS

    def confirmed_by(self, account: str) -> bool:
        """Return whether this administrator can confirm it."""
        return account != self.asked_by and account not in self.change.concerns


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The result of `carry_out` or `confirm`."""

    change: AccountChange
    #: It waits for a second administrator; nothing has changed yet.
    waits: bool = False
    #: The new code; it is not stored.
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _By:
    """The acting administrator, the time and the address."""

    account: str
    now: datetime
    address: str


class PendingChanges:
    """Makes changes to accounts, or stores them as pending. Every method raises StoreError if the database fails."""

    def __init__(
        self, desk: DeskStore, codes: Codes, auth: Auth, cohorts: Collection[str], *, demo: bool = False
    ) -> None:
        self._desk = desk
        self._codes = codes
        self._auth = auth
        self._cohorts = cohorts
        self._demo = demo

    def carry_out(self, change: AccountChange, by: str, now: datetime, *, address: str = "") -> ChangeResult:
        """Make a change, or store it for a second administrator. Raises ChangeRefused."""
        who = _By(by, now, address)
        with self._desk.writing() as entry:
            held = self._possible(entry, change, by)
            if not (self._auth.second_administrator and _takes_two(change, held)):
                return self._make_change(entry, change, who, {})
            _have_wait(entry, change, held, who)
        return ChangeResult(change, waits=True)

    def confirm(self, number: int, account: str, by: str, now: datetime, *, address: str = "") -> ChangeResult:
        """Make a pending change of this account, as its second administrator. Raises ChangeRefused."""
        who = _By(by, now, address)
        with self._desk.writing() as entry:
            asked = self._waiting_one(entry.connection, number, account, now)
            if not asked.confirmed_by(by):
                raise ChangeRefused(ChangeCode.SAME_PERSON)
            if not (self._manages(entry.connection, by) and self._manages(entry.connection, asked.asked_by)):
                raise ChangeRefused(ChangeCode.NOT_AS_ASKED)
            held = self._possible(entry, asked.change, asked.asked_by)
            if asked.change.kind is not ChangeKind.GRANT and not _same(held, asked.held):
                raise ChangeRefused(ChangeCode.NOT_AS_ASKED)
            carried = self._make_change(entry, asked.change, who, {"asked_by": asked.asked_by})
            _decide(entry, number, "confirmed", who)
        return carried

    def refuse(self, number: int, account: str, by: str, now: datetime, *, address: str = "") -> None:
        """Refuse a pending change of this account, or withdraw your own. Raises ChangeRefused."""
        who = _By(by, now, address)
        with self._desk.writing() as entry:
            asked = self._waiting_one(entry.connection, number, account, now)
            _decide(entry, number, "withdrawn" if asked.asked_by == by else "refused", who)
            detail = {"asked": asked.change.kind.value, **_detail(asked.change), "asked_by": asked.asked_by}
            _add_audit_line(entry, AuditEvent.SECOND_REFUSED, who, detail)

    def waiting(self, now: datetime, account: str | None = None) -> tuple[PendingChange, ...]:
        """Return the pending changes of all accounts or of one, in the order of their requests."""
        table = tables.pending_change
        query = select(table).where(table.c.outcome.is_(None), table.c.asked_at > now - WAITS)
        with reading(self._desk.engine) as connection:
            rows = connection.execute(query.order_by(table.c.pending_change)).mappings().all()
        asked = [_pending_change(row) for row in rows if self._desk.vouches(PENDING_CHANGE, row)]
        return tuple(one for one in asked if account is None or account in one.change.concerns)

    def administrators(self) -> int:
        """Return the number of active accounts that can manage and whose grant does not end with a cohort."""
        with reading(self._desk.engine) as connection:
            names = {name for name, one in given.held_by_active(connection, Act.MANAGE, demo=self._demo)}
            return sum(self._manages(connection, name, lasting=True) for name in names)

    def _waiting_one(self, connection: Connection, number: int, account: str, now: datetime) -> PendingChange:
        table = tables.pending_change
        row = connection.execute(select(table).where(table.c.pending_change == number)).mappings().one_or_none()
        if row is None or row["outcome"] is not None or not self._desk.vouches(PENDING_CHANGE, row):
            raise ChangeRefused(ChangeCode.OVER)
        asked = _pending_change(row)
        if account not in asked.change.concerns or now >= asked.until:
            raise ChangeRefused(ChangeCode.OVER)
        return asked

    def _manages(self, connection: Connection, name: str, *, lasting: bool = False) -> bool:
        """Return whether an account is active and can manage, by its sealed rows."""
        row = changes.row_of(connection, name)
        if row is None or not row.active or (row.demo and not self._demo) or not self._desk.vouches(ACCOUNT, row):
            return False
        held = given.of(connection, name, lambda found: self._desk.vouches(GRANT, found))
        during = (
            one.cohort is None if lasting else one.cohort in {None, *self._cohorts} for one in held if _rules(one)
        )
        return any(during)

    def _possible(self, entry: DeskEntry, change: AccountChange, by: str) -> tuple[Grant, ...]:
        """Return the account's current grants. Raises ChangeRefused if `by` cannot request this change now."""
        connection, name = entry.connection, change.account
        row, held = changes.existing(connection, name), given.of(connection, name)
        refused: ChangeCode | None = None
        match change.kind:
            case ChangeKind.GRANT:
                had = change.grant is not None and _has(held, change.grant)
                refused = ChangeCode.OWN if name == by else ChangeCode.HAS_IT if had else None
            case ChangeKind.HAND_OVER:
                refused = ChangeCode.OWN if change.target == by else self._refused_hand_over(connection, change, held)
            case ChangeKind.OPEN:
                refused = ChangeCode.NO_TARGET if row.demo and not self._demo else None
            case ChangeKind.RESET_FACTOR:
                refused = ChangeCode.OWN_FACTOR if name == by else None
            case ChangeKind.CODE | ChangeKind.FACTOR_CODE:
                refused = ChangeCode.SHUT if demo_accounts.why_shut(connection, name, demo=self._demo) else None
                if change.kind is ChangeKind.FACTOR_CODE and refused is None:
                    owner = _Owner(row.student, held, row.demo)
                    factors = held_in(connection, [name]).get(name)
                    wanted = asked_of(self._auth, owner) and not (factors is not None and factors.any)
                    refused = None if wanted else ChangeCode.NO_FACTOR
        if refused is not None:
            raise ChangeRefused(refused)
        return held

    def _refused_hand_over(
        self, connection: Connection, change: AccountChange, held: tuple[Grant, ...]
    ) -> ChangeCode | None:
        shut = demo_accounts.why_shut(connection, change.target, demo=self._demo)
        if shut or change.target == change.account:
            return ChangeCode.NO_TARGET
        return None if held else ChangeCode.NO_GRANTS

    def _make_change(self, entry: DeskEntry, change: AccountChange, who: _By, more: Mapping[str, Any]) -> ChangeResult:
        """Make the change and add its line to the audit log."""
        name, code, detail = change.account, "", _detail(change)
        event = AuditEvent.ACCOUNT_CHANGED
        match change.kind:
            case ChangeKind.GRANT:
                assert change.grant is not None  # noqa: S101 - this kind has a grant
                changes.give(entry, name, [change.grant])
                event = AuditEvent.GRANTED
            case ChangeKind.HAND_OVER:
                moved = changes.hand_over(entry, name, change.target, demo=self._demo)
                event, detail = AuditEvent.HANDED_OVER, {**detail, "grants": [_grant_text(one) for one in moved]}
            case ChangeKind.OPEN:
                changes.activate(entry, name, demo=self._demo)
                detail["what"] = "activated"
            case ChangeKind.RESET_FACTOR:
                had = reset_in(entry, name)
                event = AuditEvent.SECOND_FACTOR_RESET
                if not had:
                    return ChangeResult(change)
            case ChangeKind.CODE | ChangeKind.FACTOR_CODE:
                kind = CodeKind.PASSWORD if change.kind is ChangeKind.CODE else CodeKind.FACTOR
                by, now = str(more.get("asked_by", who.account)), who.now
                made = self._codes.make_in(entry, [name], made_by=by, now=now, lasts=CODE_LASTS, kind=kind)
                event, code = AuditEvent.CODES_MADE, made[name]
                if kind is CodeKind.FACTOR:
                    detail["kind"] = "second factor"
        _add_audit_line(entry, event, who, {**detail, **more})
        return ChangeResult(change, code=code)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The part of an account that second factors need."""

    student: str | None
    grants: tuple[Grant, ...]
    demo: bool


def _rules(grant: Grant) -> bool:
    return grant.act is Act.MANAGE


def _takes_two(change: AccountChange, held: tuple[Grant, ...]) -> bool:
    """Return whether a change needs two administrators: its grant, or the account's grants, allow acting."""
    touched = (change.grant,) if change.grant is not None else held
    return any(one.act in BY_TWO for one in touched)


def _has(held: Collection[Grant], grant: Grant) -> bool:
    return given.to_json(grant) in [given.to_json(one) for one in held]


def _same(grants: Collection[Grant], others: Collection[Grant]) -> bool:
    return len(grants) == len(others) and all(_has(others, one) for one in grants)


def _have_wait(entry: DeskEntry, change: AccountChange, held: tuple[Grant, ...], who: _By) -> None:
    """Store a pending change, sealed. Raises ChangeRefused if the same change already waits."""
    table = tables.pending_change
    old = table.c.asked_at < who.now - _KEPT
    with entry.changing(PENDING_CHANGE, old):
        entry.connection.execute(delete(table).where(old))
    content = {
        "grant": given.to_json(change.grant) if change.grant is not None else None,
        "target": change.target,
        "held": [given.to_json(one) for one in held],
    }
    same = select(table.c.content).where(
        table.c.kind == change.kind,
        table.c.account == change.account,
        table.c.outcome.is_(None),
        table.c.asked_at > who.now - WAITS,
    )
    if any(waits == content for waits in entry.connection.execute(same).scalars()):
        raise ChangeRefused(ChangeCode.WAITS)
    added = entry.connection.execute(
        insert(table).values(
            kind=change.kind.value,
            account=change.account,
            content=content,
            asked_by=who.account,
            asked_at=who.now,
        )
    )
    made = added.inserted_primary_key
    assert made is not None  # noqa: S101 - the database returns its number
    entry.added(PENDING_CHANGE, made[0])
    _add_audit_line(entry, AuditEvent.SECOND_ASKED, who, {"asked": change.kind.value, **_detail(change)})


def _decide(entry: DeskEntry, number: int, outcome: str, who: _By) -> None:
    own = tables.pending_change.c.pending_change == number
    decided = {"outcome": outcome, "decided_by": who.account, "decided_at": who.now}
    with entry.changing(PENDING_CHANGE, own):
        entry.connection.execute(update(tables.pending_change).where(own).values(**decided))


def _add_audit_line(entry: DeskEntry, event: AuditEvent, who: _By, detail: Mapping[str, Any]) -> None:
    entry.note(event, account=who.account, now=who.now, address=who.address, detail=detail)


def _detail(change: AccountChange) -> dict[str, Any]:
    """Return the details of a change for the audit log."""
    if change.kind is ChangeKind.HAND_OVER:
        return {"held_by": change.account, "to": change.target}
    detail: dict[str, Any] = {"to": change.account}
    if (grant := change.grant) is not None:
        detail |= {
            "act": grant.act.value,
            "step": grant.step or "",
            "scope": [f"{column}={value}" for column, values in grant.scope.items() for value in values],
            "during": grant.cohort or "",
        }
    return detail


def _grant_text(held: Grant) -> str:
    return " ".join(part for part in (held.act.value, held.step or "", held.cohort or "") if part)


def _pending_change(row: RowMapping) -> PendingChange:
    content = row["content"]
    grant = given.from_json(content["grant"]) if content["grant"] is not None else None
    change = AccountChange(ChangeKind(row["kind"]), normalise_account(row["account"]), grant, content["target"])
    held = tuple(given.from_json(one) for one in content["held"])
    return PendingChange(row["pending_change"], change, held, row["asked_by"], row["asked_at"])
