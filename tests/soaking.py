"""Runs each property test again and again for a time: `make property MINUTES=60`.

CLEARANCE_TEST_MINUTES is for how long. Each round draws other examples; a test that fails is not run again. The
summary lists how long each test ran, how many rounds and how many examples it came to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

import pytest
from hypothesis.statistics import collector
from hypothesis.utils.dynamicvariables import DynamicVariable

from tests import sizes


@dataclass
class Played:
    """What one test came to."""

    seconds: float = 0
    rounds: int = 0
    examples: int = 0
    failed: bool = False


@dataclass(eq=False)
class Soaking:
    """The plugin, registered where a time is given."""

    played: dict[str, Played] = field(default_factory=dict)

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run each test for its time, in the place of once."""
        if session.testsfailed or session.config.option.collectonly:
            return None
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            self._play(session, item, following)
        return True

    def _play(self, session: pytest.Session, item: pytest.Item, following: pytest.Item | None) -> None:
        played = self.played[item.nodeid] = Played()
        began, round_took, last = monotonic(), 0.0, False
        while not last:
            # What is the test's own is put away after each round, what a module or a session shares after the last.
            last = monotonic() + round_took - began >= sizes.MINUTES * 60
            round_began, failed = monotonic(), session.testsfailed
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following if last else item.parent)
            round_took = monotonic() - round_began
            played.rounds += 1
            played.seconds = monotonic() - began
            sizes.round_ += 1
            if session.testsfailed > failed:
                played.failed = True
                session._setupstate.teardown_exact(following)  # as after the last round
                return

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Count the examples, also of a property that is inside a test."""

        def count(statistics: Any) -> None:
            phases = (statistics.get(f"{phase}-phase", {}) for phase in ("reuse", "generate", "shrink"))
            self.played[item.nodeid].examples += sum(len(phase.get("test-cases", ())) for phase in phases)

        with cast("DynamicVariable[Any]", collector).with_value(count):
            return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what each test came to."""
        terminalreporter.section("property tests, each for its time")
        for name, played in self.played.items():
            outcome = "FAILED" if played.failed else "ok"
            came_to = f"{played.seconds / 60:6.1f} min {played.rounds:6} rounds {played.examples:9} examples"
            terminalreporter.write_line(f"{came_to}  {outcome}  {name}")
