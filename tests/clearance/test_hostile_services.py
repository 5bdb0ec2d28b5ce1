"""The same trials where the marks are in PostgreSQL, and with the commands that go on until they are stopped.

`serve` makes its application and answers one request of each page; `schedule` runs every source for the slot that it
is, and is stopped; `demo` meets a university whose files were damaged.
"""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import URL, text
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from clearance import web
from clearance.commands import serve
from tests import sizes
from tests.clearance.test_hostile import (
    _OF_LOANS,
    EVERY,
    SQL_CELLS,
    ends_well,
    every_run_has_ended,
    hostile_settings,
    nothing_is_unexpected,
    quick,
)
from tests.compiling import create_engine
from tests.services import databases
from tests.services.every_command import TEXTS, calls
from tests.services.fixes import ends_with_the_fix
from tests.services.in_process import command
from tests.services.small import OWES, Small, small
from tests.services.university import University

__all__ = ["nothing_is_unexpected"]


@pytest.fixture(scope="module")
def kept_in_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_server: URL) -> Iterator[Small]:
    """A small university whose marks are in PostgreSQL; what one trial leaves there, the next one meets."""
    with (
        databases.fresh_database(postgres_server) as url,
        small(tmp_path_factory.mktemp("site"), url.render_as_string(hide_password=False)) as made,
    ):
        yield made


def running(site: Small) -> int:
    """Return how many runs in PostgreSQL have no end."""
    engine = create_engine(site.environ["STATUS_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM run WHERE state = 'running'")).scalar_one()
    return count


_ROWS = st.one_of(
    st.tuples(st.just("loans"), st.lists(st.fixed_dictionaries({}, optional=_OF_LOANS), max_size=4)),
    st.tuples(st.just("fines"), st.lists(st.tuples(SQL_CELLS, SQL_CELLS, SQL_CELLS), max_size=4)),
    st.tuples(st.just("roster"), st.lists(st.tuples(*[SQL_CELLS] * 6), min_size=1, max_size=3)),
    st.tuples(st.just("fees"), st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4)),
)


def say(site: Small, source: str, rows: list[Any]) -> None:
    """Have an office say this."""
    match source:
        case "loans":
            site.loans_text(json.dumps({"total": len(rows), "rows": rows}))
        case "fines":
            site.fines(rows)
        case "roster":
            site.roster(rows)
        case _:
            site.fees([("学号", "欠费", "项目"), *rows])


class TestOnPostgres:
    @quick(4)
    @given(said=_ROWS)
    def test_any_rows_of_any_office(self, kept_in_postgres: Small, said: tuple[str, list[Any]]) -> None:
        kept_in_postgres.put_back()
        source, rows = said
        say(kept_in_postgres, source, rows)
        checked, synced = ends_well(kept_in_postgres, "check", source), ends_well(kept_in_postgres, "sync", source)
        refused_for_others = "Sync the roster first" in synced.err + synced.out
        assert checked.code or synced.code in (0, 4) or refused_for_others, (checked, synced)
        for words in (("status", OWES), ("unmatched",), ("runs", "list"), ("report",), ("verify",)):
            ends_well(kept_in_postgres, *words)
        assert running(kept_in_postgres) == 0

    @quick(6)
    @given(changed=hostile_settings(), words=st.sampled_from((("check", "fines"), ("sync", "fees"), ("verify",))))
    def test_any_value_at_any_key(self, kept_in_postgres: Small, changed: str, words: tuple[str, ...]) -> None:
        kept_in_postgres.put_back()
        kept_in_postgres.file.write_text(changed, encoding="utf-8")
        ends_well(kept_in_postgres, *words)

    @quick(8)
    @given(line=calls(EVERY), stdin=TEXTS)
    def test_any_words_after_any_command(self, kept_in_postgres: Small, line: list[str], stdin: str) -> None:
        kept_in_postgres.put_back()
        ends_well(kept_in_postgres, *line, stdin=stdin.encode("utf-8", "replace").decode())
        assert running(kept_in_postgres) == 0


@pytest.fixture
def stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `schedule` be stopped after its first slots."""
    already = threading.Event()
    already.set()
    monkeypatch.setattr(serve, "stop_like_ctrl_c", lambda: already)


def nothing_broke(log: str) -> bool:
    """Return whether no line of the schedule's log reports that something broke; a cell may hold broken text."""
    return re.search(r"\bbroke\b", log) is None


class TestSchedule:
    @quick(4)
    @given(said=_ROWS)
    @example(said=("fees", [("\ufffd", "1", "学费")]))
    def test_one_slot_of_any_rows(
        self, university_of_three: Small, stopped_at_once: None, said: tuple[str, list[Any]]
    ) -> None:
        university_of_three.put_back()
        say(university_of_three, *said)
        before = len(university_of_three.json("runs", "list"))
        ended = ends_well(university_of_three, "schedule")
        assert ended.code == 0, ended
        assert nothing_broke(ended.err), ended.err
        assert len(university_of_three.json("runs", "list")) > before
        every_run_has_ended(university_of_three)

    @quick(6)
    @given(changed=hostile_settings())
    def test_one_slot_under_any_settings(self, university_of_three: Small, stopped_at_once: None, changed: str) -> None:
        university_of_three.put_back()
        university_of_three.file.write_text(changed, encoding="utf-8")
        ended = ends_well(university_of_three, "schedule")
        assert nothing_broke(ended.err), ended.err


class TestServe:
    @pytest.fixture(autouse=True)
    def answers_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have `serve` make what it would serve, and answer for a few addresses."""

        def serves(target: str, *_where_and_how: object) -> None:
            with TestClient(getattr(web, target.partition(":")[2])(), raise_server_exceptions=True) as browser:
                for page in ("/", "/sign-in", "/healthz", "/no/such/page", "/%00"):
                    assert browser.get(page, follow_redirects=False).status_code < 500, page

        monkeypatch.setattr(serve, "serve_pages", serves)

    @quick(8)
    @given(changed=hostile_settings(), what=st.sampled_from(("all", "pages", "desk")))
    def test_any_settings(self, university_of_three: Small, changed: str, what: str) -> None:
        university_of_three.put_back()
        university_of_three.file.write_text(changed, encoding="utf-8")
        ends_well(university_of_three, "serve", what)

    def test_the_settings_as_they_are_are_served(self, university_of_three: Small) -> None:
        university_of_three.put_back()
        assert ends_well(university_of_three, "serve").code == 0


#: Every day some at once, in a soak each alone, too.
_DAMAGED: tuple[tuple[str, ...], ...] = (("roster.csv", "library.sqlite"), ("day",))
if sizes.SOAK:
    _DAMAGED += (("textbook.sqlite",), ("dorm.xlsx",), ("finance.sqlite",), ("finance-password",), ("roster.csv",))


class TestDemo:
    @pytest.mark.parametrize("words", [("demo", "--once"), ("demo", "advance"), ("demo", "offices")])
    def test_nothing_is_built_over_a_university_that_is_none_of_the_demos(
        self, university_of_three: Small, words: tuple[str, ...]
    ) -> None:
        university_of_three.put_back()
        assert ends_well(university_of_three, *words).code == 1

    @pytest.mark.parametrize("damaged", _DAMAGED, ids=", ".join)
    def test_damaged_offices(self, university: University, damaged: tuple[str, ...]) -> None:
        for name in damaged:
            (university.offices.folder / name).write_bytes(b"\xff\x00no office's file")
        university.close_finance()
        for words in (("demo", "advance"), ("demo", "--once", "--finance-port", str(university.port))):
            ended = command(["--config", str(university.config), *words], university.environ)
            assert ended.code in (0, 1, 4, 5), ended
            assert "Traceback" not in ended.out + ended.err
            assert not ended.code or ends_with_the_fix(ended.err or ended.out), ended
