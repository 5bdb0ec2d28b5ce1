"""A server's request to wait, shared by all sessions of one pull."""

from threading import Lock


class Backoff:
    """The time until which no session asks, in seconds of `time.monotonic`; the latest request applies."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until = 0.0

    @property
    def until(self) -> float:
        """The time from which the server can be asked again; 0 where it has requested no pause."""
        return self._until

    def extend(self, until: float) -> None:
        """Note that the server requests a pause up to this time."""
        with self._lock:
            self._until = max(self._until, until)
