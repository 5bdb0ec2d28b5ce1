"""A debt whose number was mistyped: it vanishes from its student, who is in doubt while it is found elsewhere."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Snapshot
from status_db.model import Means, Reason, Record, Verdict
from sync.rule.answer import Answer, ResolvedKeys, differences, keys_to_resolve
from sync.rule.moved import with_moved
from sync.rule.records import SourceRule, group, record_from_rows

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2019, 6, 1, tzinfo=UTC)
FIELDS = ("student", "title", "due", "reference")
RULE = SourceRule(
    "loans", "library", Means.ITEMS, Verdict.CLEARED, "loan", "", Decimal(0), Decimal(1), {}, ZONE, ZONE, b""
)
HELD, UNKNOWN = Verdict.HELD, Verdict.UNKNOWN
ROSTER = ("S1", "S2", "S3")

Row = tuple[Any, ...]
B1: Row = ("S1", "地质学", "2019-05-30", "B1")
B2: Row = ("S1", "唐诗选", "2019-06-02", "B2")


def under(key: object, row: Row) -> Row:
    """Return the row under another key."""
    return (key, *row[1:])


class Office:
    """A library and what is stored of its answers."""

    def __init__(self, fields: tuple[str, ...] = FIELDS) -> None:
        self.fields = fields
        self.stored: dict[str, Record] = {}
        self.hints: dict[str, tuple[str, str]] = {}
        self.doubtful: dict[str, tuple[tuple[str, ...], str]] = {}

    def says(self, *rows: Row, whole: bool = True) -> Answer:
        """Compare these rows with what is stored, and store what has changed; return the difference."""
        groups = group(Snapshot(self.fields, list(rows), NOW, NOW, ()))
        digests = {student: record.digest for student, record in self.stored.items()}
        keys = keys_to_resolve(groups, digests)
        resolved = ResolvedKeys({k: k for k in keys if k in ROSTER}, self.doubtful, self.hints)
        answer = differences(RULE, groups, digests, resolved)
        answer = with_moved(RULE, self.fields, groups, answer, resolved, self.stored, whole=whole)
        for student in answer.vanished:
            del self.stored[student]
        for student, said in answer.changed.items():
            self.stored[student] = record_from_rows(
                RULE, self.fields, student, said.rows, said.digest, said.doubt, said.moved
            )
        return answer

    def owed(self, student: str = "S1") -> tuple[Verdict | None, list[str]]:
        """Return the stored verdict about a student, and the references behind it."""
        record = self.stored.get(student)
        return (record.verdict, sorted(o.reference for o in record.obligations)) if record else (None, [])


@pytest.fixture
def office() -> Office:
    made = Office()
    made.says(B1)
    return made


def test_a_debt_that_is_now_under_an_unmatched_key_leaves_its_student_in_doubt(office: Office) -> None:
    answer = office.says(under("X9", B1))
    assert office.owed() == (UNKNOWN, ["B1"])
    assert (office.stored["S1"].reason, office.stored["S1"].doubt) == (Reason.DOUBTFUL, "moved X9")
    assert answer.moved_to == {"X9"}
    assert not answer.vanished


def test_the_doubt_stays_while_the_debt_is_there_and_nothing_changes_then(office: Office) -> None:
    office.says(under("X9", B1))
    for _ in range(3):
        again = office.says(under("X9", B1))
        assert (again.changed, again.vanished) == ({}, frozenset())
    assert office.owed() == (UNKNOWN, ["B1"])


def test_the_doubt_ends_when_the_debt_is_gone_or_back(office: Office) -> None:
    office.says(under("X9", B1))
    office.says(B1)
    assert (*office.owed(), office.stored["S1"].doubt) == (HELD, ["B1"], "")
    office.says(under("X9", B1))
    office.says(("X9", "别的", "2019-06-09", "B9"))
    assert office.owed() == (None, [])


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(("X9", "地质学", "2019-07-01", "B1"), id="lent again until another day"),
        pytest.param(("X9", "地质学", "", "B1"), id="without a day"),
        pytest.param(("X9", "地质学", "长期", "B1"), id="with a day that cannot be read"),
        pytest.param(("X9", "地质学", "2019-05-30", "B7"), id="another thing due on that day"),
        pytest.param(("S2", "地质学", "2019-05-30", "B1"), id="another student's by the exact number"),
    ],
)
def test_a_thing_that_was_returned_and_is_now_elsewhere_clears_as_ever(office: Office, elsewhere: Row) -> None:
    office.says(elsewhere)
    assert office.owed() == (None, [])


def test_without_a_day_the_reference_alone_shows_nothing() -> None:
    office = Office()
    office.says(("S1", "地质学", None, "B1"))
    office.says(("X9", "地质学", None, "B1"))
    assert office.owed() == (None, [])


def test_a_hint_to_the_student_is_enough_without_the_day(office: Office) -> None:
    office.hints = {"X9": ("one_character", "S1")}
    office.says(("X9", "地质学", "2019-07-01", "B1"), ("X8", "地质学", "2019-07-01", "B1"))
    assert office.owed() == (UNKNOWN, ["B1"])
    office.hints = {"X9": ("one_character", "S2")}
    office.says(("X9", "地质学", "2019-07-01", "B1"))
    assert office.owed() == (None, [])


def test_a_reference_that_many_keys_have_is_no_things_own(office: Office) -> None:
    office.says(under("X9", B1), under("X8", B1))
    assert office.owed() == (None, [])
    office.says(B1)
    office.says(under("X9", B1), under("S2", B1))
    assert office.owed() == (None, [])


def test_two_rows_under_one_key_are_still_one_place(office: Office) -> None:
    office.says(under("X9", B1), ("x9", "地质学", "2019-07-01", "B1"))
    assert office.owed() == (UNKNOWN, ["B1"])


@pytest.mark.parametrize("key", [None, "", "—"])
def test_a_lost_number_is_as_good_as_a_mistyped_one(office: Office, key: object) -> None:
    office.says(under(key, B1))
    assert (*office.owed(), office.stored["S1"].doubt) == (UNKNOWN, ["B1"], "moved")


def test_a_doubtful_key_is_an_unmatched_one_too(office: Office) -> None:
    office.doubtful = {"99": (("S3",), "leading_zero")}
    office.says(under("99", B1))
    assert office.owed() == (UNKNOWN, ["B1"])


def test_who_owes_another_thing_stays_held_for_both_until_both_are_settled() -> None:
    office = Office()
    office.says(B1, B2)
    office.says(under("X9", B1), B2)
    assert (*office.owed(), office.stored["S1"].doubt) == (HELD, ["B1", "B2"], "moved X9")
    assert office.says(under("X9", B1), B2).changed == {}
    office.says(under("X9", B1))
    assert office.owed() == (UNKNOWN, ["B1"])
    office.says(("X1", "别的", "2019-06-09", "B9"))
    assert office.owed() == (None, [])


def test_what_is_still_the_students_own_has_not_moved(office: Office) -> None:
    office.says(("S1", "地质学", "2019-06-30", "B1"), under("X9", B1))
    assert (*office.owed(), office.stored["S1"].doubt) == (HELD, ["B1"], "")


def test_an_answer_about_one_student_keeps_the_doubt_and_makes_none(office: Office) -> None:
    office.says(under("X9", B1))
    assert office.says(whole=False).vanished == frozenset()
    assert office.owed() == (UNKNOWN, ["B1"])
    office.says(B1)
    office.says(whole=False)
    assert office.owed() == (None, [])


def test_a_source_without_references_is_compared_as_ever() -> None:
    office = Office(("student", "title"))
    office.says(("S1", "地质学"))
    office.says(("X9", "地质学"))
    assert office.owed() == (None, [])


def test_a_source_without_days_needs_a_hint() -> None:
    office = Office(("student", "reference"))
    office.says(("S1", "B1"))
    office.hints = {"X9": ("same_name", "S1")}
    office.says(("X9", "B1"))
    assert office.owed() == (UNKNOWN, ["B1"])


KEYS = st.sampled_from([*ROSTER, "X8", "X9", None])
ROWS = st.lists(
    st.tuples(
        KEYS, st.just("甲"), st.sampled_from(["2019-05-30", "2019-06-30", None]), st.sampled_from(["B1", "B2", ""])
    ),
    max_size=6,
)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters_and_the_same_answer_changes_nothing(
    before: list[Row], after: list[Row], random: Any
) -> None:
    one, two = Office(), Office()
    shuffled = after[:]
    random.shuffle(shuffled)
    for office, rows in ((one, after), (two, shuffled)):
        office.says(*before)
        office.says(*rows)
    assert one.stored == two.stored
    again = one.says(*after)
    assert (again.changed, again.vanished) == ({}, frozenset())
