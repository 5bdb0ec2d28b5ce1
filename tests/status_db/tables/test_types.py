"""Long texts, and texts that no database stores: SQLite and PostgreSQL take the same, and refuse the rest alike."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, String, Text, select, update

from status_db import tables
from status_db.model import LONGEST_OF_ROSTER, ROSTER, RunState, Verdict
from status_db.store import bulk
from status_db.store.engine import StoreError, reading, writing
from status_db.store.schema_version import Part
from status_db.tables.types import Line, Prose, TextError, storable
from tests.cast import LIN
from tests.world import COHORT, World

LONG = "长" * 10_000


def texts() -> Iterator[tuple[Part, Column[str]]]:
    """Give every column of text, with its part."""
    for part, metadata in (("marks", tables.marks), ("desk", tables.desk)):
        for table in metadata.sorted_tables:
            for column in table.c:
                if isinstance(column.type, Line | Prose):
                    yield part, column  # type: ignore[misc]  # a tuple of literals is read as text


def test_every_column_of_text_is_checked() -> None:
    unchecked = [
        str(column)
        for metadata in (tables.marks, tables.desk)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, String | Text)
    ]
    assert unchecked == []


def test_a_text_that_is_too_long_or_no_text_is_refused_by_every_column_in_the_same_words(world: World) -> None:
    def refused(part: Part, column: Column[str], value: str) -> str:
        engine = world.engine if part == "marks" else world.desk_engine
        with pytest.raises(StoreError) as refusal, writing(engine, COHORT, part) as connection:
            connection.execute(update(column.table).values({column.key: value}))
        return str(refusal.value)

    for part, column in texts():
        if isinstance(column.type, Line):
            most = column.type.most
            said = refused(part, column, "x" * (most or 0) + "y")
            assert said.endswith(f"the limit is {most}. Make it shorter."), column
        assert "contains a NUL" in refused(part, column, "a\0"), column
        assert "half of a character" in refused(part, column, "a\ud800"), column


@given(st.lists(st.none() | st.text("a0\0长\ud800", max_size=6), max_size=5))
def test_texts_that_are_checked_together_are_accepted_exactly_when_each_of_them_is(values: list[str | None]) -> None:
    each = True
    for value in values:
        try:
            storable(value or "", 4)
        except TextError:
            each = False
    assert Line(4).accepts_all(values) is each


def test_what_is_asked_for_may_be_anything_and_finds_nothing(world: World) -> None:
    engines: dict[Part, Engine] = {"marks": world.engine, "desk": world.desk_engine}
    for part, column in texts():
        with reading(engines[part]) as connection:
            for sought in (LONG, "a\0", "a\ud800"):
                assert connection.execute(select(column).where(column == sought)).all() == [], column
                assert connection.execute(select(column).where(column.in_([sought]))).all() == [], column


def test_rows_in_bulk_are_checked_as_well(world: World) -> None:
    columns, row = ("cohort", "source", "key", "near", "student", "run"), (COHORT, "loans", LONG, "", "", 1)
    with pytest.raises(StoreError, match="the limit is 64"), writing(world.engine, COHORT) as connection:
        bulk.insert(connection, tables.unmatched_key, columns, [row])


def test_a_number_that_no_database_counts_to_is_refused(world: World) -> None:
    with pytest.raises(StoreError, match="cannot store a value"):
        world.reader.run(COHORT, 10**30)


class TestOfAnOffice:
    def test_titles_references_and_keys_may_have_any_length(self, world: World) -> None:
        world.run(ROSTER)
        world.says["loans"] = [
            {"CARD": LIN.number, "TITLE": LONG, "DUE": "2019-05-30", "BARCODE": LONG},
            {"CARD": LONG, "TITLE": "x", "DUE": "", "BARCODE": ""},
        ]
        assert world.run("loans").state is RunState.APPLIED
        (owed,) = next(s for s in world.student(LIN.number).steps if s.step == "library").finding.evidence
        assert (owed.title, owed.reference) == (LONG, LONG)
        (unmatched,) = world.reader.unmatched_keys(COHORT, "loans")
        assert len(unmatched.key) == 64

    def test_many_doubts_about_one_student_are_kept_as_far_as_they_fit(self, world: World) -> None:
        world.run(ROSTER)
        world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": f"{place} or more, nobody knows"} for place in range(20)]
        assert world.run("fines").state is RunState.APPLIED
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN

    def test_a_roster_with_a_text_that_is_too_long_is_refused_with_its_student(self, world: World) -> None:
        listed = world.says[ROSTER]
        for column, header in (("name", "姓名"), ("college", "学院"), ("building", "楼栋")):
            world.says[ROSTER] = [{**listed[0], header: LONG}, *listed[1:]]
            outcome = world.run(ROSTER)
            assert outcome.state is RunState.FAILED
            assert f"has a {column} of 10,000 characters for student {listed[0]['学号']}" in outcome.message
            assert f"the limit is {LONGEST_OF_ROSTER[column]}" in outcome.message
        for header in ("学号", "一卡通"):
            world.says[ROSTER] = [{**listed[0], header: "9" * 65}, *listed[1:]]
            assert "a number of 65 characters" in world.run(ROSTER).message
