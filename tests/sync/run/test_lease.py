"""The lease of a run is renewed in the background, and never longer than the run goes on."""

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sync.run.lease import renewed


def test_a_run_does_not_end_while_its_renewal_has_a_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answers, closed = threading.Event(), threading.Event(), threading.Event()

    def renew(*_lease: Any) -> bool:
        asked.set()
        answers.wait()
        closed.set()
        return False

    class Impatient(threading.Thread):
        """Every limit is over at once, and a database answers whoever waits without one."""

        def join(self, timeout: float | None = None) -> None:
            if timeout is None:
                answers.set()
            super().join(timeout and 0)

    monkeypatch.setattr(threading, "Thread", Impatient)
    marks: Any = SimpleNamespace(renew=renew)
    lease: Any = SimpleNamespace(source="loans", student=None)
    with renewed(marks, lease, timedelta(0)):
        asked.wait()
    ended_before_the_run = closed.is_set()
    answers.set()
    assert ended_before_the_run
