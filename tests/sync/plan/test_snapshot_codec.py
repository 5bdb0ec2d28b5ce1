"""A suspended run's snapshot comes back exactly as it was read."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Proof, ProofKind, Snapshot
from sync.plan.snapshot_codec import RevertSnapshot, kept_of, pack, unpack
from sync.rule.quality import Quality

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.one_of(st.none(), st.just(UTC))),
    st.dates(),
    st.times(),
    st.binary(),
)
NOW = datetime(2019, 6, 1, tzinfo=UTC)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=10), st.one_of(st.none(), st.lists(CELLS, max_size=5)))
def test_every_cell_comes_back(rows: list[tuple[Any, ...]], population: list[Any] | None) -> None:
    snapshot = Snapshot(("student", "title"), rows, NOW, NOW, (Proof(ProofKind.TOTAL_AGREES, "3 of 3"),), population)
    back = unpack(pack(snapshot))
    assert back == snapshot
    assert [[type(cell) for cell in row] for row in back.rows] == [[type(cell) for cell in row] for row in rows]


def test_what_is_shown_of_the_unmatched_rows_comes_back_without_their_rows() -> None:
    measured = Quality(rows=3, about=1, hinted=1, no_amount=1, unreadable=0, poor=2, branches={"总馆": 1})
    snapshot = Snapshot(("student",), [("S",), ("X",)], NOW, NOW, (), places=[1, 2])
    kept = kept_of(snapshot, [("S",)], [("X", "one_character", "S")], 7, measured)
    assert unpack(pack(kept)) == kept
    assert (kept.rows, kept.places) == ([("S",)], None)


def test_a_way_back_comes_back() -> None:
    way_back = RevertSnapshot((), [], NOW, NOW, (), reverts=7)
    assert unpack(pack(way_back)) == way_back


def test_the_kinds_of_cells_that_drivers_give() -> None:
    rows = [("S", Decimal("1.10")), ("S", date(2019, 6, 1)), ("S", time(7, 40)), ("S", b"\xd5\xc5"), ("S\ud800", 1.5)]
    snapshot = Snapshot(("student", "title"), rows, NOW, NOW, ())
    assert unpack(pack(snapshot)).rows == rows


def test_what_was_read_with_a_reservation_comes_back() -> None:
    snapshot = Snapshot(
        ("student",), [("S",)], NOW, NOW, (), unsettled=("S", 7), as_of=NOW, places=[4], warnings=("row 4: a letter",)
    )
    assert unpack(pack(snapshot)) == snapshot
