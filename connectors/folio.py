"""FOLIO, asked through its gateway: open loans, or open accounts, joined with the users who stand behind them.

As FOLIO's API documentation has it: `/circulation/loans` and `/accounts` name a user's id and no number, `/users` leads
from there to the bar code or the external id; `limit` is 10 unless told; `totalRecords` is an estimate for large
answers unless `totalRecords=exact` is asked for. A page is asked for after the last id that came (`id>`, `sortBy id`),
so that no record slips while others come and go. `/authn/login-with-expiry` leaves an access token of ten minutes in a
cookie, and a refresh token that is good once. An expired token is answered by logging in anew: the refresh token is
never used.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from config.tables.secrets import Secret, Text
from connectors import rest
from connectors.http.join import JoinWords, joined, plain
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

#: So many numbers or ids stand in one question: its address must not grow too long.
_CHUNK = 50

#: What may stand in a question about one user as it is; anything else is asked for as a whole.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Settings(KnownQuestions, HttpTimeouts):
    """Where the gateway is, whose library, what is asked, and where the student number stands."""

    mappings = _COLUMNS

    url: Text
    tenant: str
    user: Text
    password: Secret
    asks: Literal["loans", "accounts"]
    number: Literal["externalSystemId", "barcode", "username"] = "externalSystemId"
    per_page: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class Folio:
    """Asks for users and for what they owe, and joins the two; all of both, or nothing."""

    def __init__(self, settings: Settings, question: Question) -> None:
        self._settings = settings
        self._question = question

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every open loan, or account, by its user's number; one whose user has none is nobody's."""
        return self._joined(_ALL, _OPEN, progress)

    def pull_one(self, student: str) -> Snapshot:
        """Return those of one student; a number that would not be plain in a question is looked for among all."""
        if not _PLAIN.fullmatch(student):
            return self.pull().about(student)
        users = self._users(f'{self._settings.number}=="{student}"')
        ids = " or ".join(str(row[0]) for row in users.rows)
        owed = f"userId==({ids}) and {_OPEN}" if ids else f'userId=="" and {_OPEN}'
        return self._with(users, owed, no_progress).about(student)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return those of the students with these numbers, so many at a time and never out of a cache."""
        wanted = {normalise_number(number) for number in numbers}
        if not wanted or not all(_PLAIN.fullmatch(number) for number in numbers):
            whole = self._with(self._users_rest(_ALL, fresh=True).pull(), _OPEN, progress, fresh=True)
        else:
            users = together(
                [self._among(self._users_rest, self._settings.number, some) for some in chunked(numbers, _CHUNK)]
            )
            ids = [plain(user[0]) for user in users.rows]
            owed = [self._among(self._owed_rest, "userId", some, _OPEN) for some in chunked(ids, _CHUNK)]
            progress(len(numbers), len(numbers))
            things = together(owed or [self._owed_rest(f'userId=="" and {_OPEN}', fresh=True).pull()])
            whole = joined(self._question, users, things, JoinWords("users", self._settings.asks))
        rows = [row for row in whole.rows if row[0] is not None and normalise_number(row[0]) in wanted]
        known = [cell for cell in whole.population or () if normalise_number(cell) in wanted]
        return replace(whole, rows=rows, population=known)

    def check(self) -> Sample:
        """Log in, and show the first user's column and the first record."""
        users = self._users_rest(_ALL).check()
        sample = self._owed_rest(_OPEN).check()
        row, warnings = sample.row, (*users.warnings, *sample.warnings)
        if row is not None and _PLAIN.fullmatch(plain(row["student"])):
            owners = self._users(f'id=="{row["student"]}"').rows
            row = {**row, "student": owners[0][1] if owners else None}
        return Sample(sample.where, ("number", *sample.columns), row, warnings, rows=row_alone(row))

    def _among(self, asked: Callable[..., rest.Rest], field: str, values: Sequence[str], besides: str = "") -> Snapshot:
        """Ask for the records with one of these values."""
        among = " or ".join(f'"{value}"' for value in values)
        return asked(f"{field}==({among})" + (f" and {besides}" if besides else ""), fresh=True).pull()

    def _joined(self, users: str, owed: str, progress: Progress) -> Snapshot:
        return self._with(self._users(users), owed, progress)

    def _with(self, users: Snapshot, owed: str, progress: Progress, *, fresh: bool = False) -> Snapshot:
        things = self._owed_rest(owed, fresh=fresh).pull(progress)
        return joined(self._question, users, things, JoinWords("users", self._settings.asks))

    def _users(self, query: str) -> Snapshot:
        return self._users_rest(query).pull()

    def _users_rest(self, query: str, *, fresh: bool = False) -> rest.Rest:
        columns = {"student": "id", "name": self._settings.number, "reference": "id"}
        return self._rest("users", "users", query, columns, ("name",), fresh=fresh)

    def _owed_rest(self, query: str, *, fresh: bool = False) -> rest.Rest:
        path, records = _PATHS[self._settings.asks]
        columns = {
            field: "userId" if field == "student" else column for field, column in self._question.columns.items()
        }
        optional = tuple(field for field in columns if field != "student")
        return self._rest(path, records, query, columns, optional, fresh=fresh)

    def _rest(
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
