"""A statement that takes longer than it may is broken off, on both databases; the next one is answered."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from status_db.store.deadlines import within
from status_db.store.engine import TookTooLong, open_reading, reading
from tests.world import World

_ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
_MOMENT = timedelta(milliseconds=50)


def _ask(engine: Engine, question: str = "SELECT 1") -> int:
    with reading(engine) as connection:
        return int(connection.execute(text(question)).scalar_one())


def _never_ends(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(_ENDLESS)


def test_a_statement_ends_with_its_time(world: World) -> None:
    engine = open_reading(world.url, at_most=_MOMENT)
    for _ in range(2):
        with pytest.raises(TookTooLong, match="a query exceeded its time limit"):
            _never_ends(engine)
        assert _ask(engine) == 1
    engine.dispose()


def test_on_sqlite_a_thread_may_allow_less_for_a_while(sqlite_world: World) -> None:
    engine = open_reading(sqlite_world.url, at_most=timedelta(hours=1))
    with within(_MOMENT), pytest.raises(TookTooLong):
        _never_ends(engine)
    assert _ask(engine) == 1
    engine.dispose()
