"""Throttling of sign-ins: after a few failures the next try must wait, each time longer.

Failures are counted in the desk's database, so that all workers count together. An account is counted separately on a
device where it has signed in before, so failures elsewhere cannot lock its owner out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config.tables.portal import Auth, Portal
from portal.web import addresses
from status_db.sign_in.login_attempts import Limit, LoginAttempts

#: A password: by account and device, or by account for all devices that are new to it.
_PASSWORD = Limit(4, timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30))
#: Six digits that change: fewer tries, and longer waits.
_FACTOR = Limit(4, timedelta(seconds=30), timedelta(minutes=30), timedelta(hours=12))
#: Other people can know half of an identity number: five tries, after which trying them all takes years.
_IDENTITY = Limit(4, timedelta(minutes=15), timedelta(days=1), timedelta(days=30))

#: A whole dormitory may share one address: a hundred failures in each half hour cost nothing.
_ADDRESS = Limit(100, timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=30))
_ADDRESS_TURN = timedelta(minutes=30)


@dataclass(slots=True)
class LoginTry:
    """One try. It counts as a failure until it succeeds."""

    #: How long it must wait. If it must, it was not counted, and nothing may be compared.
    wait: timedelta
    forgotten: list[str] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Begins tries. Every method raises StoreError when the database fails."""

    attempts: LoginAttempts
    #: In the strict profile: the failures in a row after which an account is locked, from any device.
    lock: Limit | None = None
    #: Whether loopback addresses are counted. Without `proxies`, a local proxy may hide its visitors' addresses, and
    #: all visitors would be counted as one.
    own_addresses: bool = False

    @classmethod
    def of(cls, attempts: LoginAttempts, auth: Auth, portal: Portal) -> "Throttle":
        """Return the throttle for these settings."""
        strict = auth.profile == "strict"
        lock = Limit(auth.lock_after - 1, auth.lock_for, auth.lock_for, auth.lock_for) if strict else None
        return cls(attempts, lock, bool(portal.proxies))

    def password(self, account: str, address: str, device: str, now: datetime) -> LoginTry:
        """Begin a try with a password; `device` is empty if the account has never signed in on it."""
        if device:
            return self._begin({f"device {device} {account}": _PASSWORD} | self._lock(account), "", now)
        return self._begin({f"account {account}": _PASSWORD} | self._lock(account), address, now)

    def code(self, address: str, now: datetime) -> LoginTry:
        """Begin a try with a one-time code. Sixty random bits cannot be guessed, so the account is not throttled."""
        return self._begin({}, address, now)

    def identity(self, account: str, address: str, now: datetime) -> LoginTry:
        """Begin a try with an identity number."""
        return self._begin({f"identity {account}": _IDENTITY}, address, now)

    def factor(self, account: str, now: datetime) -> LoginTry:
        """Begin a try with a second factor. A correct password does not clear these failures."""
        return self._begin({f"factor {account}": _FACTOR}, "", now)

    def succeeded(self, tried: LoginTry) -> None:
        """Clear the failures that a successful try counted as."""
        self.attempts.succeeded(tried.forgotten, tried.spared)

    def unlock(self, account: str) -> None:
        """Clear every failure of an account, except those on its known devices."""
        self.attempts.succeeded([f"{kind} {account}" for kind in ("account", "lock", "identity", "factor")])

    def _lock(self, account: str) -> dict[str, Limit]:
        return {f"lock {account}": self.lock} if self.lock is not None else {}

    def _begin(self, limits: dict[str, Limit], address: str, now: datetime) -> LoginTry:
        shared = {f"address {network} {_turn(now)}": _ADDRESS for network in self._networks(address)}
        wait = self.attempts.begin(limits | shared, now)
        return LoginTry(wait, list(limits), list(shared))

    def _networks(self, address: str) -> list[str]:
        uncounted = not address or (addresses.is_own(address) and not self.own_addresses)
        return [] if uncounted else [addresses.network(address)]


def _turn(now: datetime) -> int:
    """Return the half hour of a time. The failures of many honest people do not add up over a day."""
    return int(now.timestamp() // _ADDRESS_TURN.total_seconds())
