"""Four eyes: on the pages, changing an account that may decide, review, issue or manage takes two administrators.

The first asks. A second one, who is neither the first nor the account's owner, confirms or refuses. The change is made
in the transaction that confirms it, and only while the account is still as it was when the first one asked. Nobody
gives a grant to their own account. The command line does not use this: the owner of the server needs no second person.
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

#: How many administrators such a change takes.
ADMINISTRATORS = 2

#: How long a one-time code is valid.
CODE_LASTS = timedelta(days=3)

#: How long a change is kept after it was asked for; the audit log keeps who asked and who decided.
_KEPT = timedelta(days=90)


class ChangeKind(StrEnum):
    """What is asked for."""

    GRANT = "grant"
    HAND_OVER = "hand_over"
    #: A one-time code for a password; one to set up a second factor.
    CODE = "code"
    FACTOR_CODE = "factor_code"
    RESET_FACTOR = "reset_factor"
    #: Opening a shut account.
    OPEN = "open"


class ChangeCode(StrEnum):
    """Why a change is refused."""

    #: Somebody's own account.
    OWN = "own"
    OWN_FACTOR = "own_factor"
    HAS_IT = "has_it"
    SHUT = "shut"
    NO_TARGET = "no_target"
    NO_GRANTS = "no_grants"
    NO_FACTOR = "no_factor"
    #: The same change waits already.
    WAITS = "waits"
    #: It does not wait any more: it was decided, has expired, or was altered past this program.
    OVER = "over"
    #: The account's grants, or those of the administrator that asked, have changed since.
    NOT_AS_ASKED = "not_as_asked"
    #: Whoever confirms has asked for it, or owns the account.
    SAME_PERSON = "same_person"


class ChangeRefused(Refused[ChangeCode]):
    """A change that is refused. Only pages ask for changes, and each has its own sentence for every code."""

    def __init__(self, code: ChangeCode) -> None:
        super().__init__(code, code.value)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """A change to an account, as it is asked for."""

    kind: ChangeKind
    account: str
    #: What is given.
    grant: Grant | None = None
    #: Who takes over.
    target: str = ""

    @property
    def concerns(self) -> frozenset[str]:
        """Whose account is changed."""
        return frozenset({self.account, self.target} - {""})


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that waits for a second administrator."""

    id: int
    change: AccountChange
    #: What the account may do, as it was asked.
    held: tuple[Grant, ...]
    asked_by: str
    asked_at: datetime

    @property
    def until(self) -> datetime:
        """When it ends by itself."""
        return self.asked_at + WAITS

    def confirmed_by(self, account: str) -> bool:
        """Say whether somebody who manages may confirm it."""
        return account != self.asked_by and account not in self.change.concerns


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The result of `carry_out` or `confirm`."""

    change: AccountChange
    #: It waits for a second administrator; nothing is changed yet.
    waits: bool = False
    #: The code that was made; it is not stored.
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _By:
    """The administrator that acts, when and from where."""

    account: str
    now: datetime
    address: str


class PendingChanges:
    """Carries out changes to accounts, or has them wait. Every method raises StoreError when the database fails."""

    def __init__(
        self, desk: DeskStore, codes: Codes, auth: Auth, cohorts: Collection[str], *, demo: bool = False
    ) -> None:
        self._desk = desk
        self._codes = codes
        self._auth = auth
        self._cohorts = cohorts
        self._demo = demo

    def carry_out(self, change: AccountChange, by: str, now: datetime, *, address: str = "") -> ChangeResult:
        """Make a change, or have it wait for a second administrator. Raises ChangeRefused."""
        who = _By(by, now, address)
        with self._desk.writing() as entry:
            held = self._possible(entry, change, by)
            if not (self._auth.second_administrator and _takes_two(change, held)):
                return self._made(entry, change, who, {})
            _have_wait(entry, change, held, who)
        return ChangeResult(change, waits=True)

    def confirm(self, number: int, account: str, by: str, now: datetime, *, address: str = "") -> ChangeResult:
        """Carry out what was asked about this account, as its second administrator. Raises ChangeRefused."""
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
            carried = self._made(entry, asked.change, who, {"asked_by": asked.asked_by})
            _decide(entry, number, "confirmed", who)
        return carried

    def refuse(self, number: int, account: str, by: str, now: datetime, *, address: str = "") -> None:
        """Refuse what was asked about this account, or give it up oneself. Raises ChangeRefused."""
        who = _By(by, now, address)
        with self._desk.writing() as entry:
            asked = self._waiting_one(entry.connection, number, account, now)
            _decide(entry, number, "withdrawn" if asked.asked_by == by else "refused", who)
            detail = {"asked": asked.change.kind.value, **_detail(asked.change), "asked_by": asked.asked_by}
            _note(entry, AuditEvent.SECOND_REFUSED, who, detail)

    def waiting(self, now: datetime, account: str | None = None) -> tuple[PendingChange, ...]:
        """Return what waits, of every account or about one, in the order it was asked."""
        table = tables.pending_change
        query = select(table).where(table.c.outcome.is_(None), table.c.asked_at > now - WAITS)
        with reading(self._desk.engine) as connection:
            rows = connection.execute(query.order_by(table.c.pending_change)).mappings().all()
        asked = [_asked(row) for row in rows if self._desk.vouches(PENDING_CHANGE, row)]
        return tuple(one for one in asked if account is None or account in one.change.concerns)

    def administrators(self) -> int:
        """Return how many active accounts may manage, and do so for longer than one cohort."""
        with reading(self._desk.engine) as connection:
            names = {name for name, one in given.held_by_active(connection, Act.MANAGE, demo=self._demo)}
            return sum(self._manages(connection, name, lasting=True) for name in names)

    def _waiting_one(self, connection: Connection, number: int, account: str, now: datetime) -> PendingChange:
        table = tables.pending_change
        row = connection.execute(select(table).where(table.c.pending_change == number)).mappings().one_or_none()
        if row is None or row["outcome"] is not None or not self._desk.vouches(PENDING_CHANGE, row):
            raise ChangeRefused(ChangeCode.OVER)
        asked = _asked(row)
        if account not in asked.change.concerns or now >= asked.until:
            raise ChangeRefused(ChangeCode.OVER)
        return asked

    def _manages(self, connection: Connection, name: str, *, lasting: bool = False) -> bool:
        """Say whether an account is active and may manage, as it was sealed."""
        row = changes.row_of(connection, name)
        if row is None or not row.active or (row.demo and not self._demo) or not self._desk.vouches(ACCOUNT, row):
            return False
        held = given.of(connection, name, lambda found: self._desk.vouches(GRANT, found))
        during = (
            one.cohort is None if lasting else one.cohort in {None, *self._cohorts} for one in held if _rules(one)
        )
        return any(during)

    def _possible(self, entry: DeskEntry, change: AccountChange, by: str) -> tuple[Grant, ...]:
        """Return the grants the account has now. Raises ChangeRefused where `by` cannot ask for this change now."""
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

    def _made(self, entry: DeskEntry, change: AccountChange, who: _By, more: Mapping[str, Any]) -> ChangeResult:
        """Make the change and add its line to the audit log."""
        name, code, detail = change.account, "", _detail(change)
        event = AuditEvent.ACCOUNT_CHANGED
        match change.kind:
            case ChangeKind.GRANT:
                assert change.grant is not None  # noqa: S101 - its kind has one
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
        _note(entry, event, who, {**detail, **more})
        return ChangeResult(change, code=code)


@dataclass(frozen=True, slots=True)
class _Owner:
    """An account, as far as a second factor is concerned."""

    student: str | None
    grants: tuple[Grant, ...]
    demo: bool


def _rules(grant: Grant) -> bool:
    return grant.act is Act.MANAGE


def _takes_two(change: AccountChange, held: tuple[Grant, ...]) -> bool:
    """Say whether a change takes two: what it gives, or what its account has, lets somebody act."""
    touched = (change.grant,) if change.grant is not None else held
    return any(one.act in BY_TWO for one in touched)


def _has(held: Collection[Grant], grant: Grant) -> bool:
    return given.to_json(grant) in [given.to_json(one) for one in held]


def _same(grants: Collection[Grant], others: Collection[Grant]) -> bool:
    return len(grants) == len(others) and all(_has(others, one) for one in grants)


def _have_wait(entry: DeskEntry, change: AccountChange, held: tuple[Grant, ...], who: _By) -> None:
    """Keep what is asked for, sealed. Raises ChangeRefused where the same waits already."""
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
    assert made is not None  # noqa: S101 - the database gives its number
    entry.added(PENDING_CHANGE, made[0])
    _note(entry, AuditEvent.SECOND_ASKED, who, {"asked": change.kind.value, **_detail(change)})


def _decide(entry: DeskEntry, number: int, outcome: str, who: _By) -> None:
    own = tables.pending_change.c.pending_change == number
    decided = {"outcome": outcome, "decided_by": who.account, "decided_at": who.now}
    with entry.changing(PENDING_CHANGE, own):
        entry.connection.execute(update(tables.pending_change).where(own).values(**decided))


def _note(entry: DeskEntry, event: AuditEvent, who: _By, detail: Mapping[str, Any]) -> None:
    entry.note(event, account=who.account, now=who.now, address=who.address, detail=detail)


def _detail(change: AccountChange) -> dict[str, Any]:
    """Return what the audit log keeps of a change."""
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


def _asked(row: RowMapping) -> PendingChange:
    content = row["content"]
    grant = given.from_json(content["grant"]) if content["grant"] is not None else None
    change = AccountChange(ChangeKind(row["kind"]), normalise_account(row["account"]), grant, content["target"])
    held = tuple(given.from_json(one) for one in content["held"])
    return PendingChange(row["pending_change"], change, held, row["asked_by"], row["asked_at"])
