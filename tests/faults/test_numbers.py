"""Promise 9: whatever happens to a number on its way, no other student's mark moves, and doubt clears no one."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from status_db.model import ROSTER, Verdict
from tests.faults.seeds import case, seeds
from tests.faults.trial import MANY, Big, listed, loan
from tests.world import COHORT, SETTINGS

CASES, PARTS = 400, 4

#: One world serves many cases; how many move in a day is not what is tried here.
UNGUARDED = SETTINGS.replace("[source.fines]", "[source.loans.guard]\nsum_percent = 1000\n\n[source.fines]").replace(
    "[source.fees]", "[source.fines.guard]\nsum_percent = 10000\n\n[source.fees]"
)

#: They owe: the first twenty one book each, the last two have numbers that a spreadsheet shortens.
OWING = (*MANY[:20], "0099123", "0009456")

#: Two who share a card, and one whose former number is another's own.
SHARING, FORMER_OWNER, OWNER = (MANY[30], MANY[31]), MANY[32], MANY[33]

#: Owes nothing, and the library's till says so.
SETTLED = "0008765"

LISTED = (*MANY[:40], "0099123", "0009456", SETTLED)

INVISIBLE = ("\u00a0", "\u200b", "\ufeff", "\u3000", " ", "\t", "\u2060", "\r\n")


def _strewn(chance: Random, number: str) -> str:
    """Put what cannot be seen around it, and where that has no width also within."""
    at = chance.randrange(len(number))
    within = chance.choice(("\u200b", "\ufeff", "\u2060", ""))
    return chance.choice(INVISIBLE) + number[:at] + within + number[at:] + chance.choice(INVISIBLE)


def _full_width(chance: Random, number: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if chance.random() < 0.7 else c for c in number)


#: The same number in another dress; as a number of a program's own it loses nothing, for it begins with no nought.
SPELLINGS: tuple[Callable[[Random, str], object], ...] = (
    _strewn,
    _full_width,
    lambda chance, number: _strewn(chance, _full_width(chance, number)),
    lambda chance, number: number.ljust(chance.randrange(9, 40)),
    lambda _chance, number: number if number.startswith("0") else int(number),
    lambda _chance, number: number if number.startswith("0") else float(number),
    lambda _chance, number: number if number.startswith("0") else Decimal(number),
    lambda _chance, number: number + ".0" * (not number.startswith("0")),
)


def _letter_o(chance: Random, number: str) -> str:
    return number.replace("0", chance.choice("Oo"), 1)


def _another_digit(chance: Random, number: str) -> str:
    at = chance.randrange(len(number))
    return number[:at] + chance.choice([d for d in "0123456789" if d != number[at]]) + number[at + 1 :]


def _swapped(chance: Random, number: str) -> str:
    at = chance.randrange(len(number) - 1)
    return number[:at] + number[at + 1] + number[at] + number[at + 2 :]


#: Another number, however near: nobody's.
MISTAKES: tuple[Callable[[Random, str], str], ...] = (
    _letter_o,
    _another_digit,
    _swapped,
    lambda _chance, number: number + "1",
    lambda chance, number: number[: chance.randrange(3, 7)],
)


class Numbers:
    """A library's loans, one of whose rows is about to have its number mangled."""

    def __init__(self, folder: Path) -> None:
        self.world = Big(folder, LISTED, UNGUARDED)
        rows = {row["学号"]: row for row in self.world.says[ROSTER]}
        for sharer in SHARING:
            rows[sharer]["一卡通"] = "C-77"
        rows[FORMER_OWNER]["原学号"] = OWNER
        self.loans: dict[str, dict[str, Any]] = {s: loan(s, i) for i, s in enumerate(OWING)}
        self.world.says["loans"] = list(self.loans.values())
        self.world.says["fines"] = [{"CARD": SETTLED, "AMOUNT": "0.00"}]
        self.world.run_all()
        assert self.verdict(SETTLED) is Verdict.CLEARED
        self.before = self.world.marks()
        assert {s for s in OWING if self.verdict(s) is Verdict.HELD} == set(OWING)

    def verdict(self, student: str) -> Verdict:
        """Return what is found for a student's library step now."""
        return Verdict(str(self.world.marks()["status", "library", student][0]))

    def say(self, mangled: dict[str, object], *more: object) -> None:
        """Have the library say the numbers of these students so, and a book on each of `more`."""
        rows = [{**row, "CARD": mangled.get(student, student)} for student, row in self.loans.items()]
        self.world.says["loans"] = rows + [loan(str(number), 900 + i) for i, number in enumerate(more)]
        outcome = self.world.run("loans")
        assert outcome.fault is None, outcome.message

    def moved(self) -> set[str]:
        """Return the students of whom anything has changed."""
        after = self.world.marks()
        keys = {key for key in self.before.keys() | after.keys() if self.before.get(key) != after.get(key)}
        return {key[-1] for key in keys}


@pytest.mark.parametrize("part", range(PARTS))
def test_a_mangled_number_moves_no_one_else_and_clears_no_one_by_doubt(part: int, tmp_path: Path) -> None:
    numbers = Numbers(tmp_path)
    world = numbers.world
    with world:
        for seed in seeds(CASES)[part::PARTS]:
            with case(seed) as chance:
                student = chance.choice(OWING)
                world.population = {}
                match seed // PARTS % 7:
                    case 0 | 1:
                        numbers.say({student: chance.choice(SPELLINGS)(chance, student)})
                        assert numbers.moved() == set()
                    case 2:
                        mistaken = chance.choice(MISTAKES)(chance, student)
                        if mistaken in LISTED or mistaken.lstrip("0") in {s.lstrip("0") for s in OWING}:
                            continue
                        # Nothing is said any more about this student, whom the library may not know at all.
                        known = [row["学号"] for row in world.says[ROSTER] if row["学号"] != student]
                        world.population = {"loans": known} if chance.random() < 0.5 else {}
                        numbers.say({student: mistaken})
                        # The owner's number may be another's former one, so that no list of readers shows who is meant.
                        assert numbers.moved() == {student} | ({OWNER} if world.population else set())
                        # The same book is out under a key that is nobody's.
                        assert numbers.verdict(student) is Verdict.UNKNOWN
                        assert mistaken.upper() in {s.key for s in world.reader.unmatched_keys(COHORT)}
                    case 3:
                        short = chance.choice(OWING[20:])
                        numbers.say({short: chance.choice((str, int, float))(int(short))})
                        assert numbers.moved() == {short}
                        assert numbers.verdict(short) is Verdict.UNKNOWN
                    case 4:
                        numbers.say({}, chance.choice(("C-77", " c-77", "Ｃ－７７")))
                        assert numbers.moved() == set(SHARING)
                        assert {numbers.verdict(s) for s in SHARING} == {Verdict.UNKNOWN}
                    case 5:
                        # What is surely theirs says that they owe nothing; what may be theirs says otherwise.
                        numbers.say({})
                        fines = world.says["fines"]
                        world.says["fines"] = [*fines, {"CARD": int(SETTLED), "AMOUNT": "3.20"}]
                        assert world.run("fines").fault is None
                        assert numbers.moved() == {SETTLED}
                        assert numbers.verdict(SETTLED) is Verdict.UNKNOWN
                        world.says["fines"] = fines
                        world.run("fines")
                    case _:
                        numbers.say({}, OWNER)
                        assert numbers.moved() == {FORMER_OWNER, OWNER}
                        assert {numbers.verdict(s) for s in (FORMER_OWNER, OWNER)} == {Verdict.UNKNOWN}
        world.population = {}
        numbers.say({})
        assert numbers.moved() == set()


def test_a_student_listed_by_the_registrar_alone_is_unknown_to_the_library(tmp_path: Path) -> None:
    """The control of the population: who is on the roster and not among the readers is not cleared by silence."""
    with Big(tmp_path, MANY[:3]) as world:
        world.says[ROSTER].append(listed("20169999"))
        world.population = {"loans": list(MANY[:3])}
        world.run_all()
        marks = world.marks()
        assert marks["status", "library", MANY[0]][0] == Verdict.CLEARED
        assert marks["status", "library", "20169999"][0] == Verdict.UNKNOWN
