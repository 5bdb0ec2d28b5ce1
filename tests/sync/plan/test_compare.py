"""A recheck is about one student: rows about others are left out, and no one else is released."""

from types import SimpleNamespace
from typing import Any

import pytest

from connectors.port import Cell, Snapshot
from sync.plan.compare import compare, match
from sync.rule.records import Rows
from tests.cast import LI, LIN, QIAN
from tests.sync.plan.test_stages import people
from tests.sync.rule.test_reconcile import NOW, RULE

SHARED = "C-9"


@pytest.mark.parametrize(
    ("student", "keys"),
    [
        (None, {LIN.number, LIN.card, QIAN.number, SHARED}),
        (LIN.number, {LIN.number, LIN.card, SHARED}),
        (QIAN.number, {QIAN.number}),
        (LI.number, {SHARED}),
    ],
)
def test_a_recheck_keeps_only_the_rows_that_mean_or_may_mean_its_student(student: str | None, keys: set[str]) -> None:
    groups: dict[Cell, Rows] = {key: [(key,)] for key in (LIN.number, LIN.card, QIAN.number, SHARED)}
    roster = people(
        {LIN.number: True},
        aliases={LIN.card: [LIN.number], SHARED: [LIN.number, LI.number]},
        asked=[LIN.card, SHARED],
    )
    gathered: Any = SimpleNamespace(digests={QIAN.number: b"stored"}, people=roster)
    snapshot = Snapshot(("student",), [row for rows in groups.values() for row in rows], NOW, NOW, ())
    assert set(match(RULE, snapshot, groups, gathered, student).groups) == keys


def test_a_recheck_releases_no_one_else() -> None:
    stored = {LIN.number: b"a", QIAN.number: b"b"}
    gathered: Any = SimpleNamespace(
        digests=stored, people=people({}), outside=frozenset(), later=frozenset(), fresh={}, headcount=None
    )
    snapshot = Snapshot(("student", "title"), [], NOW, NOW, ())
    matched = match(RULE, snapshot, {}, gathered, LIN.number)
    assert compare(RULE, snapshot, matched, gathered, LIN.number).answer.vanished == {LIN.number}
