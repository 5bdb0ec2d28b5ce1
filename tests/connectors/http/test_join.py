"""Joining things with the people behind them: whose they are, and what is no answer."""

from typing import Any

import pytest

from connectors.http.join import JoinWords, joined
from connectors.port import Cell, Proof, ProofKind, Question, Snapshot, SourceGarbled
from tests.cast import LIN, MORNING, QIAN
from tests.contract import Ticking

WORDS = JoinWords("readers", "loans")
TOTAL = Proof(ProofKind.TOTAL_AGREES, "all of them")
END = Proof(ProofKind.END_REACHED, "to the end")


def people(*rows: tuple[Cell, ...], proofs: tuple[Proof, ...] = (TOTAL,)) -> Snapshot:
    return Snapshot(("student", "name", "status"), rows, MORNING, MORNING, proofs)


def join(who: Snapshot, *rows: tuple[Cell, ...], proofs: tuple[Proof, ...] = (TOTAL,), **own: Any) -> Snapshot:
    question = Question("loans", {"student": "number", "title": "title"}, Ticking())
    return joined(question, who, Snapshot(("student", "title"), rows, MORNING, MORNING, proofs), WORDS, **own)


def test_a_thing_is_its_readers_by_number() -> None:
    assert join(people(("r1", LIN.number)), ("r1", "构造地质学")).rows == [(LIN.number, "构造地质学")]


@pytest.mark.parametrize(("one", "other"), [(7, "7"), ("7 ", "7"), ("7", 7), (" 7", "7  ")])
def test_ids_that_are_written_in_two_ways_are_one(one: Cell, other: Cell) -> None:
    assert join(people((one, LIN.number)), (other, "书")).rows == [(LIN.number, "书")]


def test_what_a_reader_without_a_number_has_is_kept_and_is_no_ones() -> None:
    snapshot = join(people(("r1", None), ("r2", LIN.number)), ("r1", "书"))
    assert snapshot.rows == [(None, "书")]
    assert snapshot.population == [LIN.number]


def test_a_thing_without_an_id_is_no_ones_even_where_a_reader_has_none() -> None:
    who = people((None, QIAN.number), ("r2", LIN.number))
    snapshot = join(who, (None, "书"), ("r2", "书"))
    assert snapshot.rows == [(None, "书"), (LIN.number, "书")]
    assert snapshot.population == [LIN.number]


def test_who_does_not_count_is_outside_the_population_and_still_owes() -> None:
    who = people(("r1", LIN.number, "5"), ("r2", QIAN.number, "1"))
    snapshot = join(who, ("r1", "书"), counts=lambda person: person[2] != "5")
    assert snapshot.rows == [(LIN.number, "书")]
    assert snapshot.population == [QIAN.number]


def test_a_student_with_an_old_card_and_a_new_one_is_in_the_population() -> None:
    who = people(("r1", LIN.number, "5"), ("r2", LIN.number, "1"))
    assert join(who, counts=lambda person: person[2] != "5").population == [LIN.number]


def test_only_what_both_show_is_shown() -> None:
    snapshot = join(people(("r1", LIN.number), proofs=(TOTAL,)), ("r1", "书"), proofs=(TOTAL, END))
    shown = {proof.kind: proof.detail for proof in snapshot.proofs}
    assert shown[ProofKind.TOTAL_AGREES] == "readers: all of them; loans: all of them"
    assert ProofKind.END_REACHED not in shown


def test_things_of_which_none_is_anybodys_are_no_answer() -> None:
    with pytest.raises(SourceGarbled, match="none of 2 loans belongs to any of the 1 readers"):
        join(people(("r1", LIN.number)), ("x1", "书"), ("x2", "书"))


def test_readers_of_whom_none_has_a_number_are_no_answer() -> None:
    with pytest.raises(SourceGarbled, match="none of 2 readers has a student number"):
        join(people(("r1", None), ("r2", " ")))


def test_one_id_with_two_numbers_is_no_answer() -> None:
    with pytest.raises(SourceGarbled, match=f"r1 appears more than once.*{LIN.number} and {QIAN.number}"):
        join(people(("r1", LIN.number), ("r1 ", QIAN.number)))


def test_where_there_is_no_one_there_is_nothing() -> None:
    snapshot = join(people())
    assert (list(snapshot.rows), snapshot.population) == ([], [])
