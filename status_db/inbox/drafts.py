"""Drafts: what was in a form when the session ended, kept for its own account until it has signed in again."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, insert, select

from status_db import tables
from status_db.store.engine import reading, writing
from status_db.store.turns import DESK

#: How long a draft is kept.
KEPT = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Draft:
    """A form as it was sent."""

    account: str
    #: The page of the form, and where the form is sent: addresses of ours.
    page: str
    action: str
    #: Field → its values.
    fields: Mapping[str, Sequence[str]]


class Drafts:
    """Keeps drafts by the secret of the browser that sent them. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, secret: str, draft: Draft, now: datetime) -> None:
        """Keep a draft, and remove those that are over. The account keeps one draft, the newest."""
        table = tables.draft
        fields = {name: list(sent) for name, sent in draft.fields.items()}
        added = insert(table).values(
            draft_hash=_hash_of(secret),
            account=draft.account,
            page=draft.page,
            action=draft.action,
            fields=fields,
            until=now + KEPT,
        )
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(delete(table).where((table.c.until <= now) | (table.c.account == draft.account)))
            connection.execute(added)

    def find(self, secret: str, account: str, now: datetime) -> Draft | None:
        """Return the draft of this browser, if it is the account's own and not over."""
        table = tables.draft
        query = select(table).where(
            table.c.draft_hash == _hash_of(secret), table.c.account == account, table.c.until > now
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return Draft(row.account, row.page, row.action, row.fields) if row is not None else None

    def drop(self, secret: str) -> None:
        """Remove a draft, if it is there."""
        table = tables.draft
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(delete(table).where(table.c.draft_hash == _hash_of(secret)))


def _hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
