"""FOLIO, by its gateway: open loans, or open accounts, joined with their users.

As documented in FOLIO's API: `/circulation/loans` and `/accounts` have a user's id and no number, `/users` has the bar
code or the external id; `limit` is 10 by default; `totalRecords` is an estimate for large answers unless
`totalRecords=exact` is set. Each page is requested after the last id (`id>`, `sortBy id`), so that no record is missed
while others are added or removed. `/authn/login-with-expiry` sets an access token of ten minutes in a cookie, and a
refresh token that is valid once. When the token has expired, the connector logs in again and does not use the refresh
token.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.http.join import JoinWords, id_text, joined
from connectors.http.paging import KeyPaging
from connectors.http.settings import HttpTimeouts, TokenAuth, column_key
from connectors.own_keys.questions import KnownQuestions
from connectors.port import Progress, Question, Sample, Snapshot, no_progress, row_alone, together
from foundation.chunks import chunked
from status_db.model import normalise_number

_COLUMNS = {
    "loans": {"student": "number", "title": "item.title", "due": "dueDate", "reference": "id"},
    "accounts": {
        "student": "number",
        "title": "title",
        "kind": "feeFineType",
        "amount": "remaining",
        "reference": "id",
    },
}
_PATHS = {"loans": ("circulation/loans", "loans"), "accounts": ("accounts", "accounts")}

_ALL = "cql.allRecords=1"
_OPEN = 'status.name=="Open"'

#: The most numbers or ids in one question: its address must not be too long.
_CHUNK = 50

#: Numbers that are safe in a query; for any other number, all records are read.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Settings(KnownQuestions, HttpTimeouts):
    """Where the gateway is, the tenant, what is asked, and the field of the student number."""

    mappings = _COLUMNS

    url: Text
    tenant: str
    user: Text
    password: Secret
    asks: Literal["loans", "accounts"]
    number: Literal["externalSystemId", "barcode", "username"] = "externalSystemId"
    per_page: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class Folio:
    """A connector that joins users with what they owe; both whole, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every open loan, or account, by its user's number; without a number, its student cell is empty."""
        return self._pull_joined(_ALL, _OPEN, progress)

    def pull_one(self, student: str) -> Snapshot:
        """Return those of one student; for a number that is not safe in a query, all records are read."""
        if not _PLAIN.fullmatch(student):
            return self.pull().about(student)
        users = self._users(f'{self._settings.number}=="{student}"')
        ids = " or ".join(str(row[0]) for row in users.rows)
        owed = f"userId==({ids}) and {_OPEN}" if ids else f'userId=="" and {_OPEN}'
        return self._join_owed(users, owed, no_progress).about(student)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return those of the students with these numbers, in chunks and never from a cache."""
        wanted = {normalise_number(number) for number in numbers}
        if not wanted or not all(_PLAIN.fullmatch(number) for number in numbers):
            whole = self._join_owed(self._users_rest(_ALL, fresh=True).pull(), _OPEN, progress, fresh=True)
        else:
            users = together(
                [self._records_with(self._users_rest, self._settings.number, some) for some in chunked(numbers, _CHUNK)]
            )
            ids = [id_text(user[0]) for user in users.rows]
            owed = [self._records_with(self._owed_rest, "userId", some, _OPEN) for some in chunked(ids, _CHUNK)]
            progress(len(numbers), len(numbers))
            things = together(owed or [self._owed_rest(f'userId=="" and {_OPEN}', fresh=True).pull()])
            whole = joined(self._question, users, things, JoinWords("users", self._settings.asks))
        rows = [row for row in whole.rows if row[0] is not None and normalise_number(row[0]) in wanted]
        known = [cell for cell in whole.population or () if normalise_number(cell) in wanted]
        return replace(whole, rows=rows, population=known)

    def check(self) -> Sample:
        """Log in, and return the first record with the number of its user."""
        users = self._users_rest(_ALL).check()
        sample = self._owed_rest(_OPEN).check()
        row, warnings = sample.row, (*users.warnings, *sample.warnings)
        if row is not None and _PLAIN.fullmatch(id_text(row["student"])):
            owners = self._users(f'id=="{row["student"]}"').rows
            row = {**row, "student": owners[0][1] if owners else None}
        return Sample(
            sample.where,
            ("number", *sample.columns),
            row,
            warnings,
            rows=row_alone(row),
            whole=sample.whole and row is None,
        )

    def _records_with(
        self, asked: Callable[..., rest.Rest], field: str, values: Sequence[str], besides: str = ""
    ) -> Snapshot:
        """Ask for the records with one of these values."""
        among = " or ".join(f'"{value}"' for value in values)
        return asked(f"{field}==({among})" + (f" and {besides}" if besides else ""), fresh=True).pull()

    def _pull_joined(self, users: str, owed: str, progress: Progress) -> Snapshot:
        return self._join_owed(self._users(users), owed, progress)

    def _join_owed(self, users: Snapshot, owed: str, progress: Progress, *, fresh: bool = False) -> Snapshot:
        things = self._owed_rest(owed, fresh=fresh).pull(progress)
        return joined(self._question, users, things, JoinWords("users", self._settings.asks))

    def _users(self, query: str) -> Snapshot:
        return self._users_rest(query).pull()

    def _users_rest(self, query: str, *, fresh: bool = False) -> rest.Rest:
        columns = {"student": "id", "name": self._settings.number, "reference": "id"}
        return self._list_reader("users", "users", query, columns, ("name",), fresh=fresh)

    def _owed_rest(self, query: str, *, fresh: bool = False) -> rest.Rest:
        path, records = _PATHS[self._settings.asks]
        columns = {
            field: "userId" if field == "student" else column for field, column in self._question.columns.items()
        }
        optional = tuple(field for field in columns if field != "student")
        return self._list_reader(path, records, query, columns, optional, fresh=fresh)

    def _list_reader(
        self,
        path: str,
        records: str,
        query: str,
        columns: Mapping[str, str],
        optional: tuple[str, ...],
        *,
        fresh: bool,
    ) -> rest.Rest:
        s = self._settings
        base = s.url.rstrip("/")
        own = rest.Settings(
            url=f"{base}/{path}",
            params={"query": f"{query} sortBy id", "totalRecords": "exact"},
            headers={"x-okapi-tenant": s.tenant},
            records=records,
            total="totalRecords",
            paging=KeyPaging(
                kind="key",
                after="query",
                expression=f'({query}) and id>"{{key}}" sortBy id',
                counts="rest",
                size="limit",
                per_page=s.per_page,
            ),
            auth=TokenAuth(
                kind="token",
                url=f"{base}/authn/login-with-expiry",
                send={"username": s.user},
                send_secret={"password": s.password},
                token="",
            ),
            optional=optional,
            **s.patience(),
        ).set_by(Settings, self._question.columns, {column_key("name", s.number): "number"})
        return rest.Rest(own, Question(self._question.source, columns, self._question.clock), fresh=fresh)


def connect(settings: Settings, question: Question) -> Folio:
    """Return the connector; it opens nothing yet."""
    return Folio(settings, question)
