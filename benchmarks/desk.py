"""The cost of the desk's long actions, compared with bare inserts of the same rows: `python -m benchmarks.desk`.

A sheet of 2,000 decisions is previewed, imported and withdrawn; a class of 300 is reviewed and issued. The floor
inserts as many decisions one by one in one transaction, by the same driver on the same database, without flips, seals
or any check of the current state. Compare the ratios, not the seconds. The fastest of several rounds counts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, insert

from status_db import tables
from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.class_review import ChosenStudent, ClassReviews
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.model import ROSTER, Verdict
from status_db.store.engine import writing
from tests.cast import SUN
from tests.services import databases
from tests.world import COHORT, World

ROWS, CLASS = 2_000, 300
STUDENTS = 5_000


def _number(at: int) -> str:
    return f"2015{at:06d}"


def filled(url: str, folder: Path) -> World:
    """Return a university whose last 300 students lack only their college's review."""
    world = World(url, folder)
    people = range(STUDENTS)
    world.says[ROSTER] = [{**SUN.listed(), "学号": _number(n), "姓名": f"人{n}"} for n in people]
    world.says["checkouts"] = [{"学号": _number(n), "清退状态": "已清退", "房间": "1"} for n in people[-CLASS:]]
    world.run_all()
    for n in people[-CLASS:]:
        world.decisions.enter(
            DecisionRequest(_number(n), "college_items", Verdict.CLEARED, "无借阅"), "college", world.now
        )
    return world


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = act()
    return time.perf_counter() - began, done


def _floor(world: World) -> None:
    """Insert as many decisions as the sheet has."""
    bare: dict[str, Any] = {
        "cohort": COHORT,
        "step": "dorm",
        "verdict": "cleared",
        "author": "x",
        "reason": "x",
        "words": "",
        "note": "",
        "decided_at": world.now,
        "entered_at": world.now,
        "answered_verdict": "unknown",
        "answered_keys": [],
    }
    with writing(world.engine, COHORT) as connection:
        for n in range(ROWS):
            connection.execute(insert(tables.decision).values(**bare, student=_number(n)))


def round_of(world: World, mark: int) -> dict[str, float]:
    """Measure each act once; return its seconds."""
    batches = Batches(world.writer)
    class_reviews = ClassReviews(world.writer)
    took: dict[str, float] = {}
    took["floor"], _ = _timed(lambda: _floor(world))
    with writing(world.engine, COHORT) as connection:
        connection.execute(delete(tables.decision).where(tables.decision.c.step == "dorm"))
    rows = [ImportRow(n, _number(n), f"人{n}", Verdict.CLEARED, "现场归还") for n in range(ROWS)]
    took["preview a sheet"], preview = _timed(lambda: batches.preview("library", rows, world.now))
    took["import it"], entered = _timed(
        lambda: batches.enter_all(BatchKind.IMPORT, "library", rows, preview.digest, "x", world.now, title="x")
    )
    took["withdraw it"], _ = _timed(lambda: batches.undo(entered.batch.id, "x", "a benchmark", world.now))
    people = [_number(n) for n in range(STUDENTS - CLASS, STUDENTS)]
    took["read a class"], stand = _timed(lambda: class_reviews.status_of(people, world.now))
    chosen = [
        ChosenStudent(number, seen_by_review(review), f"{mark}-{number}")
        for number in people
        if (review := next((s for s in stand[number] if s.step == "final_review"), None)) is not None
    ]
    took["review and issue it"], held = _timed(
        lambda: class_reviews.give("final_review", chosen, "x", world.now, title="x", kind="毕业证书", reason="通过")
    )
    assert len(held.certificates) == CLASS, held.left_out[:1]
    for certificate in held.certificates:
        world.register.revoke(certificate.number, "y", "a benchmark", world.now)
    for number in people:
        world.reviews.take_back(number, "final_review", "x", world.now)
    return took


def main() -> None:
    """Measure on each database and print the tables."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--only", choices=("sqlite", "postgresql"))
    wanted = asked.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for kind in ("sqlite", "postgresql"):
        if wanted.only not in (None, kind):
            continue
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url = f"sqlite:///{folder}/bench.db"
            if kind == "postgresql":
                server = stack.enter_context(databases.postgres_server())
                url = stack.enter_context(databases.fresh_database(server)).render_as_string(hide_password=False)
            world = stack.enter_context(filled(url, folder))
            rounds = [round_of(world, mark) for mark in range(wanted.rounds)]
        best = {act: min(one[act] for one in rounds) for act in rounds[0]}
        print(f"\n{kind}: {ROWS:,} rows, a class of {CLASS}, {STUDENTS:,} students")
        for act, seconds in best.items():
            print(f"  {act:22} {seconds:8.3f} s   {seconds / best['floor']:6.2f} × the floor")


if __name__ == "__main__":
    main()
