"""Whether an answer is still the last one, reported by the database itself: on three real databases, and in a run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.port import Candidates, Connector, Progress, Question, Snapshot, SourceUnavailable, no_progress
from status_db.model import ROSTER, RunState, Verdict
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.contract import Ticking
from tests.sync.run.test_overlap import between
from tests.world import COHORT, World

COLUMNS = {"student": "CARD", "title": "TITLE", "due": "DUE", "reference": "BARCODE"}
QUERY = "SELECT card AS CARD, title AS TITLE, due AS DUE, barcode AS BARCODE FROM loans"

Loan = tuple[str | None, str | None, str | None, float | None]
LOANS: list[Loan] = [("20151001", "地质学", "2019-05-30", 1.25), ("20152003", "唐诗选", None, None)]


class Library:
    """A table of loans in a real database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = create_engine(url, poolclass=NullPool)
        with self._engine.begin() as connection:
            made = "CREATE TABLE loans (card VARCHAR(40), title VARCHAR(200), due DATE, barcode DECIMAL(10, 2))"
            connection.execute(text(made))

    def fill(self, loans: Sequence[Loan]) -> None:
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM loans"))
            for card, title, due, barcode in loans:
                values = {"c": card, "t": title, "d": due, "b": barcode}
                connection.execute(text("INSERT INTO loans VALUES (:c, :t, :d, :b)"), values)

    def connector(self, clock: Callable[[], Any], candidates: Candidates | None = None, **own: Any) -> sql.Sql:
        given = {"url": f"env:URL:-{self.url}", "query": QUERY, "fingerprint": True, **own}
        question = Question("loans", COLUMNS, clock, lambda: candidates or Candidates())
        return sql.connect(sql.Settings.model_validate(given), question)

    def told(self, loans: Sequence[Loan], **own: Any) -> bytes:
        self.fill(loans)
        found = self.connector(Ticking(), **own).fingerprint()
        assert found is not None
        return found.value


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    if request.param == "sqlite":
        return Library(f"sqlite:///{tmp_path / 'library.db'}")
    return Library(request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url"))


def test_the_same_rows_tell_the_same_in_any_order(library: Library) -> None:
    assert library.told(LOANS) == library.told(LOANS[::-1])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(LOANS[:1], id="a row less"),
        pytest.param([*LOANS, LOANS[0]], id="a row twice"),
        pytest.param([LOANS[0], ("20152003", "唐诗", None, None)], id="another title"),
        pytest.param([LOANS[0], ("20152003", "唐诗选", "2019-06-01", None)], id="a day where there was none"),
        pytest.param([("20151001", "地质学", "2019-05-30", 1.26), LOANS[1]], id="a fen more"),
        pytest.param([("20151001", "地质学", None, None), ("20152003", "唐诗选", "2019-05-30", 1.25)], id="swapped"),
        pytest.param([], id="nothing"),
    ],
)
def test_another_answer_has_another_fingerprint(library: Library, other: list[Loan]) -> None:
    assert library.told(LOANS) != library.told(other)


def test_a_value_cannot_run_into_its_neighbour(library: Library) -> None:
    assert library.told([("a", "bc", None, None)]) != library.told([("ab", "c", None, None)])
    assert library.told([("a", "", None, None)]) != library.told([("a", None, None, None)])
    assert library.told([("a|-", "b", None, None)]) != library.told([("a", "-|b", None, None)])


def test_the_population_is_part_of_it(library: Library) -> None:
    population = "SELECT card FROM loans"
    assert library.told(LOANS) != library.told(LOANS, population=population)


def test_a_pull_brings_the_fingerprint_of_its_own_read(library: Library) -> None:
    told = library.told(LOANS)
    assert library.connector(Ticking()).pull().fingerprint == told


def test_an_own_query_represents_the_answer(library: Library) -> None:
    own = {"fingerprint": "SELECT COUNT(*), MAX(card) FROM loans"}
    assert library.told(LOANS, **own) == library.told([("19990001", "", None, None), LOANS[1]], **own)
    assert library.told(LOANS, **own) != library.told(LOANS[:1], **own)


def test_it_is_reported_for_the_rosters_rows_alone_where_those_are_asked_for(library: Library) -> None:
    own = {"query": f"{QUERY} WHERE card IN :numbers", "population": "SELECT card FROM loans WHERE card IN :numbers"}
    ours = Candidates({LIN.number: (LIN.number,)}, 1)
    assert library.told(LOANS, candidates=ours, **own) == library.told(LOANS[:1], candidates=ours, **own)


def test_without_the_setting_nothing_is_reported(library: Library) -> None:
    library.fill(LOANS)
    connector = library.connector(Ticking(), fingerprint=False)
    assert connector.fingerprint() is None
    assert connector.pull().fingerprint is None


def _no_answer(*_words: object) -> Snapshot:
    raise SourceUnavailable("the library did not answer", "Try again later.")


class TestInARun:
    @pytest.fixture
    def library(self, sqlite_world: World, tmp_path: Path) -> Library:
        """A library in SQLite whose connector counts its pulls, as the world's loans."""
        made = Library(f"sqlite:///{tmp_path / 'office.db'}")
        made.fill(LOANS)
        real, plain = made.connector(sqlite_world.clock), sqlite_world.connect
        self.pulls = 0
        pull = real.pull

        def counted(progress: Progress = no_progress) -> Snapshot:
            self.pulls += 1
            return pull(progress)

        real.pull = counted  # type: ignore[method-assign]  # it counts, and pulls
        connect: Callable[[str], Connector] = lambda name: real if name == "loans" else plain(name)  # noqa: E731 - a fake of one line
        sqlite_world.sync._connect = connect
        sqlite_world.run_all()
        return made

    def pulled(self, world: World) -> bool:
        """Run the loans; return whether the answer was brought."""
        before = self.pulls
        self.outcome = world.run("loans")
        return self.pulls > before

    def test_what_is_still_the_same_is_not_brought_and_the_run_reports_it(
        self, sqlite_world: World, library: Library
    ) -> None:
        assert not self.pulled(sqlite_world)
        assert self.outcome.state is RunState.UNCHANGED
        run = sqlite_world.reader.runs(COHORT, "loans", 1)[0]
        assert run.counts.not_pulled
        assert run.proofs[0][0] == "fingerprint_same"

    def test_its_answer_is_as_fresh_as_if_it_had_been_brought(self, sqlite_world: World, library: Library) -> None:
        sqlite_world.later(hours=3)
        assert not self.pulled(sqlite_world)
        assert sqlite_world.student(LIN.number).steps[0].as_of is not None
        source = next(s for s in sqlite_world.reader.sources(COHORT) if s.source == "loans")
        assert source.as_of == sqlite_world.now

    def test_an_answer_that_left_somebody_alone_does_not_stand_for_the_next_one(
        self, sqlite_world: World, library: Library
    ) -> None:
        """Sun borrows and returns a book while an answer of before is on its way: the next one settles it."""
        answer = [*LOANS, (ZHAO.number, "普通地质学", "2019-05-30", 3)]
        library.fill(answer)

        def borrows_is_asked_about_and_returns() -> None:
            library.fill([*answer, (SUN.number, "唐诗选", "2019-06-01", 4)])
            sqlite_world.later(minutes=1)
            assert sqlite_world.sync.recheck("loans", SUN.number, by=SUN.number).state is RunState.APPLIED
            library.fill(answer)

        between(sqlite_world.sync, "_stages", borrows_is_asked_about_and_returns)
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(SUN.number, "library") is Verdict.HELD
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(SUN.number, "library") is Verdict.CLEARED
        assert not self.pulled(sqlite_world)

    def test_nor_does_one_that_the_second_look_left_open(
        self, sqlite_world: World, library: Library, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library.fill(LOANS[1:])
        with monkeypatch.context() as silent:
            silent.setattr(sql.Sql, "pull_these", _no_answer)
            assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(LIN.number, "library") is Verdict.HELD
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_a_row_that_has_come_is_brought(self, sqlite_world: World, library: Library) -> None:
        library.fill([*LOANS, (SUN.number, "普通地质学", "2019-05-30", 3)])
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(SUN.number, "library") is Verdict.HELD

    def test_after_a_day_it_is_read_whole_all_the_same(self, sqlite_world: World, library: Library) -> None:
        sqlite_world.later(hours=23)
        assert not self.pulled(sqlite_world)
        sqlite_world.later(hours=1)
        assert self.pulled(sqlite_world)
        assert not self.pulled(sqlite_world)

    def test_another_roster_is_compared_with_the_whole_answer(self, sqlite_world: World, library: Library) -> None:
        sqlite_world.says[ROSTER].append({**SUN.listed(), "学号": "20159009"})
        sqlite_world.run(ROSTER)
        assert self.pulled(sqlite_world)
        assert not self.pulled(sqlite_world)

    def test_who_was_asked_about_alone_is_compared_with_the_whole_answer(
        self, sqlite_world: World, library: Library
    ) -> None:
        library.fill([LOANS[1]])
        sqlite_world.later(minutes=1)
        sqlite_world.sync.recheck("loans", LIN.number, by="test")
        library.fill(LOANS)
        sqlite_world.later(minutes=1)
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(LIN.number, "library") is Verdict.HELD

    def test_a_suspended_answer_is_not_taken_for_the_stored_one(self, sqlite_world: World, library: Library) -> None:
        many = [*LOANS, *((LIN.number, f"第{i}册", None, None) for i in range(20))]
        library.fill(many)
        assert self.pulled(sqlite_world)
        library.fill([])
        assert self.pulled(sqlite_world)
        assert self.outcome.state is RunState.SUSPENDED
        assert self.pulled(sqlite_world)
        assert sqlite_world.verdict(QIAN.number, "library") is Verdict.HELD


def test_who_joins_between_the_comparing_and_the_writing_is_compared_again(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loan of somebody who joins in that moment is not stored yet: an unchanged answer must not clear them."""
    world = sqlite_world
    world.says["loans"] = [{"CARD": "20159009", "TITLE": "地质学", "DUE": "2019-05-30", "BARCODE": "B1"}]
    world.says["loans"].append({"CARD": LIN.number, "TITLE": "唐诗选", "DUE": "2019-05-30", "BARCODE": "B2"})
    world.run_all()
    marks, unchanged = world.sync._marks, world.sync._marks.unchanged
    joined: list[bool] = []

    def joins_first(*arguments: Any) -> None:
        if not joined:
            joined.append(True)
            world.says[ROSTER].append({**SUN.listed(), "学号": "20159009"})
            world.sync.run(ROSTER, by="test")
        unchanged(*arguments)

    monkeypatch.setattr(marks, "unchanged", joins_first)
    world.later(minutes=1)
    world.sync.run("loans", by="test")
    world.sync.run("fines", by="test")
    assert joined
    assert world.verdict("20159009", "library") is Verdict.HELD
