"""Bearers: whose token a request brings, how many requests it has left, and what it has looked at lately.

Nothing else lets anybody in: no cookie, no parameter.
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

#: So many looks are remembered; beyond that the database is asked whether one was noted.
_REMEMBERED = 100_000

_CHALLENGE = 'Bearer realm="clearance"'


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose request it is."""

    token: ApiToken
    account: Account
    address: str


@dataclass(slots=True)
class TokenRate:
    """How many requests each token has left; in this process's memory alone."""

    #: A minute.
    rate: int
    _left: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def take(self, token: str, now: datetime) -> timedelta:
        """Take one; return how long to wait where none is left."""
        left, last = self._left.get(token, (float(self.rate), now))
        left = min(self.rate, left + (now - last).total_seconds() * self.rate / 60)
        if left < 1:
            return timedelta(seconds=(1 - left) * 60 / self.rate)
        self._left[token] = (left - 1, now)
        return timedelta(0)


@dataclass(slots=True)
class Impacts:
    """What each token has looked at, and when that was noted: an hour is not noted twice."""

    _noted: dict[tuple[str, str, str], datetime] = field(default_factory=dict)

    def noted(self, token: ApiToken, cohort: str, what: str, now: datetime) -> bool:
        """Say whether this was noted within the hour."""
        last = self._noted.get((token.id, cohort, what))
        return last is not None and now - last < api_tokens.TOUCH

    def remember(self, token: ApiToken, cohort: str, what: str, now: datetime) -> None:
        """Remember that it was."""
        self._noted.pop((token.id, cohort, what), None)
        self._noted[token.id, cohort, what] = now
        while len(self._noted) > _REMEMBERED:
            del self._noted[next(iter(self._noted))]


@dataclass(frozen=True, slots=True)
class BearerCheck:
    """Lets in who brings a token."""

    reading: Tokens
    writing: Tokens
    pace: TokenRate
    looks: Impacts = field(default_factory=Impacts)

    async def enter(self, request: Request, services: Services, now: datetime) -> Bearer:
        """Return whose token a request brings. Raises NoAnswer: 401 without one that opens, 429 for too many."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            detail = "Bring a token: Authorization: Bearer clr_… An administrator makes one."
            raise NoAnswer(401, detail, headers={"WWW-Authenticate": _CHALLENGE})
        token_hash = api_tokens.hash_of(secret.strip())
        found = await services.ask(self.reading.find, token_hash, now)
        if found is None:
            challenge = {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'}
            raise NoAnswer(401, "This token opens nothing, or nothing any more. Ask for a new one.", headers=challenge)
        token, account = found
        wait = self.pace.take(token.id, now)
        if wait:
            seconds = ceil(wait.total_seconds())
            detail = f"More than {self.pace.rate} requests in a minute. Ask again in {seconds} s."
            raise NoAnswer(429, detail, headers={"Retry-After": str(seconds)})
        if token.used_at is None or now - token.used_at >= api_tokens.TOUCH:
            await services.ask_long(self.writing.touch, token_hash, now)
        return Bearer(token, account.during(services.settings.cohort_keys()), addresses.of(request.scope))

    async def note_student(self, services: Services, bearer: Bearer, cohort: str, number: str, now: datetime) -> None:
        """Note that a student was looked at, once in an hour."""
        if not self.looks.noted(bearer.token, cohort, number, now):
            await services.ask_long(self.writing.note_seen, bearer.token, cohort, number, now, bearer.address)
            self.looks.remember(bearer.token, cohort, number, now)

    async def note_list(self, services: Services, bearer: Bearer, cohort: str, asked: str, now: datetime) -> None:
        """Note that a list was asked for, once in an hour for each question."""
        if not self.looks.noted(bearer.token, cohort, f"?{asked}", now):
            await services.ask_long(self.writing.note_listed, bearer.token, cohort, asked, now, bearer.address)
            self.looks.remember(bearer.token, cohort, f"?{asked}", now)
