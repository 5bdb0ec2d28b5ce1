"""A server's wish to be left alone for a while, shared by everybody who asks it during one pull."""

from threading import Lock


class Backoff:
    """Until when nobody asks, in seconds of `time.monotonic`; the latest wish holds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._until = 0.0

    @property
    def until(self) -> float:
        """The moment from which on the server may be asked again; 0 where it has wished for nothing."""
        return self._until

    def wish(self, until: float) -> None:
        """Note that the server wants to be left alone up to this moment."""
        with self._lock:
            self._until = max(self._until, until)
