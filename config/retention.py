"""Retention: how long each kind of row is kept, and what the law says of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from config.table import STRICT, CronLine, Span


def _forever(value: object) -> object:
    """Read "never", 0 and "0 d" as no removal at all."""
    if value in (0, "never"):
        return None
    if isinstance(value, str) and value.strip().startswith("0"):
        digits = value.strip().rstrip("sminhd ")
        return None if digits.strip("0") == "" else value
    return value


Kept = Annotated[Span | None, BeforeValidator(_forever)]


def _at_least(**span: float) -> object:
    return Field(ge=timedelta(**span))


class Retention(BaseModel):
    """How long rows are kept. "never", or 0, removes none."""

    model_config = STRICT

    #: When the rules are carried out, on the institution's clocks.
    cron: CronLine = "40 3 * * *"
    #: Sessions, from when they were opened; never before [auth] session_longest. Signing in removes ended ones, too.
    sessions: Kept = timedelta(days=7)
    #: Failed sign-ins, from the last one. The longest throttle lasts 30 days.
    login_attempts: Annotated[Kept, _at_least(days=30)] = timedelta(days=60)
    #: Tickets of a provider, from their use. Providers forget their own within minutes.
    used_tickets: Annotated[Kept, _at_least(hours=1)] = timedelta(days=2)
    #: One-time codes, from their use or their end.
    one_time_codes: Kept = timedelta(days=30)
    #: Tokens of the API, from when they were revoked or ended.
    tokens: Kept = timedelta(days=180)
    #: Sheets that were uploaded and confirmed. An unconfirmed one is removed after a day.
    uploads: Annotated[Kept, _at_least(days=1)] = timedelta(days=180)
    #: Requests of the pages, from when they were served.
    requests: Annotated[Kept, _at_least(days=2)] = timedelta(days=365)
    #: Lines of the audit log.
    audit: Kept = timedelta(days=1095)
    #: Students' accounts, from when they were closed.
    closed_accounts: Kept = timedelta(days=365)
    #: Keyed hashes of document numbers, from when they were imported.
    identities: Kept = timedelta(days=180)
    #: Answers kept for suspended runs, once the run is over.
    kept_snapshots: Kept = timedelta(days=7)

    def spans(self, *, session_longest: timedelta) -> dict[str, timedelta | None]:
        """Return rule → how long its rows are kept; None where they are never removed."""
        found = {name: getattr(self, name) for name in RULES}
        if self.sessions is not None:
            found["sessions"] = max(self.sessions, session_longest)
        return found


#: The rules, in the order in which they are carried out and shown.
RULES = tuple(name for name in Retention.model_fields if name != "cron")

#: Rows that lead to no person.
_NOT_PERSONAL = {"used_tickets"}

#: Logs of the network are kept this long or longer.
SHORTEST_AUDIT = timedelta(days=180)


def warnings(retention: Retention) -> Iterator[str]:
    """Give a line for each rule that the law speaks against."""
    for name in RULES:
        if getattr(retention, name) is None and name not in _NOT_PERSONAL:
            yield (
                f"[retention] {name}: never removed. Personal data are kept no longer than their purpose needs "
                "(PIPL article 19): set a duration."
            )
    if retention.audit is not None and retention.audit < SHORTEST_AUDIT:
        yield (
            f"[retention] audit: {retention.audit.days} d is shorter than the six months for which the Cybersecurity "
            f"Law (article 21) has logs kept: set {SHORTEST_AUDIT.days} d or more."
        )
