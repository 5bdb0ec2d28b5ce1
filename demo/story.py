"""The story of the demo university, day by day: books are returned, fees are paid, new debts appear, rooms empty.

It is a pure function of seed, student and day: the offices of any day can be built without the days before. Day 0 is
25 May 2019; the window closes on day 12, 6 June. The shares of the first day are ones that universities published.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from demo.university import Student, students

FIRST_DAY = date(2019, 5, 25)
#: The day on which the window of the postgraduates closes. The offices have data of later days too.
LAST_DAY = 18

LIBRARY_SHARE = 0.246
FINANCE_SHARE = 0.047
TEXTBOOK_SHARE = 0.03
_DORM_EARLY_SHARE = 0.015
_DORM_LATE_SHARE = 0.003

#: The share of debts that is settled each day; what is left by then is settled in the last days of the window.
_SETTLED_DAILY = 0.09
_LAST_DAYS = (8, 12)
#: The share of students with debts who do not settle them in the window.
_UNSETTLED_SHARE = 0.031
#: The share of students whose college reading room does not clear them in the window.
_READING_ROOM_LATE_SHARE = 0.001
#: The share of students without debts who get a new one on some day in the window.
_NEW_DEBT_SHARE = 0.006

#: The days on which nearly all students check out: 3 to 5 June.
_RUSH = range(9, 12)
NEVER = 10_000

#: Debts that last beyond this day are useful in every demo.
_LONG = 12

_TOPICS = (
    "构造地质学", "普通地质学", "矿物学", "岩石学", "地球化学", "地层学", "古生物学", "水文地质学", "工程力学",
    "流体力学", "材料科学基础", "有机化学", "无机化学", "分析化学", "环境监测", "环境化学", "土力学",
    "岩体力学", "钻探工艺学", "隧道工程", "自动控制原理", "数字电路", "模拟电子技术", "信号与系统", "机械原理",
    "机械设计", "微观经济学", "宏观经济学", "计量经济学", "管理学", "会计学原理", "市场营销学", "英语国家概况",
    "语言学导论", "翻译理论与实践", "数据结构", "操作系统", "编译原理", "计算机网络", "数据库系统", "遥感原理",
    "地图学", "数学分析", "高等代数", "概率论", "数学物理方法", "量子力学", "电动力学", "设计史", "色彩构成",
    "影视语言", "公共政策", "行政管理学", "土地管理学", "社会学概论", "唐诗选", "宋词选", "中国通史",
    "世界地理", "科技写作",
)  # fmt: skip
_KINDS = ("", "（第二版）", "（第三版）", "习题集", "教程", "导论", "实验指导", "研究进展")

_FEES = ("学费", "住宿费", "重修费")
_TERMS = ("2017-2018-1", "2017-2018-2", "2018-2019-1", "2018-2019-2")


@dataclass(frozen=True, slots=True)
class Loan:
    """A borrowed book, from one day until the day it is returned."""

    barcode: str
    title: str
    issued: date
    due: date
    from_day: int
    until_day: int


@dataclass(frozen=True, slots=True)
class Debt:
    """A sum owed from one day until it is paid."""

    reference: str
    title: str
    amount: Decimal
    from_day: int
    until_day: int


@dataclass(frozen=True, slots=True)
class Life:
    """All debts of a student, and the day on which each is settled."""

    student: Student
    loans: tuple[Loan, ...]
    fines: tuple[Debt, ...]
    fees: tuple[Debt, ...]
    #: Term → the unpaid amount; negative if too much was paid.
    textbooks: tuple[Debt, ...]
    refunds: tuple[Debt, ...]
    #: NEVER for commuters.
    checked_out_on: int
    #: The day on which the reading room of the college clears the student.
    reading_room_on: int


def lives(seed: int) -> tuple[Life, ...]:
    """Return every student's life in the season."""
    people = students(seed)
    leaving = [student for student in people if student.leaving]
    undergraduates = [student for student in leaving if student.level == "本科生"]
    random = Random(f"{seed}/story")
    library = _sample(random, leaving, LIBRARY_SHARE)
    finance = _sample(random, leaving, FINANCE_SHARE)
    textbook = _sample(random, undergraduates, TEXTBOOK_SHARE)
    return tuple(
        _life(seed, student, student.number in library, student.number in finance, student.number in textbook)
        for student in people
    )


def _sample(random: Random, people: list[Student], share: float) -> frozenset[str]:
    return frozenset(s.number for s in random.sample(people, round(len(people) * share)))


def _life(seed: int, student: Student, library: bool, finance: bool, textbook: bool) -> Life:  # noqa: FBT001 - three marks of one draw
    random = Random(f"{seed}/{student.number}")
    kind = random.random()
    late = random.randint(1, 12) if random.random() < _NEW_DEBT_SHARE else 0
    what = random.choice(("loan", "fee"))
    pays = random.random() >= _UNSETTLED_SHARE
    back = _settled(random, 0, pays)
    loans = [_loan(random, student, i, 0, back) for i in range(random.randint(1, 4))] if library and kind < 0.92 else []
    fine_paid = _settled(random, 0, pays)
    if fine_paid == back != NEVER:
        # At the desk the fine is known only after the books are back.
        fine_paid += 1 if back < _LAST_DAYS[1] else -1
    fines = [_fine(random, student, fine_paid)] if library and kind >= 0.8 else []
    if late and what == "loan" and not library:
        loans.append(_loan(random, student, 0, late, _settled(random, late, pays)))
    paid = _settled(random, 0, pays)
    fees = [_fee(random, student, i, 0, paid) for i in range(random.choice((1, 1, 2)))] if finance else []
    if late and what == "fee" and not finance:
        fees.append(_fee(random, student, 0, late, _settled(random, late, pays)))
    books = tuple(
        _textbook(random, student, term, _settled(random, 0, pays)) for term in random.sample(_TERMS, 1) if textbook
    )
    return Life(
        student=student,
        loans=tuple(loans),
        fines=tuple(fines),
        fees=tuple(fees),
        textbooks=books,
        refunds=_refund(random, student) if not textbook and random.random() < 0.02 else (),
        checked_out_on=NEVER if student.commuter else _checkout(random),
        reading_room_on=NEVER if random.random() < _READING_ROOM_LATE_SHARE else random.randint(1, _LAST_DAYS[1] - 1),
    )


def _settled(random: Random, from_day: int, pays: bool) -> int:  # noqa: FBT001 - a mark of one draw
    """Return the day on which a debt is settled: a share each day, and the rest before the window closes."""
    if not pays:
        return NEVER
    day = from_day + 1
    while random.random() > _SETTLED_DAILY:
        day += 1
    first, last = _LAST_DAYS
    return day if day <= last else random.randint(max(first, min(from_day + 1, last)), last)


def _loan(random: Random, student: Student, serial: int, from_day: int, until_day: int) -> Loan:
    due = FIRST_DAY + timedelta(days=random.randint(-20, 12))
    return Loan(
        barcode=f"B{student.number[-8:]}{serial}",
        title=random.choice(_TOPICS) + random.choice(_KINDS),
        issued=due - timedelta(days=60),
        due=due,
        from_day=from_day,
        until_day=until_day,
    )


def _fine(random: Random, student: Student, until_day: int) -> Debt:
    amount = Decimal(random.randint(2, 200)) / 10
    return Debt(f"F{student.number[-8:]}", "逾期滞纳金", amount, 0, until_day)


def _fee(random: Random, student: Student, serial: int, from_day: int, until_day: int) -> Debt:
    title = random.choice(_FEES)
    amount = {"学费": Decimal(5850), "住宿费": Decimal(1200), "重修费": Decimal(random.randint(2, 9) * 60)}[title]
    return Debt(f"S{student.number[-8:]}{serial}", f"2018-2019学年{title}", amount, from_day, until_day)


def _textbook(random: Random, student: Student, term: str, until_day: int) -> Debt:
    amount = Decimal(random.randint(800, 42_000)) / 100
    return Debt(f"T{student.number[-8:]}", term, amount, 0, until_day)


def _refund(random: Random, student: Student) -> tuple[Debt, ...]:
    return (Debt(f"T{student.number[-8:]}", _TERMS[0], Decimal(-random.randint(100, 9_000)) / 100, 0, NEVER),)


def _checkout(random: Random) -> int:
    chance = random.random()
    if chance < _DORM_EARLY_SHARE:
        return random.randint(-5, 0)
    if chance > 1 - _DORM_LATE_SHARE:
        return random.randint(_LAST_DAYS[1] + 1, 20)
    return random.choice(_RUSH)


def notable(seed: int) -> tuple[tuple[str, str, str], ...]:
    """Return interesting students, each with number, name and description."""
    people = lives(seed)
    undergraduates = [life for life in people if life.student.leaving and life.student.level == "本科生"]

    def long_open(debts: tuple[Loan, ...] | tuple[Debt, ...]) -> bool:
        return bool(debts) and all(debt.from_day == 0 and debt.until_day > _LONG for debt in debts)

    def commuting_free(life: Life) -> bool:
        return life.student.commuter and not (life.loans or life.fines or life.fees or life.textbooks)

    wanted: tuple[tuple[str, Callable[[Life], bool]], ...] = (
        ("has books to return and a fine to pay", lambda life: long_open(life.loans) and long_open(life.fines)),
        ("has a fee to pay", lambda life: long_open(life.fees) and not life.loans),
        ("owes nothing and lives off campus", commuting_free),
        ("gets a textbook refund", lambda life: bool(life.refunds)),
    )
    chosen = [(next(life.student for life in undergraduates if fits(life)), what) for what, fits in wanted]
    chosen.append((next(life.student for life in people if not life.student.leaving), "stays a year longer"))
    return tuple((student.number, student.name, what) for student, what in chosen)
