"""The growth of the ledger on SQLite: bytes of pages per run, where half of the runs change one student.

python -m benchmarks.ledger_growth [--runs 600]
"""

import argparse
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from sqlalchemy import text

from tests.cast import GEOLOGY_LOAN, QIAN
from tests.world import World


def main() -> None:
    """Run, and print one line."""
    parser = argparse.ArgumentParser(description="How much a run adds to the ledger.")
    parser.add_argument("--runs", type=int, default=600)
    runs: int = parser.parse_args().runs
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory() as folder, World(f"sqlite:///{folder}/clearance.db", Path(folder)) as world:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        before = _table_bytes(world)
        for turn in range(runs // 2):
            title = f"Volume {turn}"
            world.says["loans"] = [GEOLOGY_LOAN, {**GEOLOGY_LOAN, "CARD": QIAN.number, "TITLE": title}]
            world.run("loans")
            world.run("fines")
        added = [(after - was) / runs for was, after in zip(before, _table_bytes(world), strict=True)]
    print(f"{runs} runs: {added[0]:,.0f} bytes of ledger and {added[1]:,.0f} bytes of runs for each")


def _table_bytes(world: World) -> tuple[int, int]:
    """Return the bytes of the ledger and of the runs, indexes included."""
    of = (
        "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :t)"
    )
    with world.engine.connect() as connection:
        ledger, run = (connection.execute(text(of), {"t": table}).scalar_one() for table in ("ledger", "run"))
    return ledger, run


if __name__ == "__main__":
    main()
