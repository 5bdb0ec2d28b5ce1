"""Promise 8: the same answer in another order, in other pages, or twice in a row is the same answer."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors import rest
from status_db.model import RunState
from tests.cast import LIN, QIAN
from tests.faults.seeds import case, seeds
from tests.faults.trial import MANY, Big, loan
from tests.services.http_office import HttpOffice
from tests.world import SETTINGS

CASES, PARTS = 200, 4

STUDENTS = (*MANY[:40], "0099123")

#: Not the guard's limits are tried here.
_WIDE_LIMITS = """
rows_fall_percent = 100
no_rows_after = 10000
clear_count = 10000
hold_count = 10000
unknown_count = 10000
all_of = 10000
group_count = 10000
quality_rows = 10000
"""
WIDE = SETTINGS.replace('first = "apply"', 'first = "apply"\nnameless = "ignore"') + "".join(
    f"[source.{name}.guard]{_WIDE_LIMITS}" for name in ("loans", "fines", "fees", "checkouts")
)

SOURCES = ("loans", "fines", "fees", "checkouts")

Row = dict[str, Any]


def drawn(chance: Random, source: str) -> list[Row]:
    """Draw an answer: several rows for one student, doubled ones, other numbers, unmatched and unreadable rows."""
    odd = ["99123", QIAN.former, " c-1001 ", LIN.number, "X1", None]
    whose = chance.choices([*STUDENTS, *odd], k=chance.randrange(5, 60))
    match source:
        case "loans":
            rows = [{**loan(s or "", chance.randrange(90)), "CARD": s} for s in whose]
            return rows + chance.sample(rows, 2)
        case "fines" | "fees":
            amounts = ["3.20", "0", "-3.20", "1,200.50元", None, "见备注", 7, 0.1]
            who, amount = ("CARD", "AMOUNT") if source == "fines" else ("XH", "QFJE")
            return [{who: s, amount: chance.choice(amounts), "XM": chance.choice(("学费", "住宿费"))} for s in whose]
        case _:
            words = ["已清退", "未清退", "外宿", "退了", None]
            return [{"学号": s, "清退状态": chance.choice(words), "房间": f"41{chance.randrange(3)}"} for s in whose]


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_in_any_order_and_any_pages_come_to_the_same_and_write_nothing_twice(part: int, tmp_path: Path) -> None:
    with Big(tmp_path, STUDENTS, WIDE) as world, HttpOffice(style="offset") as office:
        world.run_all()
        kept = tmp_path / "kept.db"
        world.keep(kept)
        before = world.marks()
        changed = 0

        def say(rows: list[Row], source: str, chance: Random, *, paged: bool) -> None:
            """Say it in another order, and where it goes over the wire, in pages of another size."""
            chance.shuffle(rows)
            world.says[source] = office.rows = rows
            if paged:
                own = {
                    "url": office.url,
                    "records": "data.rows",
                    "total": "data.total",
                    "paging": {"kind": "offset", "per_page": chance.choice((3, 7, 20, 99))},
                }
                world.real[source] = rest.connect(rest.Settings.model_validate(own), world.question(source))

        for seed in seeds(CASES)[part::PARTS]:
            with case(seed) as chance:
                source = chance.choice(SOURCES)
                rows = drawn(chance, source)
                paged = source == "loans" and chance.random() < 0.5
                if paged:
                    # A record on two pages is refused, for another may be lost then.
                    rows = list({repr(row): row for row in rows}.values())
                say(rows, source, chance, paged=paged)
                world.run(source)
                first, written = world.marks(), world.dump(freshness=False)
                changed += first != before
                for again in range(2):
                    if again:
                        say(rows, source, chance, paged=paged)
                    outcome = world.run(source)
                    assert outcome.state is RunState.UNCHANGED
                    assert world.dump(freshness=False) == written
                world.put_back(kept)
                say(rows, source, chance, paged=paged)
                world.run(source)
                assert world.marks() == first
                world.put_back(kept)
                world.real.clear()
        assert changed or len(seeds(CASES)) == 1
