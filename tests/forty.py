"""A class of forty on its last morning: everything before the review is done, but where a test has it otherwise."""

from collections.abc import Collection

from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.model import ROSTER, Verdict
from tests.cast import SUN
from tests.world import World

COLLEGE, CLASS = SUN.college, "021161"

#: Their numbers, in the order of the list.
FORTY = tuple(f"20153{at:03}" for at in range(1, 41))


def name_of(number: str) -> str:
    """Return what one of them is called."""
    return f"学生{''.join('〇一二三四五六七八九'[int(digit)] for digit in number[-2:])}"


def forty(world: World, *, owing: Collection[str] = (), unread: Collection[str] = ()) -> tuple[str, ...]:
    """Add the class to a world, and return its numbers.

    `owing` have a book on loan; of `unread` the college has not reported yet that they owe its reading room nothing.
    """
    rows = [
        {**SUN.listed(), "学号": number, "姓名": name_of(number), "班级": CLASS, "一卡通": "", "原学号": ""}
        for number in FORTY
    ]
    world.says[ROSTER] += rows
    world.says["checkouts"] += [{"学号": number, "清退状态": "已清退", "房间": "西区3栋305"} for number in FORTY]
    world.says["loans"] += [
        {"CARD": number, "TITLE": "唐诗选", "DUE": "2019-06-02", "BARCODE": f"B{number}"} for number in owing
    ]
    world.run_all()
    batches = Batches(world.writer)
    told = [
        ImportRow(line, number, None, Verdict.CLEARED, "无借阅")
        for line, number in enumerate(FORTY)
        if number not in unread
    ]
    digest = batches.preview("college_items", told, world.now).digest
    batches.enter_all(BatchKind.IMPORT, "college_items", told, digest, "college", world.now, title="资料室")
    world.later(minutes=1)
    return FORTY
