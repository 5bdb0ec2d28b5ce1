"""Slowing down who guesses passwords: after a few failures, the next try has to wait, each time longer."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

#: So many failures cost nothing.
_FREE = 4
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=5)

#: A failure is forgotten after this long without another.
_FORGET = timedelta(minutes=30)

#: So many guessers are remembered; beyond that the oldest are forgotten.
_REMEMBERED = 10_000


@dataclass(slots=True)
class Slowdown:
    """Failures by account and address, in this process's memory alone."""

    _failures: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)

    def wait(self, account: str, address: str, now: datetime) -> timedelta:
        """Return how long the next try has to wait; nothing when it need not."""
        count, last = self._failures.get((account, address), (0, now))
        if count <= _FREE or now - last >= _FORGET:
            return timedelta(0)
        doublings: int = 2 ** min(count - _FREE - 1, 10)
        pause = min(_FIRST_WAIT * doublings, _LONGEST_WAIT)
        return max(last + pause - now, timedelta(0))

    def failed(self, account: str, address: str, now: datetime) -> None:
        """Note a failure."""
        count, last = self._failures.pop((account, address), (0, now))
        self._failures[account, address] = (count + 1 if now - last < _FORGET else 1, now)
        while len(self._failures) > _REMEMBERED:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of one who got in."""
        self._failures.pop((account, address), None)
