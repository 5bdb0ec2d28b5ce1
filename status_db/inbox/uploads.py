"""Uploads: sheets that are stored between their preview and their confirmation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select, update

from status_db import tables
from status_db.desk import store
from status_db.desk.seals import UPLOAD
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: An upload that is not confirmed is removed after this time.
KEPT = timedelta(days=1)


class UploadKind(StrEnum):
    """The purpose of a sheet."""

    #: Decisions on the students of its rows, and on no others.
    RESULTS = "results"
    #: The full list of a source: a student that is missing has no row at the source.
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded sheet."""

    upload: int
    cohort: str
    kind: UploadKind
    step: str
    source: str | None
    account: str
    file: str
    #: Its parsed rows, in the form of the page that stored them.
    rows: Any
    at: datetime
    confirmed_at: datetime | None
    batch: int | None


class Uploads:
    """Stores uploads and reads them. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def keep(
        self,
        cohort: str,
        kind: UploadKind,
        step: str,
        *,
        account: str,
        file: str,
        content: bytes,
        rows: Sequence[Any],
        now: datetime,
        source: str | None = None,
    ) -> int:
        """Store a sheet, and remove those that were not confirmed in time; return its number."""
        table = tables.upload
        over = (table.c.confirmed_at.is_(None), table.c.at < now - KEPT)
        with self._desk.writing() as entry:
            with entry.changing(UPLOAD, *over):
                entry.connection.execute(delete(table).where(*over))
            values = {"cohort": cohort, "kind": kind, "step": step, "source": source, "account": account, "at": now}
            made = insert(table).values(**values, file=file[:200], content=content, rows=list(rows))
            number: int = entry.connection.execute(made.returning(table.c.upload)).scalar_one()
            entry.added(UPLOAD, number)
        return number

    def find(self, number: int, account: str) -> Upload | None:
        """Return an upload of this account; None if there is none or it was removed."""
        table = tables.upload
        columns = [column for column in table.columns if column.name != "content"]
        with reading(self._desk.engine) as connection:
            row = connection.execute(
                select(*columns).where(table.c.upload == number, table.c.account == account)
            ).one_or_none()
        return _upload(row) if row else None

    def of_batch(self, batch: int, account: str) -> Upload | None:
        """Return the upload of this account that was entered as a batch; None if the batch has no upload."""
        table = tables.upload
        columns = [column for column in table.columns if column.name != "content"]
        with reading(self._desk.engine) as connection:
            row = connection.execute(
                select(*columns).where(table.c.batch == batch, table.c.account == account).order_by(table.c.upload)
            ).first()
        return _upload(row) if row else None

    def list_of(self, number: int) -> tuple[str, bytes] | None:
        """Return the source and the sheet of a full list; None if it was removed, altered, or is not a list."""
        table = tables.upload
        with reading(self._desk.engine) as connection:
            row = connection.execute(
                select(table).where(table.c.upload == number, table.c.source.is_not(None))
            ).one_or_none()
        if row is None or not self._desk.vouches(UPLOAD, row):
            return None
        return row.source, row.content

    def confirmed(
        self, number: int, now: datetime, batch: int | None = None, rows: Sequence[Any] | None = None
    ) -> None:
        """Record that a sheet was confirmed: with this batch, or by a request to the scheduler.

        `rows`, if given, replace the stored ones: they contain the result of each row.
        """
        table = tables.upload
        became = {} if rows is None else {"rows": list(rows)}
        this = table.c.upload == number
        with self._desk.writing() as entry, entry.changing(UPLOAD, this):
            entry.connection.execute(
                update(table)
                .where(this, table.c.confirmed_at.is_(None))
                .values(confirmed_at=now, batch=batch, **became)
            )


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        upload=row.upload,
        cohort=row.cohort,
        kind=UploadKind(row.kind),
        step=row.step,
        source=row.source,
        account=row.account,
        file=row.file,
        rows=row.rows,
        at=row.at,
        confirmed_at=row.confirmed_at,
        batch=row.batch,
    )
