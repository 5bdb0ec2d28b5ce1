"""An answer that would release students is doubted: the office is asked about them once more, and some one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors import memory
from connectors.port import (
    Connector,
    Progress,
    Proof,
    ProofKind,
    Question,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
)
from status_db.model import RunState, Verdict
from sync.pull.pull import pull
from tests.cast import GEOLOGY_LOAN, LEAVING, LIN, POETRY_LOAN, QIAN, SUN
from tests.world import SETTINGS, World


class Shelves:
    """A library whose whole answer, second answer and answer about one may differ, as a test sets them."""

    def __init__(self, world: "Library", question: Question) -> None:
        self._world = world
        self._question = question

    def _rows(self, rows: Sequence[dict[str, Any]]) -> Snapshot:
        own = memory.Settings.model_validate({"rows": list(rows)})
        return memory.connect(own, self._question).pull()

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Say the whole answer."""
        return replace(self._rows(self._world.says["loans"]), unsettled=tuple(self._world.unsettled))

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Say it about these numbers once more."""
        self._world.asked_again.append(tuple(numbers))
        if self._world.second is None:
            raise SourceUnavailable("the library did not answer", "Try again later.")
        return self._rows([row for row in self._world.second if row["CARD"] in numbers])

    def pull_one(self, student: str) -> Snapshot:
        """Say it about one number."""
        self._world.asked_alone.append(student)
        rows = self._world.says["loans"] if self._world.one is None else self._world.one
        return self._rows(rows).about(student)

    def check(self) -> Any:
        """Show nothing."""
        raise NotImplementedError


class Library(World):
    """The cast's university with such a library."""

    second: list[dict[str, Any]] | None
    one: list[dict[str, Any]] | None

    def __init__(self, url: str, folder: Path) -> None:
        self.second, self.one = [], None
        self.unsettled: list[str] = []
        self.asked_again: list[tuple[str, ...]] = []
        self.asked_alone: list[str] = []
        super().__init__(url, folder, SETTINGS)
        self.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]

    def connect(self, name: str) -> Connector:
        """Return the shelves for the loans."""
        if name != "loans":
            return super().connect(name)
        return Shelves(self, Question(name, self.settings.source[name].columns, self.clock))


@pytest.fixture
def library(status_url: str, tmp_path: Path) -> Iterator[Library]:
    """Lin and Qian have a book each, and the fines are settled."""
    with Library(status_url, tmp_path) as world:
        world.run_all()
        yield world


def at_the_library(world: World, number: str) -> Verdict:
    return world.verdict(number, "library")


def test_who_still_owes_when_asked_again_stays_held_and_the_run_reports_it(library: Library) -> None:
    library.says["loans"], library.second = [POETRY_LOAN], [GEOLOGY_LOAN]
    outcome = library.run("loans")
    assert at_the_library(library, LIN.number) is Verdict.HELD
    assert outcome.counts.warnings == (
        "1 of 1 students still owe when asked about again: they stay held until the next run",
    )
    assert library.asked_again == [(LIN.number, LIN.card)]


def test_who_is_confirmed_is_released(library: Library) -> None:
    library.says["loans"] = [POETRY_LOAN]
    assert library.run("loans").state is RunState.APPLIED
    assert at_the_library(library, LIN.number) is Verdict.CLEARED


def test_who_is_not_answered_stays_held(library: Library) -> None:
    library.says["loans"], library.second = [POETRY_LOAN], None
    outcome = library.run("loans")
    assert at_the_library(library, LIN.number) is Verdict.HELD
    assert "asking about them again failed: the library did not answer" in outcome.counts.warnings[0]


def test_the_next_run_asks_again_and_releases(library: Library) -> None:
    library.says["loans"], library.second = [POETRY_LOAN], None
    library.run("loans")
    library.second = []
    assert library.run("loans").state is RunState.APPLIED
    assert at_the_library(library, LIN.number) is Verdict.CLEARED


def test_no_one_is_asked_again_where_no_one_is_released(library: Library) -> None:
    library.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN, GEOLOGY_LOAN | {"CARD": SUN.number, "BARCODE": "B3"}]
    library.run("loans")
    assert library.asked_again == []


class TestReadingsThatDiffer:
    """A student whose rows differ between the readings of one pull."""

    def test_is_not_released(self, library: Library) -> None:
        library.says["loans"], library.unsettled = [POETRY_LOAN], [LIN.card]
        library.run("loans")
        assert at_the_library(library, LIN.number) is Verdict.HELD

    def test_is_unknown_where_nothing_was_stored(self, library: Library) -> None:
        library.unsettled = [SUN.number]
        library.run("loans")
        assert at_the_library(library, SUN.number) is Verdict.UNKNOWN
        library.unsettled = []
        library.run("loans")
        assert at_the_library(library, SUN.number) is Verdict.CLEARED

    def test_may_be_held(self, library: Library) -> None:
        library.says["loans"].append(GEOLOGY_LOAN | {"CARD": SUN.number, "BARCODE": "B3"})
        library.unsettled = [SUN.number]
        library.run("loans")
        assert at_the_library(library, SUN.number) is Verdict.HELD

    def test_keeps_the_same_answer_from_being_taken_as_known(self, library: Library) -> None:
        library.says["loans"], library.unsettled = [POETRY_LOAN], [LIN.number]
        library.run("loans")
        library.unsettled = []
        library.run("loans")
        assert at_the_library(library, LIN.number) is Verdict.CLEARED


class TestAskingAboutOne:
    """`one` is believed to clear only after it gave what the whole answer gives."""

    def test_held_students_are_asked_about_with_the_first_full_answer(self, library: Library) -> None:
        assert set(library.asked_alone) == {LIN.number, LIN.card, QIAN.number, QIAN.former}
        assert (ProofKind.ONE_AGREES, "2 held students, asked one by one") in proofs(library)

    def test_it_is_asked_once_for_a_question(self, library: Library) -> None:
        library.asked_alone.clear()
        library.says["loans"].append(GEOLOGY_LOAN | {"CARD": SUN.number, "BARCODE": "B3"})
        library.run("loans")
        assert library.asked_alone == []

    def test_a_recheck_clears_once_it_is_proven(self, library: Library) -> None:
        library.says["loans"] = [POETRY_LOAN]
        assert library.sync.recheck("loans", LIN.number, by="test").state is RunState.APPLIED
        assert at_the_library(library, LIN.number) is Verdict.CLEARED

    def test_unproven_it_never_clears_and_may_hold(self, status_url: str, tmp_path: Path) -> None:
        with Library(status_url, tmp_path) as library:
            library.one = []
            outcome = {name: library.run(name) for name in library.sync.names()}["loans"]
            assert "asking about" in outcome.counts.warnings[0]
            refused = library.sync.recheck("loans", LIN.number, by="test")
            assert refused.state is RunState.SKIPPED
            assert "it is not proven that asking about one student agrees with the whole answer" in refused.message
            assert at_the_library(library, LIN.number) is Verdict.HELD
            library.one = [GEOLOGY_LOAN | {"CARD": SUN.number, "BARCODE": "B3"}]
            assert library.sync.recheck("loans", SUN.number, by="test").state is RunState.APPLIED
            assert at_the_library(library, SUN.number) is Verdict.HELD

    def test_a_wrong_parameter_lets_no_one_clear_themselves(self, status_url: str, tmp_path: Path) -> None:
        with Library(status_url, tmp_path) as library:
            library.says["loans"] = [
                GEOLOGY_LOAN | {"CARD": person.number, "BARCODE": f"B{at}"} for at, person in enumerate(LEAVING)
            ]
            library.one = []
            library.run_all()
            for person in LEAVING:
                library.sync.recheck("loans", person.number, by=person.number)
            assert {at_the_library(library, person.number) for person in LEAVING} == {Verdict.HELD}


def proofs(world: World) -> set[tuple[str, str]]:
    run = next(r for r in world.reader.runs("2019") if r.source == "loans")
    return {(kind, detail) for kind, detail in run.proofs}


@pytest.mark.parametrize("missing", [ProofKind.TOTAL_AGREES, ProofKind.COLUMNS_PRESENT])
def test_an_answer_without_its_proofs_is_refused(library: Library, missing: ProofKind, monkeypatch: Any) -> None:
    def without(self: Shelves, progress: Progress = no_progress) -> Snapshot:
        shown = (Proof(ProofKind.TOTAL_AGREES, "0 of 0"), Proof(ProofKind.COLUMNS_PRESENT, "all"))
        return replace(self._rows([]), proofs=tuple(p for p in shown if p.kind is not missing))

    monkeypatch.setattr(Shelves, "pull", without)
    outcome = library.run("loans")
    assert (outcome.state, outcome.fault) == (RunState.FAILED, "garbled")
    assert at_the_library(library, LIN.number) is Verdict.HELD
    with pytest.raises(SourceGarbled):
        pull(library.settings, "loans", library.connect("loans"), no_progress, library.now)
