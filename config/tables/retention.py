"""Retention: how long each kind of row is kept, and the limits that the law sets."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from config.tables.base import STRICT, CronLine, Span
from foundation.translation import tr

_NO_REMOVAL = re.compile(r"never|0+\s*(s|min|h|d)?")


def _none_for_never(value: object) -> object:
    """Return None for "never", 0 and "0 d", which mean no removal."""
    return None if _NO_REMOVAL.fullmatch(str(value).strip()) else value


_NoneForNever = BeforeValidator(_none_for_never)
Kept = Annotated[Span | None, _NoneForNever]


def _at_least(**span: float) -> object:
    return Field(ge=timedelta(**span))


class Retention(BaseModel):
    """How long rows are kept. "never", or 0, removes none."""

    model_config = STRICT

    #: When the schedule applies the rules, in the institution's time zone.
    cron: CronLine = "40 3 * * *"
    #: Sessions, from sign-in. Never shorter than `session_longest` in `[auth]`.
    sessions: Kept = timedelta(days=7)
    #: Failed sign-ins, from the last failure: 30 days or more.
    login_attempts: Annotated[Annotated[Span, _at_least(days=30)] | None, _NoneForNever] = timedelta(days=60)
    #: Tickets of a sign-in provider, from their use: an hour or more.
    used_tickets: Annotated[Annotated[Span, _at_least(hours=1)] | None, _NoneForNever] = timedelta(days=2)
    #: One-time codes, from their use or their end.
    one_time_codes: Kept = timedelta(days=30)
    #: Tokens of the API, from their revocation or their end.
    tokens: Kept = timedelta(days=180)
    #: Imported sheets, from confirmation: a day or more. An unconfirmed sheet is removed after a day.
    uploads: Annotated[Annotated[Span, _at_least(days=1)] | None, _NoneForNever] = timedelta(days=180)
    #: Requests of the pages, such as a recheck, from when they were served: 2 days or more.
    requests: Annotated[Annotated[Span, _at_least(days=2)] | None, _NoneForNever] = timedelta(days=365)
    #: Lines of the audit log. `clearance check` warns below 180 days.
    audit: Kept = timedelta(days=1095)
    #: Students' accounts, from when the schedule first found them closed.
    closed_accounts: Kept = timedelta(days=365)
    #: Hashes of identity numbers, from when the schedule first found them.
    identities: Kept = timedelta(days=180)
    #: Answers kept for suspended runs, from the end of the run.
    kept_snapshots: Kept = timedelta(days=7)

    def spans(self, *, session_longest: timedelta) -> dict[str, timedelta | None]:
        """Return rule → how long its rows are kept; None if they are never removed."""
        found = {name: getattr(self, name) for name in RULES}
        if self.sessions is not None:
            found["sessions"] = max(self.sessions, session_longest)
        return found


#: The rules, in the order in which they are applied and shown.
RULES = tuple(name for name in Retention.model_fields if name != "cron")

#: Rules for rows without personal data.
_NOT_PERSONAL = {"used_tickets"}

#: The shortest time that the law allows for network logs.
SHORTEST_AUDIT = timedelta(days=180)


def warnings(retention: Retention) -> Iterator[str]:
    """Yield a line for each rule that conflicts with the law."""
    for name in RULES:
        if getattr(retention, name) is None and name not in _NOT_PERSONAL:
            yield (
                tr(
                    "[retention] {name}: never removed. Personal data must not be kept longer than their purpose "
                    "needs (PIPL article 19): set a duration.",
                    name=name,
                )
            )
    if retention.audit is not None and retention.audit < SHORTEST_AUDIT:
        yield (
            tr(
                "[retention] audit: {audit} d is shorter than the six months for which the Cybersecurity Law "
                "(article 21) requires logs: set {shortest} d or more.",
                audit=retention.audit.days,
                shortest=SHORTEST_AUDIT.days,
            )
        )
