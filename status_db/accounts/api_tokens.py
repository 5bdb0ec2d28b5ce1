"""API tokens of other programs. Each has the grants of one account, and an expiry.

Only the SHA-256 of a token is stored: the token is shown once, when it is created. All tokens have the same prefix, so
that scans of code and mail for secrets find them.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
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

#: How long a token is valid by default.
LIFE = timedelta(days=400)

#: The use of a token is recorded at most once in this time; so is each student that it reads.
TOUCH = timedelta(hours=1)

_ID_DIGITS = 12


class TokenCode(StrEnum):
    """Why a token is refused."""

    #: The name of the token is missing or too long.
    NO_TITLE = "no_title"
    #: The end is in the past.
    ENDED = "ended"
    #: Its account cannot be used.
    SHUT = "shut"
    #: The token does not exist.
    NO_SUCH_TOKEN = "no_such_token"  # noqa: S105 - a reason, not a secret


class TokenRefused(Refused[TokenCode]):
    """A token that is refused, or cannot be revoked; the text has the reason and the fix."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as it is stored."""

    #: The first digits of its SHA-256: enough to name it, but they do not open anything.
    id: str
    title: str
    #: The account of its grants.
    account: str
    made_at: datetime
    made_by: str
    until: datetime
    withdrawn_at: datetime | None
    #: When it was last used, to within an hour; None before that.
    used_at: datetime | None

    def opens(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.withdrawn_at is None and now < self.until


def new_token() -> str:
    """Return a new token: the prefix and 32 random bytes."""
    return PREFIX + secrets.token_hex(32)


def hash_of(token: str) -> bytes:
    """Return the hash by which the database stores a token."""
    return hashlib.sha256(token.encode()).digest()


class Tokens:
    """Creates, finds and revokes tokens. For reads, an engine of `open_reading` is enough. Raises StoreError.

    Tokens of accounts made by the demo are not accepted, unless `demo` is set because the settings are a demo's.
    """

    def __init__(self, desk: Engine | DeskStore, *, demo: bool = False) -> None:
        self._desk = store.of(desk)
        self._demo = demo
        self._accounts = Accounts(self._desk, demo=demo)

    def make(self, token_hash: bytes, title: str, account: str, until: datetime, *, by: str, now: datetime) -> ApiToken:
        """Store a token of an active account, and its creator. Raises TokenRefused."""
        name, title = normalise_account(account), " ".join(title.split())
        if not title or len(title) > 200:
            raise TokenRefused(
                TokenCode.NO_TITLE,
                tr("a token needs a title. Enter the program that uses it, in at most 200 characters."),
            )
        if until <= now:
            raise TokenRefused(TokenCode.ENDED, tr("the token would already be expired. Enter a later --until."))
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
        """Return all tokens, also revoked and expired ones, the newest first."""
        table = tables.token
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.made_at.desc(), table.c.token_hash))
            return tuple(_token(row) for row in rows)

    def withdraw(self, token_id: str, now: datetime) -> ApiToken:
        """Revoke a token; if it is already revoked, nothing changes. Raises TokenRefused."""
        table, wanted = tables.token, token_id.strip().lower()
        with self._desk.writing() as entry:
            connection = entry.connection
            found = [row for row in connection.execute(select(table)) if row.token_hash.hex().startswith(wanted)]
            if not wanted or len(found) != 1:
                raise TokenRefused(
                    TokenCode.NO_SUCH_TOKEN,
                    tr(
                        '"{token_id}" does not identify exactly one token. See: clearance tokens list',
                        token_id=token_id,
                    ),
                )
            here = table.c.token_hash == found[0].token_hash
            with entry.changing(TOKEN, here):
                connection.execute(update(table).where(here, table.c.withdrawn_at.is_(None)).values(withdrawn_at=now))
            return _token(connection.execute(select(table).where(here)).one())

    def find(self, token_hash: bytes, now: datetime) -> tuple[ApiToken, Account] | None:
        """Return a token that is valid now, and its active account; None for any other."""
        table = tables.token
        with reading(self._desk.engine) as connection:
            row = connection.execute(select(table).where(table.c.token_hash == token_hash)).one_or_none()
        token = _token(row) if row is not None and self._desk.vouches(TOKEN, row) else None
        if token is None or not token.opens(now):
            return None
        account = self._accounts.find(token.account)
        return (token, account) if account is not None and account.active else None

    def touch(self, token_hash: bytes, now: datetime) -> None:
        """Record that a token was used."""
        table = tables.token
        with self._desk.writing() as entry:
            entry.connection.execute(update(table).where(table.c.token_hash == token_hash).values(used_at=now))

    def note_seen(self, token: ApiToken, cohort: str, student: str, now: datetime, address: str) -> None:
        """Record in the audit log that a token read a student, unless that was recorded within the hour."""
        seen = {"event": AuditEvent.SAW_STUDENT, "cohort": cohort, "student": student, "detail": {"token": token.id}}
        self._note_seldom(seen, token, now, address)

    def note_listed(self, token: ApiToken, cohort: str, asked: str, now: datetime, address: str) -> None:
        """Record that a token read a list with these parameters, unless that was recorded within the hour."""
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
