"""Bearer tokens of the API: their accounts, their request limit, and the audit of what they have read recently.

Only a token gives access, not a cookie or a parameter.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from starlette.requests import Request

from portal.api.problems import NoAnswer
from portal.page.services import Services
from portal.web import addresses
from status_db.accounts import api_tokens
from status_db.accounts.accounts import Account
from status_db.accounts.api_tokens import ApiToken, Tokens

#: Recent reads kept in memory, at most. For older ones the database is asked whether one was noted.
_REMEMBERED = 100_000

_CHALLENGE = 'Bearer realm="clearance"'


@dataclass(frozen=True, slots=True)
class Bearer:
    """The token and account of a request."""

    token: ApiToken
    account: Account
    address: str


@dataclass(slots=True)
class TokenRate:
    """The number of requests that each token has left, in this process's memory only."""

    #: Requests a minute.
    rate: int
    _left: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def take(self, token: str, now: datetime) -> timedelta:
        """Use one request; return how long to wait if none is left."""
        left, last = self._left.get(token, (float(self.rate), now))
        left = min(self.rate, left + (now - last).total_seconds() * self.rate / 60)
        if left < 1:
            return timedelta(seconds=(1 - left) * 60 / self.rate)
        self._left[token] = (left - 1, now)
        return timedelta(0)


@dataclass(slots=True)
class NotedReads:
    """What each token has read, and when that was noted: each read is noted once an hour."""

    _noted: dict[tuple[str, str, str], datetime] = field(default_factory=dict)

    def noted(self, token: ApiToken, cohort: str, what: str, now: datetime) -> bool:
        """Return whether this was noted within the last hour."""
        last = self._noted.get((token.id, cohort, what))
        return last is not None and now - last < api_tokens.TOUCH

    def remember(self, token: ApiToken, cohort: str, what: str, now: datetime) -> None:
        """Store that this was noted now."""
        self._noted.pop((token.id, cohort, what), None)
        self._noted[token.id, cohort, what] = now
        while len(self._noted) > _REMEMBERED:
            del self._noted[next(iter(self._noted))]


@dataclass(frozen=True, slots=True)
class BearerCheck:
    """Admits requests with a valid token."""

    reading: Tokens
    writing: Tokens
    pace: TokenRate
    noted_reads: NotedReads = field(default_factory=NotedReads)

    async def enter(self, request: Request, services: Services, now: datetime) -> Bearer:
        """Return the token and account of a request. Raises NoAnswer: 401 without a valid token, 429 over the limit."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            detail = "The token is missing. Ask an administrator for one and send it: Authorization: Bearer clr_…"
            raise NoAnswer(401, detail, headers={"WWW-Authenticate": _CHALLENGE})
        token_hash = api_tokens.hash_of(secret.strip())
        found = await services.ask(self.reading.find, token_hash, now)
        if found is None:
            challenge = {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
            raise NoAnswer(401, "This token is not valid, or no longer valid. Ask for a new one.", headers=challenge)
        token, account = found
        wait = self.pace.take(token.id, now)
        if wait:
            seconds = ceil(wait.total_seconds())
            detail = f"More than {self.pace.rate} requests in a minute. Retry in {seconds} s."
            raise NoAnswer(429, detail, headers={"Retry-After": str(seconds)})
        if token.used_at is None or now - token.used_at >= api_tokens.TOUCH:
            await services.ask_long(self.writing.touch, token_hash, now)
        return Bearer(token, account.during(services.settings.cohort_keys()), addresses.of(request.scope))

    async def note_student(self, services: Services, bearer: Bearer, cohort: str, number: str, now: datetime) -> None:
        """Add to the audit log that a student was read, once an hour."""
        if not self.noted_reads.noted(bearer.token, cohort, number, now):
            await services.ask_long(self.writing.note_seen, bearer.token, cohort, number, now, bearer.address)
            self.noted_reads.remember(bearer.token, cohort, number, now)

    async def note_list(self, services: Services, bearer: Bearer, cohort: str, asked: str, now: datetime) -> None:
        """Add to the audit log that a list was read, once an hour for each question."""
        if not self.noted_reads.noted(bearer.token, cohort, f"?{asked}", now):
            await services.ask_long(self.writing.note_listed, bearer.token, cohort, asked, now, bearer.address)
            self.noted_reads.remember(bearer.token, cohort, f"?{asked}", now)
