"""Tokens: other programs' keys to the API. Each has the grants of one account, and an end.

A token is known here by its SHA-256 alone: it is shown once, when it is made. Its beginning is always the same, so that
whoever looks through code and mail for secrets finds one that has got there.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update

from foundation.refusals import Refused
from status_db import tables
from status_db.accounts import demo_accounts
from status_db.accounts.accounts import Account, Accounts, normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.desk import store
from status_db.desk.seals import TOKEN
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: A whole token is this and 64 hexadecimal digits.
PREFIX = "clr_"

#: How long one lives, unless its maker says.
LIFE = timedelta(days=400)

#: That one is in use is written down no more often than this; so is that its holder looked at a student.
TOUCH = timedelta(hours=1)

_ID_DIGITS = 12


class TokenCode(StrEnum):
    """Why a token is refused."""

    NO_TITLE = "no_title"
    ENDED = "ended"
    #: Its account cannot be used.
    SHUT = "shut"
    NO_SUCH_TOKEN = "no_such_token"  # noqa: S105 - a reason, no secret


class TokenRefused(Refused[TokenCode]):
    """A token that cannot be made or withdrawn so; the text says why, and what would do."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of one."""

    #: The first digits of its SHA-256: enough to name it, of no use to open anything.
    id: str
    title: str
    #: Whose grants it has.
    account: str
    made_at: datetime
    made_by: str
    until: datetime
    withdrawn_at: datetime | None
    #: When it was last used, give or take an hour; None before that.
    used_at: datetime | None

    def opens(self, now: datetime) -> bool:
        """Say whether it is neither withdrawn nor past its end."""
        return self.withdrawn_at is None and now < self.until


def new_token() -> str:
    """Return a fresh token: 32 random bytes behind the prefix."""
    return PREFIX + secrets.token_hex(32)


def hash_of(token: str) -> bytes:
    """Return what the database knows a token by."""
    return hashlib.sha256(token.encode()).digest()


class Tokens:
    """Makes, finds and withdraws tokens. An engine of `open_reading` will do for what only reads. Raises StoreError.

    Tokens of accounts that the demo made open nothing, unless `demo` says that the settings are a demo's.
    """

    def __init__(self, desk: Engine | DeskStore, *, demo: bool = False) -> None:
        self._desk = store.of(desk)
        self._demo = demo
        self._accounts = Accounts(self._desk, demo=demo)

    def make(self, token_hash: bytes, title: str, account: str, until: datetime, *, by: str, now: datetime) -> ApiToken:
        """Note a token of an active account, and who made it. Raises TokenRefused."""
        name, title = normalise_account(account), " ".join(title.split())
        if not title or len(title) > 200:
            raise TokenRefused(
                TokenCode.NO_TITLE, "a token needs a title: write one of at most 200 characters that says who uses it."
            )
        if until <= now:
            raise TokenRefused(TokenCode.ENDED, "that token would have ended already. Give a later --until.")
        table = tables.token
        with self._desk.writing() as entry:
            if why := demo_accounts.why_shut(entry.connection, name, demo=self._demo):
                raise TokenRefused(TokenCode.SHUT, why)
            made = {"title": title, "account": name, "made_at": now, "made_by": by[:100], "until": until}
            entry.connection.execute(insert(table).values(token_hash=token_hash, **made))
            entry.added(TOKEN, token_hash)
            row = entry.connection.execute(select(table).where(table.c.token_hash == token_hash)).one()
        return _token(row)

    def listed(self) -> tuple[ApiToken, ...]:
        """Return every token, withdrawn and ended ones too, the newest first."""
        table = tables.token
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.made_at.desc(), table.c.token_hash))
            return tuple(_token(row) for row in rows)

    def withdraw(self, token_id: str, now: datetime) -> ApiToken:
        """Have a token open nothing from now on; one that was withdrawn stays so. Raises TokenRefused."""
        table, wanted = tables.token, token_id.strip().lower()
        with self._desk.writing() as entry:
            connection = entry.connection
            found = [row for row in connection.execute(select(table)) if row.token_hash.hex().startswith(wanted)]
            if not wanted or len(found) != 1:
                raise TokenRefused(
                    TokenCode.NO_SUCH_TOKEN, f'there is no one token "{token_id}". See: clearance tokens list'
                )
            here = table.c.token_hash == found[0].token_hash
            with entry.changing(TOKEN, here):
                connection.execute(update(table).where(here, table.c.withdrawn_at.is_(None)).values(withdrawn_at=now))
            return _token(connection.execute(select(table).where(here)).one())

    def find(self, token_hash: bytes, now: datetime) -> tuple[ApiToken, Account] | None:
        """Return a token that opens something now, and its active account; None for any other."""
        table = tables.token
        with reading(self._desk.engine) as connection:
            row = connection.execute(select(table).where(table.c.token_hash == token_hash)).one_or_none()
        token = _token(row) if row is not None and self._desk.vouches(TOKEN, row) else None
        if token is None or not token.opens(now):
            return None
        account = self._accounts.find(token.account)
        return (token, account) if account is not None and account.active else None

    def touch(self, token_hash: bytes, now: datetime) -> None:
        """Note that a token is in use."""
        table = tables.token
        with self._desk.writing() as entry:
            entry.connection.execute(update(table).where(table.c.token_hash == token_hash).values(used_at=now))

    def note_seen(self, token: ApiToken, cohort: str, student: str, now: datetime, address: str) -> None:
        """Note in the audit log that a student was looked at with a token, unless that was noted within the hour."""
        seen = {"event": AuditEvent.SAW_STUDENT, "cohort": cohort, "student": student, "detail": {"token": token.id}}
        self._note_seldom(seen, token, now, address)

    def note_listed(self, token: ApiToken, cohort: str, asked: str, now: datetime, address: str) -> None:
        """Note that a list was asked for, in these words, unless that was noted within the hour."""
        seen = {
            "event": AuditEvent.SAW_LIST,
            "cohort": cohort,
            "student": None,
            "detail": {"token": token.id, "asked": asked},
        }
        self._note_seldom(seen, token, now, address)

    def _note_seldom(self, seen: dict[str, Any], token: ApiToken, now: datetime, address: str) -> None:
        audit = tables.audit
        same = [audit.c[name].is_(value) if value is None else audit.c[name] == value for name, value in seen.items()]
        with self._desk.writing() as entry:
            known = entry.connection.execute(
                select(audit.c.line).where(*same, audit.c.account == token.account, audit.c.at > now - TOUCH).limit(1)
            ).first()
            if known is None:
                entry.note(account=token.account, now=now, address=address, **seen)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.token_hash.hex()[:_ID_DIGITS],
        title=row.title,
        account=row.account,
        made_at=row.made_at,
        made_by=row.made_by,
        until=row.until,
        withdrawn_at=row.withdrawn_at,
        used_at=row.used_at,
    )
