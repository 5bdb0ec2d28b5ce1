"""What every connector promises, as tests that each connector's own suite inherits.

A suite names its connector, `class TestFolder(ConnectorContract, of="folder")`, and gives an `office` fixture: a real
office system of that kind that can be filled, asked, and taken out of reach. tests/connectors/test_suites.py finds a
connector that has none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

import pytest

from connectors.port import (
    Cell,
    Connector,
    ProofKind,
    SourceError,
    SourceGarbled,
    SourceUnavailable,
)
from status_db.model import normalise_number
from tests.cast import MORNING

#: The columns every office of these tests offers, and our fields for them.
COLUMNS = {"student": "NUMBER", "title": "TITLE", "reference": "BARCODE"}

#: What the office holds: two rows about one student, one about another, one without a title.
ROWS: tuple[dict[str, str | None], ...] = (
    {"NUMBER": "20151001", "TITLE": "构造地质学", "BARCODE": "B0001"},
    {"NUMBER": "20151001", "TITLE": "普通地质学", "BARCODE": "B0002"},
    {"NUMBER": "20152003", "TITLE": "唐诗选", "BARCODE": "B0003"},
    {"NUMBER": "20152004", "TITLE": None, "BARCODE": "B0004"},
)

_WHOLE = {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED, ProofKind.SECOND_PASS_AGREES}


class Ticking:
    """A clock that moves on by a second each time it is read."""

    def __init__(self, start: datetime = MORNING) -> None:
        self.now = start

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Office(Protocol):
    """A real office system in the hands of a test."""

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        """Hold exactly these rows, under the columns NUMBER, TITLE and BARCODE."""
        ...

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        """Return a connector that asks this office."""
        ...

    def out_of_reach(self) -> Connector:
        """Return a connector with an address where no one answers."""
        ...

    #: What must never stand in a message: the secret it is asked with; empty when there is none.
    secret: str


def _texts(rows: Sequence[tuple[Cell, ...]]) -> list[tuple[str, ...]]:
    """Return cells as text, nothing as an empty one: a sheet knows no difference."""
    return sorted(tuple("" if cell is None else str(cell) for cell in row) for row in rows)


class ConnectorContract:
    """Inherit this, name the connector by `of`, and give an `office`."""

    #: It is asked about students of the roster alone: no row is about anybody else, and progress counts numbers.
    asked_by_number: ClassVar[bool] = False
    #: Its rows are in the settings: it is never out of reach, and other rows are another connector.
    is_its_own_office: ClassVar[bool] = False

    def __init_subclass__(cls, *, of: str = "", backend: str = "", **own: Any) -> None:
        """Take the connector's name, and for `sql` the class of the database, which test_suites.py reads."""
        super().__init_subclass__(**own)

    @pytest.fixture
    def office(self) -> Office:
        raise NotImplementedError("a connector's suite brings its own office")

    def test_no_stand_in_answers_for_it(self, office: Office) -> None:
        assert type(office.connector()).__module__.startswith("connectors.")

    def test_a_snapshot_holds_every_row_by_our_fields(self, office: Office) -> None:
        office.fill(ROWS)
        snapshot = office.connector().pull()
        assert snapshot.fields[0] == "student"
        at = [snapshot.fields.index(field) for field in ("student", "title", "reference")]
        rows = [tuple(row[i] for i in at) for row in snapshot.rows]
        assert _texts(rows) == _texts([tuple(row.values()) for row in ROWS])

    def test_a_snapshot_shows_that_it_is_whole(self, office: Office) -> None:
        office.fill(ROWS)
        kinds = {proof.kind for proof in office.connector().pull().proofs}
        assert kinds & _WHOLE
        assert ProofKind.COLUMNS_PRESENT in kinds

    def test_every_proof_states_what_it_rests_on(self, office: Office) -> None:
        office.fill(ROWS)
        assert all(proof.detail for proof in office.connector().pull().proofs)

    def test_a_snapshot_knows_when_it_began_and_ended(self, office: Office) -> None:
        office.fill(ROWS)
        snapshot = office.connector().pull()
        assert MORNING < snapshot.began <= snapshot.ended

    def test_an_office_that_holds_nothing_gives_a_whole_snapshot_without_rows(self, office: Office) -> None:
        office.fill([])
        snapshot = office.connector().pull()
        assert list(snapshot.rows) == []
        assert {proof.kind for proof in snapshot.proofs} & _WHOLE

    def test_asking_twice_gives_the_same(self, office: Office) -> None:
        office.fill(ROWS)
        connector = office.connector()
        assert _texts(connector.pull().rows) == _texts(connector.pull().rows)

    def test_the_next_pull_sees_what_has_changed(self, office: Office) -> None:
        office.fill(ROWS)
        connector = office.connector()
        connector.pull()
        office.fill(ROWS[2:])
        assert len((office.connector() if self.is_its_own_office else connector).pull().rows) == 2

    def test_progress_ends_with_every_row(self, office: Office) -> None:
        office.fill(ROWS)
        seen: list[int] = []
        office.connector().pull(lambda done, _expected: seen.append(done))
        assert seen
        # How many rows there will be, nobody knows before each number has been asked about.
        assert self.asked_by_number or seen[-1] == len(ROWS)

    def test_asked_about_one_student_it_brings_all_of_theirs(self, office: Office) -> None:
        office.fill(ROWS)
        snapshot = office.connector().pull_one("20151001")
        own = [row for row in snapshot.rows if normalise_number(row[0]) == "20151001"]
        assert len(own) == 2
        assert {proof.kind for proof in snapshot.proofs} & _WHOLE

    def test_asked_about_a_student_who_owes_nothing_it_brings_nothing_of_theirs(self, office: Office) -> None:
        office.fill(ROWS)
        snapshot = office.connector().pull_one("20159999")
        assert not [row for row in snapshot.rows if normalise_number(row[0]) == "20159999"]

    def test_a_missing_column_is_named_with_the_source_and_the_fix(self, office: Office) -> None:
        office.fill(ROWS)
        connector = office.connector({**COLUMNS, "due": "DUE_DAY"})
        with pytest.raises(SourceGarbled) as caught:
            connector.pull()
        assert "DUE_DAY" in caught.value.what
        assert caught.value.fix_text.endswith(".")

    def _is_never_out_of_reach(self) -> None:
        if self.is_its_own_office:
            pytest.skip("its rows stand in the settings file")

    def test_an_office_out_of_reach_is_unavailable(self, office: Office) -> None:
        self._is_never_out_of_reach()
        with pytest.raises(SourceUnavailable) as caught:
            office.out_of_reach().pull()
        assert caught.value.what
        assert caught.value.fix_text.endswith(".")

    def test_a_failure_leaves_nothing_behind(self, office: Office) -> None:
        self._is_never_out_of_reach()
        office.fill(ROWS)
        with pytest.raises(SourceError):
            office.out_of_reach().pull()
        assert len(office.connector().pull().rows) == len(ROWS)

    def test_a_check_shows_the_columns_and_one_row(self, office: Office) -> None:
        office.fill(ROWS)
        sample = office.connector().check()
        assert {"NUMBER", "TITLE", "BARCODE"} <= {column.upper() for column in sample.columns}
        assert sample.row is not None
        assert sample.row["student"] in {row["NUMBER"] for row in ROWS}
        assert sample.where

    def test_a_check_of_an_empty_office_shows_no_row(self, office: Office) -> None:
        office.fill([])
        assert office.connector().check().row is None

    def test_a_broken_cell_in_a_title_costs_no_other_row(self, office: Office) -> None:
        office.fill([{**ROWS[0], "TITLE": "构造\ufffd学"}, *ROWS[1:]])
        snapshot = office.connector().pull()
        assert len(snapshot.rows) == len(ROWS)
        # A list names the row, its header being the first; the others name the column.
        assert [warning for warning in snapshot.warnings if "title" in warning.lower() or "row 2" in warning]
        assert ProofKind.CHARSET_SANE not in {proof.kind for proof in snapshot.proofs}

    def test_a_broken_number_clears_no_one(self, office: Office) -> None:
        if self.asked_by_number:
            pytest.skip("the numbers are the roster's")
        office.fill([{**ROWS[2], "NUMBER": "2015\ufffd003"}, ROWS[0], ROWS[3]])
        try:
            known = office.connector().pull().population
        except SourceGarbled:
            return
        # Whom it may be about is outside the population then, and unknown.
        assert known is not None
        assert "20152003" not in {normalise_number(number) for number in known}

    def test_an_aware_time_keeps_its_zone(self, office: Office) -> None:
        office.fill([{**ROWS[0], "TITLE": "2019-05-30T16:30:00Z"}])
        (row,) = office.connector().pull().rows
        assert "2019-05-30T16:30:00Z" in row

    def test_a_moment_stays_the_moment_it_is(self, office: Office) -> None:
        hold = getattr(office, "fill_with_moment", None)
        if hold is None:
            pytest.skip("this office knows no moment with a zone but as text")
        moment = datetime.fromisoformat("2019-05-31T00:30:00+08:00")
        hold(ROWS[0], moment)
        (cell,) = [cell for row in office.connector().pull().rows for cell in row if isinstance(cell, datetime)]
        assert cell.tzinfo is not None
        assert cell == moment

    def test_rows_about_no_one_are_kept(self, office: Office) -> None:
        if self.asked_by_number:
            pytest.skip("whom it is asked about is on the roster")
        nobody = [{**ROWS[0], "NUMBER": number, "BARCODE": f"D{at}"} for at, number in enumerate((None, "  "))]
        office.fill([*ROWS, *nobody])
        keys = [normalise_number(row[0] or "") for row in office.connector().pull().rows]
        # A ready-made connector may call them by an id of the library's own.
        assert len([key for key in keys if key not in {row["NUMBER"] for row in ROWS}]) == len(nobody)
        assert len(keys) == len(ROWS) + len(nobody)

    def test_bytes_are_no_number(self, office: Office) -> None:
        hold = getattr(office, "fill_with_bytes", None)
        if hold is None:
            pytest.skip("this office has no bytes to give")
        hold(ROWS)
        with pytest.raises(SourceGarbled, match="bytes"):
            office.connector().pull()

    def test_no_secret_is_ever_shown(self, office: Office) -> None:
        if not office.secret:
            pytest.skip("this office is asked without a secret")
        office.fill(ROWS)
        connector = office.connector()
        told = [repr(connector), repr(connector.check()), repr(connector.pull())]
        with pytest.raises(SourceError) as caught:
            office.out_of_reach().pull()
        told.append(str(caught.value))
        assert not [text for text in told if office.secret in text]


#: Eight books of eight students; a page holds two.
MANY: tuple[dict[str, str | None], ...] = tuple(
    {"NUMBER": f"2015100{n}", "TITLE": f"书{n}", "BARCODE": f"C{n}"} for n in range(8)
)


class PagedOffice(Office, Protocol):
    """An office that answers page by page, two rows to a page."""

    def shift_once(self, gone: int, new: Mapping[str, str | None]) -> None:
        """Lose a row and get another one, as soon as the first page has been read."""
        ...


class PagedContract(ConnectorContract):
    """What every connector promises besides that asks page by page for text."""

    @pytest.fixture
    def office(self) -> PagedOffice:
        raise NotImplementedError("a connector's suite brings its own office")

    def test_rows_that_shift_between_pages_release_no_one(self, office: PagedOffice) -> None:
        office.fill(MANY)
        office.shift_once(1, {**MANY[0], "TITLE": "又一本", "BARCODE": "D1"})
        snapshot = office.connector().pull()
        held = {normalise_number(row[0]) for row in snapshot.rows}
        assert {str(row["NUMBER"]) for row in MANY} - {str(MANY[1]["NUMBER"])} <= held

    def test_a_quiet_office_leaves_no_one_unsettled(self, office: PagedOffice) -> None:
        office.fill(MANY)
        snapshot = office.connector().pull()
        assert (len(snapshot.rows), list(snapshot.unsettled)) == (len(MANY), [])
