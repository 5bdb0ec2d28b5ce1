"""The cost of the leaders' pages, compared with a bare count of the same rows: `python -m benchmarks.pages`.

A roster of 100,000 in 20 colleges and 2,500 classes, a quarter of them held at each synced step, half with a decision.
The floor is one COUNT over the statuses, by the same driver on the same database. Compare the ratios, not the seconds.
The fastest of several rounds counts.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, make_url, select

from clearance.settings_file import load_settings
from config.settings import Settings
from status_db import tables
from status_db.effective.visible import everything
from status_db.model import ROSTER, State
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.queries.student import Reader
from status_db.store.engine import open_reading, open_writing, reading, writing
from status_db.store.migrate import upgrade
from tests.services import databases
from tests.world import SETTINGS

COHORT = "2019"
NOW = datetime(2019, 6, 20, 8, tzinfo=UTC)
BEGAN = NOW - timedelta(days=25)
COLLEGES, CLASSES = 20, 2500
FLOW = "undergraduate"
SYNCED = ("library", "finance", "dorm")


def fill(url: str, students: int) -> None:
    """Write the data of a season after 25 days."""
    upgrade(url, "marks")
    chance = random.Random(1)
    engine = open_writing(url)
    roster = {"cohort": COHORT, "source": ROSTER, "state": "applied", "began": BEGAN, "ended": BEGAN, "by": "bench"}
    with writing(engine, COHORT) as connection:
        connection.execute(insert(tables.cohort).values(cohort=COHORT, name="2019"))
        connection.execute(insert(tables.run).values(**roster))
        for name, step in (("loans", "library"), ("fines", "library"), ("fees", "finance"), ("checkouts", "dorm")):
            fresh = {"began": NOW, "ended": NOW, "fresh_for_seconds": 14_400}
            connection.execute(insert(tables.source_state).values(cohort=COHORT, source=name, step=step, **fresh))
        for start in range(0, students, 5_000):
            _fill(connection, chance, range(start, min(students, start + 5_000)))
    engine.dispose()


def _fill(connection: Any, chance: random.Random, which: range) -> None:  # noqa: ANN401 - a Connection
    people: list[dict[str, Any]] = []
    statuses: list[dict[str, Any]] = []
    decisions: list[dict[str, Any]] = []
    flips: list[dict[str, Any]] = []
    for index in which:
        at = {"cohort": COHORT, "student": f"2015{index:07d}"}
        where = {"college": f"College {index % COLLEGES:02}", "class": f"Class {index % CLASSES:04}"}
        kind = {
            "level": "undergraduate",
            "campus": "North",
            "building": "1",
            "category": "毕业",
            "flow": "undergraduate",
        }
        rest = {"name": f"Student {index}", "extra": {}, "active": True, "joined_at": BEGAN, "digest": b""}
        people.append(at | where | kind | rest)
        for step in SYNCED:
            held = chance.random() < 0.25
            found = ("held", "owed", ["loan:B1"]) if held else ("cleared", "nothing_owed", None)
            statuses.append(_status(at, step, *found))
            if not held:
                flips.append(_flip(at, step, chance))
        statuses.append(_status(at, "college_items", "unknown", "awaiting_decision", None))
        statuses.append(_status(at, "final_review", "unknown", "awaiting_review", None))
        if index % 2:
            decision = {
                "step": "college_items",
                "verdict": "cleared",
                "author": "x",
                "reason": "r",
                "words": "",
                "note": "",
            }
            on = {"decided_at": BEGAN, "entered_at": BEGAN, "answered_verdict": "unknown", "answered_keys": []}
            decisions.append(at | decision | on)
            flips.append(_flip(at, "college_items", chance))
    for table, rows in (
        (tables.student, people), (tables.status, statuses), (tables.decision, decisions), (tables.flip, flips),
    ):  # fmt: skip
        connection.execute(insert(table), rows)


def _status(at: dict[str, str], step: str, verdict: str, reason: str, keys: list[str] | None) -> dict[str, Any]:
    return {**at, "step": step, "verdict": verdict, "reason": reason, "evidence_keys": keys, "since": BEGAN, "run": 1}


def _flip(at: dict[str, str], step: str, chance: random.Random) -> dict[str, Any]:
    when = BEGAN + timedelta(minutes=chance.randrange(25 * 24 * 60))
    return {**at, "step": step, "before": "unknown", "after": "cleared", "reason": "x", "cause": "run", "at": when}


def cases(url: str, settings: Settings) -> dict[str, Callable[[], object]]:
    """Return the measured queries, the floor first."""
    engine = open_reading(url)
    reader, lists = Reader(engine, settings), Lists(engine, settings)
    visibility = everything(settings, COHORT)
    own = everything(settings, COHORT, ({"college": ("College 03",)},))
    held, by_number = Filter(State.HELD, "finance"), Filter(order=Order.NUMBER)

    def floor() -> int:
        with reading(engine) as connection:
            return connection.execute(select(func.count()).where(tables.status.c.cohort == COHORT)).scalar_one()

    return {
        "bare count": floor,
        "overview": lambda: reader.seen(visibility, NOW),
        "overview of a college": lambda: reader.seen(own, NOW),
        "day by day": lambda: reader.trend(visibility, NOW),
        "list by class": lambda: lists.leaf(visibility, Filter(), NOW, 50),
        "list by number": lambda: lists.leaf(visibility, by_number, NOW, 50),
        "list of one state": lambda: lists.leaf(visibility, held, NOW, 50),
        "list of a college": lambda: lists.leaf(own, Filter(), NOW, 50),
        "count up to 2,000": lambda: lists.count(visibility, Filter(), NOW, 2_000),
        "rows of a file": lambda: sum(1 for _ in lists.whole(own, Filter(ListSelection.ALL), NOW)),
    }


@contextmanager
def places(backend: str, folder: Path) -> Iterator[str]:
    """Create an empty database of a backend."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'marks.db'}"
        return
    with databases.postgres_server() as server, databases.fresh_database(server) as url:
        yield url.render_as_string(hide_password=False)


def main() -> None:
    """Measure on each backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), action="append")
    chosen = parser.parse_args()
    for backend in chosen.backend or ["sqlite", "postgresql"]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            url = stack.enter_context(places(backend, folder))
            os.environ["STATUS_URL"] = url
            file = folder / "bench.toml"
            file.write_text(SETTINGS, encoding="utf-8")
            fill(url, chosen.students)
            print(f"\n{make_url(url).get_backend_name()}, {chosen.students:,} students")
            print(f"{'case':<24}{'seconds':>9}{'ratio':>9}")
            least = 0.0
            for name, work in cases(url, load_settings(file)).items():
                seconds = min(_timed(work) for _ in range(chosen.rounds))
                least = least or seconds
                print(f"{name:<24}{seconds:>9.3f}{seconds / least:>9.1f}")


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
