"""Numbers inside keys: what a key may name besides itself, and what holds no number at all."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Proof, ProofKind, Snapshot, together
from status_db.model import normalise_number
from status_db.student_numbers import is_empty, may_mean, numbers_within, without_addition

NOW = datetime(2019, 6, 1, tzinfo=UTC)
NUMBER = "2015150002"


@pytest.mark.parametrize(
    "key",
    [
        "2015150002 李二", "李二2015150002", "2015150002(文学院)", "2015150002（文学院）", "2015-150002", "2015 150002",
        "2015_150002", "2015.15.0002", "2015150003、2015150002", "学号：2015150002。", "LI 2015 150002",
        "2015 150002 LI",
        "２０１５１５０００２ 李二", "2015‐150002", "'2015150002'", "#2015150002", "20 15 15 0002",
        "2015 150002/2015 150003",
    ],
)  # fmt: skip
def test_a_number_is_found_as_a_whole_token_or_written_with_punctuation(key: str) -> None:
    assert NUMBER in numbers_within(normalise_number(key))
    assert may_mean(key, NUMBER)


@pytest.mark.parametrize(
    "key",
    [
        "XY2015150002", "20151500021", "12015150002", "2015150002XY", "2015年150002号", "X 20 15 15 00 02 Y", "李二",
        "", "-", "00002015150002",
        "2015150003 李二", "15150002 李二",
    ],
)  # fmt: skip
def test_a_part_of_another_token_is_no_number(key: str) -> None:
    assert NUMBER not in numbers_within(normalise_number(key))
    assert not may_mean(key, NUMBER)


@pytest.mark.parametrize(
    "key", ["X2015150002", "2015150002x", "02015150002", "0002015150002", "读者 X2015150002", "X 20 15 15 00 02"]
)
def test_a_zero_or_a_letter_too_many_may_be_the_number(key: str) -> None:
    assert NUMBER in without_addition(normalise_number(key))
    assert NUMBER not in numbers_within(normalise_number(key))
    assert may_mean(key, NUMBER)


def test_a_short_number_is_in_no_longer_one() -> None:
    assert without_addition("A12345") == without_addition("012345") == frozenset()
    assert without_addition("A123456") == {"123456"}


def test_a_plain_key_names_nothing_but_itself() -> None:
    assert numbers_within(NUMBER) == numbers_within("C77") == frozenset()


def test_a_number_with_letters_of_another_script_is_one_token() -> None:
    assert "研2015001" in numbers_within("研2015001 李二")
    assert "研2015001" in numbers_within("研-2015001")


def test_a_key_is_never_named_as_within_itself_and_nothing_longer_than_a_number_is() -> None:
    assert "研2015001" not in numbers_within("研2015001")
    assert max(map(len, numbers_within("9" * 70 + " " + "8" * 64))) == 64


@given(st.text(max_size=200))
def test_the_work_grows_with_the_key_alone(key: str) -> None:
    assert len(numbers_within(key)) <= 4 * len(key) + 1


@pytest.mark.parametrize(
    "cell", [None, "", " ", "\u3000", "\u200b", "-", "—", "——", "/", "〃", "″", '"', "''", "同上", " 同前 "]
)
def test_a_cell_without_a_number_is_empty(cell: object) -> None:
    assert is_empty(cell)


@pytest.mark.parametrize("cell", ["0", 0, "A", "无", "合计", "----------", b"", 7.5, "-7", "甲"])
def test_a_cell_with_anything_else_is_not(cell: object) -> None:
    assert not is_empty(cell)


@pytest.mark.parametrize(
    ("cell", "student"),
    [
        ("15150005", "0015150005"), (15150005, "0015150005"), ("15150005", "00015150005"), ("S77", "S-77"),
        ("S-77", "S77"),
        ("S-77 李二", "S-77"), (b"anybody", "S77"), (bytearray(b"x"), "S77"), (" s77 ", "S77"),
    ],
)  # fmt: skip
def test_what_may_turn_out_to_mean_a_student_is_kept(cell: object, student: str) -> None:
    assert may_mean(cell, student)


@pytest.mark.parametrize(
    ("cell", "student"),
    [
        ("15150005", "000015150005"),
        ("000015150005", "15150005"),
        ("15150006", "0015150005"),
        (None, "S77"),
        ("S78", "S-77"),
    ],
)
def test_what_cannot_mean_a_student_is_not(cell: object, student: str) -> None:
    assert not may_mean(cell, student)


@given(st.text("0A1Zz", min_size=1, max_size=8), st.text("0A1Z", min_size=1, max_size=8))
def test_a_plain_number_compares_with_another_as_any_key_does(cell: str, student: str) -> None:
    """The comparison without the search is right: with a blank around it, the same key is searched for other forms."""
    assert may_mean(cell, student) == may_mean(f" {cell} ", student)


def snapshot(*keys: object, places: list[int] | None = None) -> Snapshot:
    proofs = (Proof(ProofKind.END_REACHED, "here"),)
    return Snapshot(("student", "at"), [(key, at) for at, key in enumerate(keys)], NOW, NOW, proofs, places=places)


def test_what_is_asked_about_one_student_keeps_the_rows_that_may_be_theirs() -> None:
    whole = snapshot("S1", None, "S2", "", "S1 李二", "—", None, b"x", places=[2, 3, 4, 5, 6, 7, 8, 9])
    about = whole.about(" s1")
    assert [row[1] for row in about.rows] == [0, 1, 4, 5, 6, 7]
    assert about.places == [2, 3, 6, 7, 8, 9]


def test_rows_without_a_key_above_everybody_are_about_no_one() -> None:
    assert snapshot(None, "S2", "S1").about("S1").rows == [("S1", 2)]


def test_a_row_that_two_answers_hold_counts_as_often_as_in_one() -> None:
    mine, yours = ("S1", 1), ("C1", 2)
    one, two = (Snapshot(("student", "at"), rows, NOW, NOW, ()) for rows in ([mine, mine], [mine, yours, yours, mine]))
    assert together([one, two]).rows == [mine, mine, yours, yours]
    assert together([two, one]).rows == [mine, yours, yours, mine]
    assert together([one]).rows == [mine, mine]
    assert together([one, two, two]).rows == [mine, mine, yours, yours]


def test_rows_without_a_key_stay_below_the_row_they_belong_to() -> None:
    fee, room = ("S1", 1), (None, 1200)
    one, two = (Snapshot(("student", "at"), rows, NOW, NOW, ()) for rows in ([fee, room], [fee, ("C1", 3), room]))
    assert together([one, two]).rows == [fee, room, fee, ("C1", 3), room]
    assert together([one, one]).rows == [fee, room]


@pytest.mark.parametrize("cell", ["NULL", "null", "(null)", "[NULL]", "\\N", "nan", "None", "<NA>", "N/A", "undefined"])
def test_a_programs_word_for_no_value_is_no_number(cell: str) -> None:
    assert is_empty(cell)


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("2015150001-2015150003", "2015150002", "2015150004"),
        ("S0098至S0101", "S0100", "S0102"),
        ("2015150001~2015150002 共用", "2015150002", "2015150003"),
    ],
)
def test_everybody_between_the_ends_of_a_range_is_named(key: str, inside: str, outside: str) -> None:
    assert inside in numbers_within(key)
    assert outside not in numbers_within(key)


@pytest.mark.parametrize("key", ["2015150003-2015150001", "2015150001-2016150001", "A2015-B2017", "2015150001-99"])
def test_ends_that_bound_no_range_name_themselves_alone(key: str) -> None:
    assert len(numbers_within(key)) < 8


def test_a_zero_that_was_lost_within_other_signs_may_mean_its_student() -> None:
    assert may_mean("15,150,005", "0015150005")
    assert may_mean("15150005 钱五", "0015150005")
    assert not may_mean("5150005 钱五", "0015150004")
