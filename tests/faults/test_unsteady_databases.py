"""Promise 1 in the database: a session that is killed, and a table that moves while it is read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import make_url

from status_db.model import RunState
from tests.faults.offices import QUERY, TABLE, database
from tests.faults.seeds import case, seeds
from tests.faults.trial import AFTER, MANY, Loan, Trial, loan

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: Long rows that come slowly, so that MariaDB has not sent them all before the first is read.
SLOW_QUERY = """
SELECT card AS CARD, CONCAT(title, REPEAT('卷', 150)) AS TITLE, due AS DUE, barcode AS BARCODE FROM loans
WHERE SLEEP(0.001) = 0"""

KILL = {
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
}


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_session_killed_while_its_rows_are_read_changes_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("mariadb_url" if kind == "mysql" else "postgres_url")
    with database(make_url(url), query=SLOW_QUERY if kind == "mysql" else QUERY) as office:
        trial = Trial(tmp_path, office.ask, office.fill)
        for seed in seeds(8):
            with case(seed) as chance:
                at = chance.randrange(1, 4)
                killed: list[Any] = []

                def kill(done: int, _of: int | None, at: int = at, killed: list[Any] = killed) -> None:
                    if done == 20 * at:
                        found = office.aside(KILL[kind]).scalars().all()
                        killed += [office.aside(f"KILL {number}") for number in found] if kind == "mysql" else found

                outcome = trial.ask(progress=kill)
                assert killed
                if kind == "postgresql":
                    assert outcome.state is RunState.FAILED
        assert trial.ended[RunState.FAILED] >= len(seeds(8)) / 2


class Tearing:
    """Changes the table when its rows are asked for, after they were counted, and puts it back at the next question."""

    def __init__(self, fill: Callable[[Sequence[Loan]], None], torn: Sequence[Loan], *, each_time: bool) -> None:
        self.fired = 0
        self._fill, self._torn, self._each_time = fill, torn, each_time
        #: The second look has a connection of its own, which may be heard while the first one is closed.
        self._one_at_a_time = Lock()

    def __call__(self, question: bytes) -> None:
        with self._one_at_a_time:
            self._hear(question)

    def _hear(self, question: bytes) -> None:
        if b" IN (" in question:
            # The second look, about some students by number: the first reading is what is torn.
            return
        if b"AS BARCODE" in question and b"COUNT" not in question and (self._each_time or not self.fired):
            self.fired += 1
            self._fill(self._torn)
        elif self.fired:
            self._fill(AFTER)


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_rows_that_change_between_their_count_and_their_reading_are_read_again_or_change_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In a table that keeps no state, a book vanishes or appears while it is read, and is as before a moment later."""
    url = request.getfixturevalue("mariadb_url" if kind == "mysql" else "postgres_url")
    with database(make_url(url), TABLE + (" ENGINE = MyISAM" if kind == "mysql" else "")) as office:
        trial = Trial(tmp_path, office.ask, office.fill)
        for seed in seeds(8):
            with case(seed) as chance:
                gone, came = set(chance.sample(MANY[12:60], chance.randrange(1, 5))), chance.choice(MANY[100:])
                vanishing, each_time = chance.random() < 0.7, chance.random() < 0.3
                torn = [row for row in AFTER if row["CARD"] not in gone] if vanishing else [*AFTER, loan(came, 9999)]
                tearing = Tearing(office.fill, torn, each_time=each_time)
                office.proxy.overhears = tearing
                outcome = trial.ask()
                office.proxy.overhears = lambda _question: None
                office.fill(AFTER)
                assert tearing.fired
                whole = kind == "postgresql" or not each_time
                assert outcome.state is (RunState.APPLIED if whole else RunState.FAILED)
