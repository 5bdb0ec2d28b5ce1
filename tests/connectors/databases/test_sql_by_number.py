"""A database that is asked about the roster's numbers alone, or from a date on: on three real databases."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.port import (
    Candidates,
    Progress,
    ProofKind,
    Question,
    Snapshot,
    SourceGarbled,
    SourceUnavailable,
    no_progress,
)
from status_db.model import ROSTER, Reason, RunState, Verdict
from tests.cast import LIN, QIAN, SUN
from tests.contract import Ticking
from tests.world import World

QUERY = "SELECT card AS CARD, title AS TITLE, due AS DUE, barcode AS BARCODE FROM loans WHERE card IN :numbers"
READERS = "SELECT card FROM readers WHERE card IN :numbers"
COLUMNS = {"student": "CARD", "title": "TITLE", "due": "DUE", "reference": "BARCODE"}


def fill(url: str, loans: list[tuple[str, str, str]], readers: list[str]) -> str:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE loans (card VARCHAR(40), title VARCHAR(200), due DATE, barcode VARCHAR(9))")
        )
        connection.execute(text("CREATE TABLE readers (card VARCHAR(40))"))
        for card, due, barcode in loans:
            connection.execute(
                text("INSERT INTO loans VALUES (:c, '地质学', :d, :b)"), {"c": card, "d": due, "b": barcode}
            )
        for card in readers:
            connection.execute(text("INSERT INTO readers VALUES (:c)"), {"c": card})
    return url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Three thousand readers' books, three of them of people on the roster."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'library.db'}"
    else:
        url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url")
    others = [(f"S{i}", "2019-05-01", f"X{i}") for i in range(300)]
    ours = [("20151001", "2019-05-30", "B1"), ("C-1001", "2019-06-01", "B2"), ("20152003", "2019-06-02", "B3")]
    return fill(url, [*others, *ours], ["20151001", "C-1001", "20152003", *(card for card, _, _ in others)])


def ask(url: str, candidates: Candidates, query: str = QUERY, **own: Any) -> sql.Sql:
    given = {"url": f"env:URL:-{url}", "query": query, "population": READERS, **own}
    question = Question(
        "loans", COLUMNS, Ticking(), lambda: candidates, opens=date(2019, 5, 25), closes=date(2019, 6, 6)
    )
    return sql.connect(sql.Settings.model_validate(given), question)


#: More students than are bound at once, Lin among them with her card.
MANY = Candidates(
    {"20151001": ("20151001", "C-1001"), "20152003": ("20152003",)} | {f"A{i:05}": (f"A{i:05}",) for i in range(1_300)},
    7,
)


def test_only_the_rosters_rows_come_by_every_number_of_theirs(library: str) -> None:
    snapshot = ask(library, MANY).pull()
    assert sorted(str(row[3]) for row in snapshot.rows) == ["B1", "B2", "B3"]
    assert sorted(map(str, snapshot.population or ())) == ["20151001", "20152003", "C-1001"]


def test_the_answer_names_the_roster_it_is_about_and_shows_its_total(library: str) -> None:
    snapshot = ask(library, MANY).pull()
    assert snapshot.candidates == 7
    assert {p.kind: p.detail for p in snapshot.proofs}[ProofKind.TOTAL_AGREES].startswith("3 of 3 rows")


def test_all_numbers_of_a_student_are_bound_together() -> None:
    students = {f"{i:04}": (f"{i:04}", f"C{i}", f"Z{i}") for i in range(400)}
    chunks = Candidates(students, 1).chunks(100)
    assert all(set(theirs) <= set(chunk) for theirs in students.values() for chunk in chunks if theirs[0] in chunk)
    assert sorted(n for chunk in chunks for n in chunk) == sorted(n for theirs in students.values() for n in theirs)
    assert max(map(len, chunks)) <= 100


def test_one_student_is_asked_for_with_the_same_question(library: str) -> None:
    snapshot = ask(library, MANY).pull_one("20152003")
    assert [row[3] for row in snapshot.rows] == ["B3"]
    assert snapshot.population == ["20152003"]


def test_a_check_shows_a_row_of_the_roster_and_works_before_there_is_one(library: str) -> None:
    row = ask(library, MANY).check().row
    assert row is not None
    assert row["reference"] in ("B1", "B2", "B3")
    assert ask(library, Candidates()).check().row is None


def test_no_one_on_the_roster_is_no_empty_answer(library: str) -> None:
    with pytest.raises(SourceUnavailable, match="clearance sync roster"):
        ask(library, Candidates({}, 1)).pull()


def test_a_question_from_a_date_on_is_bound_to_the_cohorts_windows(library: str) -> None:
    query = QUERY.replace("card IN :numbers", "due BETWEEN :opens AND :closes")
    snapshot = ask(library, Candidates(), query, population="SELECT card FROM readers").pull()
    assert sorted(str(row[3]) for row in snapshot.rows) == ["B1", "B2", "B3"]
    assert snapshot.candidates is None


def test_a_date_without_a_window_is_reported_with_the_fix(library: str) -> None:
    own = {"url": f"env:URL:-{library}", "query": "SELECT card AS CARD FROM loans WHERE due > :opens"}
    connector = sql.connect(sql.Settings.model_validate(own), Question("loans", {"student": "CARD"}, Ticking()))
    with pytest.raises(SourceGarbled, match="add windows"):
        connector.pull()


def test_a_bound_question_without_a_population_is_refused() -> None:
    with pytest.raises(ValidationError, match="add a population"):
        sql.Settings.model_validate({"url": "sqlite:///a.db", "query": QUERY})


def test_a_parameter_may_not_take_a_name_of_ours() -> None:
    own = {"url": "sqlite:///a.db", "query": "SELECT :student", "parameters": {"student": "x"}}
    with pytest.raises(ValidationError, match="binds :student"):
        sql.Settings.model_validate(own)


class TestInARun:
    @pytest.fixture
    def asked(self, sqlite_world: World, tmp_path: Path) -> World:
        """The cast's world whose loans lie in a database and are asked for by number."""
        world = sqlite_world
        loans = [(LIN.number, "2019-05-30", "B1"), (f" {SUN.number}", "2019-05-30", "B2")]
        readers = [LIN.number, QIAN.number, f" {SUN.number}"]
        url = fill(f"sqlite:///{tmp_path / 'office.db'}", loans, readers)
        own = {"url": url, "query": QUERY, "population": READERS}
        question = Question("loans", COLUMNS, world.clock, lambda: world.candidates("loans"))
        real, plain = sql.connect(sql.Settings.model_validate(own), question), world.connect
        world.sync._connect = lambda name: real if name == "loans" else plain(name)
        return world

    def test_who_is_found_is_held_or_cleared_and_who_is_spelled_otherwise_is_unknown(self, asked: World) -> None:
        asked.run_all()
        assert asked.verdict(LIN.number, "library") is Verdict.HELD
        assert asked.verdict(QIAN.number, "library") is Verdict.CLEARED
        assert asked.verdict(SUN.number, "library") is Verdict.UNKNOWN

    def test_who_joins_while_it_is_asked_is_not_cleared_by_silence(self, asked: World) -> None:
        asked.run_all()
        connector = asked.sync._connect("loans")
        pull = connector.pull

        def slow_pull(progress: Progress = no_progress) -> Snapshot:
            snapshot = pull(progress)
            asked.says[ROSTER].append({**SUN.listed(), "学号": "20159009"})
            asked.run(ROSTER)
            return snapshot

        connector.pull = slow_pull  # type: ignore[method-assign]
        outcome = asked.run("loans")
        assert (outcome.state, outcome.fault) == (RunState.FAILED, "unavailable")
        assert asked.verdict("20159009", "library") is Verdict.UNKNOWN

    def test_the_next_slot_asks_about_who_has_joined(self, asked: World) -> None:
        asked.run_all()
        asked.says[ROSTER].append({**SUN.listed(), "学号": "20159009"})
        asked.run(ROSTER)
        assert asked.run("loans").state is RunState.APPLIED
        assert asked.student("20159009").steps[0].finding.reason is Reason.OUTSIDE_POPULATION
