"""Measure the sync, the quick commands and `verify` beside their floors, and write the results: `make bench`.

`python -m benchmarks.report` writes benchmarks/results/sync.json, the tables of docs/performance.md and its picture.
`--students` sets the size, `--rounds` how often each piece is measured, `--only-write` writes the pages from the file.
"""

import argparse
import json
import logging
import os
import platform
from collections.abc import Callable
from pathlib import Path

import structlog

from benchmarks.speed.command_rows import command_rows
from benchmarks.speed.pages import table, write_picture, write_tables
from benchmarks.speed.recheck_row import recheck_row
from benchmarks.speed.rows import Row
from benchmarks.speed.sync_rows import sync_rows, unmatched_row
from benchmarks.sync_cost import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "sync.json"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance-sync.svg"


def measured(students: int, rounds: int) -> list[Row]:
    """Measure every row."""
    parts: tuple[Callable[[], list[Row]], ...] = (
        lambda: command_rows(rounds),
        lambda: [recheck_row(rounds)],
        lambda: sync_rows(students, rounds, "sqlite"),
        lambda: sync_rows(students, rounds, "postgresql"),
        lambda: [unmatched_row(rounds, students * 3 // 10, students // 10)],
    )
    found: list[Row] = []
    for part in parts:
        rows = part()
        print(table(rows), flush=True)
        found += rows
    return found


def main() -> None:
    """Measure, and write everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only-write", action="store_true")
    parser.add_argument("--no-pages", action="store_true", help="Print the tables, and leave the pages as they are.")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if not chosen.only_write:
        found = {
            "students": chosen.students,
            "rounds": chosen.rounds,
            "python": platform.python_version(),
            "processors": os.cpu_count(),
            "rows": [row.as_json() for row in measured(chosen.students, chosen.rounds)],
        }
        chosen.results.parent.mkdir(parents=True, exist_ok=True)
        chosen.results.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    found = json.loads(chosen.results.read_text(encoding="utf-8"))
    rows = [Row.of_json(each) for each in found["rows"]]
    stated = (
        f"{found['students']:,} students, median of {found['rounds']} rounds, Python {found['python']}, "
        f"{found['processors']} processors."
    )
    print(stated)
    if not chosen.no_pages:
        write_tables(PAGE, rows, stated)
        write_picture(PICTURE, rows)


if __name__ == "__main__":
    main()
