"""The number of suspended runs in a season without errors, at three paces: `python -m benchmarks.season_paces`.

The demo university's season (`demo/story.py`) runs through the real sync on SQLite, with sources in memory and a
clock of its own: a pull of every source each quarter of an hour, each hour, and each night. Each event happens at a
moment within the offices' hours of its day, drawn from the same seed. Every run that the guard suspends is counted and
approved at once. No office has an error, so every suspension is unnecessary; the aim is none before the last three
days, and at most one a source in them.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import structlog

from demo.story import FIRST_DAY, NEVER, Debt, Life, Loan, lives
from status_db.model import ROSTER, RunState
from tests.world import SETTINGS, World

DAYS = 13
LAST_DAYS = 3
PACES: Mapping[str, timedelta] = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "night": timedelta(days=1),
}
SOURCES = ("loans", "fines", "fees", "textbooks", "checkouts")

_MIDNIGHT = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) - timedelta(hours=8)
_OPENS, _OPEN_FOR = timedelta(hours=8), timedelta(hours=10)
#: The hour of the nightly pulls.
_NIGHT = timedelta(hours=3)
#: Readers of the library who do not leave.
_OTHER_READERS = 1_500

_TEXTBOOKS = """
[[step]]
key = "textbook"
title = "校教材中心"
office = { name = "校教材中心" }

[source.textbooks]
step = "textbook"
connector = "memory"
means = "balance"
obligation = "textbook"
every = "1 h"
first = "apply"
columns = { student = "XH", title = "XQ", amount = "YE" }
"""


@dataclass(frozen=True, slots=True)
class Season:
    """A season: the demo's, or one with a part of another seed's students."""

    name: str
    seed: int
    #: The number of students; None for all.
    students: int | None = None


SEASONS = (
    Season("demo", 2019),
    *(Season(f"soak {seed}", seed, students=600) for seed in range(1, 6)),
)


@dataclass
class Counts:
    """The number of suspended runs of each source, and their first messages."""

    pulls: int = 0
    applied: int = 0
    early: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    why: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of an office, from one moment until another."""

    begins: datetime
    ends: datetime
    cells: Mapping[str, Any]


def settings() -> str:
    """Return the season's settings: every limit of the guard is the default."""
    text = SETTINGS.replace('"本科" = "undergraduate", "硕士"', '"本科生" = "undergraduate", "硕士研究生"')
    undergraduate = '  { step = "library" }, { step = "finance" }'
    assert undergraduate in text
    text = text.replace(undergraduate, '  { step = "library" }, { step = "textbook" }, { step = "finance" }', 1)
    return text + _TEXTBOOKS


def moment(day: int, key: str) -> datetime:
    """Return the moment of an event on its day."""
    if day <= 0:
        return _MIDNIGHT
    if day >= NEVER:
        return _MIDNIGHT + timedelta(days=365)
    return _MIDNIGHT + timedelta(days=day) + _OPENS + _OPEN_FOR * Random(key).random()


def rows(people: Sequence[Life], seed: int) -> dict[str, list[_Row]]:
    """Return every row that an office has at some time of the season."""
    found: dict[str, list[_Row]] = {name: [] for name in SOURCES}

    def add(source: str, about: Loan | Debt, key: str, **cells: str) -> None:
        begins, ends = moment(about.from_day, f"{seed}/{key}/begins"), moment(about.until_day, f"{seed}/{key}/ends")
        found[source].append(_Row(begins, ends, cells))

    for life in people:
        student = life.student
        for loan in life.loans:
            add("loans", loan, loan.barcode, CARD=student.card, TITLE=loan.title, DUE=str(loan.due),
                BARCODE=loan.barcode)  # fmt: skip
        for fine in life.fines:
            add("fines", fine, fine.reference, CARD=student.card, AMOUNT=str(fine.amount))
        for fee in life.fees:
            add("fees", fee, fee.reference, XH=student.number, QFJE=str(fee.amount), XM=fee.title)
        for debt in (*life.textbooks, *life.refunds):
            add("textbooks", debt, debt.reference, XH=student.number, YE=str(debt.amount), XQ=debt.title)
        if not student.commuter:
            out = moment(life.checked_out_on, f"{seed}/{student.number}/out")
            room = {"学号": student.number, "房间": student.room}
            found["checkouts"].append(_Row(_MIDNIGHT, out, {**room, "清退状态": "未清退"}))
            found["checkouts"].append(_Row(out, _MIDNIGHT + timedelta(days=400), {**room, "清退状态": "已清退"}))
    others = Random(f"{seed}/others")
    for number in range(_OTHER_READERS):
        if others.random() < 0.4:
            cells = {
                "CARD": f"2017{number:06d}",
                "TITLE": "大学英语",
                "DUE": "2019-06-20",
                "BARCODE": f"B9{number:08d}",
            }
            found["loans"].append(_Row(_MIDNIGHT, _MIDNIGHT + timedelta(days=400), cells))
    return found


def pulls(pace: timedelta, days: int = DAYS) -> Iterator[datetime]:
    """Return the moments at which every source is pulled; the first is the season's first morning."""
    at = _MIDNIGHT + (_NIGHT if pace >= timedelta(days=1) else timedelta())
    jitter = Random("jitter")
    while at < _MIDNIGHT + timedelta(days=days):
        # A scheduler is rarely exact to the second.
        yield at + timedelta(seconds=jitter.randint(0, 90))
        at += pace


def live(season: Season, pace: timedelta, folder: Path, days: int = DAYS) -> Counts:
    """Run one season at one pace, and count the runs that the guard suspends."""
    people = lives(season.seed)
    if season.students is not None:
        people = tuple(Random(f"{season.seed}/some").sample(list(people), season.students))
    offices, counts = rows(people, season.seed), Counts()
    with World(f"sqlite:///{folder / 'season.db'}", folder, settings()) as world:
        world.says[ROSTER] = [_roster_row(life) for life in people]
        world.now = _MIDNIGHT - timedelta(hours=1)
        world.run(ROSTER)
        begun: dict[str, list[Mapping[str, Any]]] = {}
        for at in pulls(pace, days):
            day = (at - _MIDNIGHT).days
            for source in SOURCES:
                world.now = at
                cells = [row.cells for row in offices[source] if row.begins <= at < row.ends]
                if cells != begun.get(source):
                    begun[source] = world.says[source] = cells  # type: ignore[assignment]
                outcome = world.sync.run(source, by="season")
                counts.pulls += 1
                counts.applied += outcome.state is RunState.APPLIED
                if outcome.state is RunState.SUSPENDED and outcome.run is not None:
                    (counts.late if day >= days - LAST_DAYS else counts.early)[source] += 1
                    counts.why.append(f"day {day} {at:%H:%M} {source}: {outcome.message.partition(': look')[0]}")
                    world.sync.approve(outcome.run, source, by="season")
    return counts


def _roster_row(life: Life) -> dict[str, str]:
    s = life.student
    return {
        "学号": s.number, "姓名": s.name, "培养层次": s.level, "学院": s.college, "班级": s.class_name,
        "校区": s.campus, "楼栋": s.building, "类别": s.category, "一卡通": s.card, "原学号": s.former,
    }  # fmt: skip


def _table(found: Iterable[tuple[str, str, Counts]]) -> Iterator[str]:
    yield "| season | pace | pulls | applied | " + " | ".join(SOURCES) + " |"
    yield "|---|---|---|---|" + "---|" * len(SOURCES)
    for season, pace, counts in found:
        each = (f"{counts.early[source]} + {counts.late[source]}" for source in SOURCES)
        yield f"| {season} | {pace} | {counts.pulls} | {counts.applied} | " + " | ".join(each) + " |"


def main() -> None:
    """Run the seasons, and print a table: suspensions before the last three days + in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--season", default="", help="only seasons whose name begins with this")
    parser.add_argument("--pace", default="", choices=("", *PACES), help="only this pace")
    parser.add_argument("--why", action="store_true", help="print every reason")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    found: list[tuple[str, str, Counts]] = []
    for season in (s for s in SEASONS if s.name.startswith(asked.season)):
        for name, pace in PACES.items():
            if asked.pace in ("", name):
                with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
                    found.append((season.name, name, live(season, pace, Path(folder))))
                if asked.why:
                    print("\n".join(f"{season.name}, {name}: {why}" for why in found[-1][2].why), flush=True)
    print("\n".join(_table(found)))


if __name__ == "__main__":
    main()
