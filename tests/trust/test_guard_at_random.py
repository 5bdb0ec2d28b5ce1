"""Promise 2 at random: hundreds of changes, rechecks, approvals and expected changes, and each time a second opinion.

What must happen is worked out in `tests/trust/expected.py` from the design's own words; the runs must agree in every
reason and its figures, write nothing of what they hold back, and everything of what they let go.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from status_db.model import ROSTER, RunState, Verdict
from sync.run.outcome import Outcome
from tests import sizes
from tests.trust.expected import ANSWERS, Answers, ExpectedChange, Limits, Reason, Source, Waiting, Way
from tests.trust.town import listed, marks, numbers
from tests.world import SETTINGS, World

_CHANGES = sizes.times(200)
_EVERYBODY = numbers(60)
_MEANS = {"loans": "items", "fees": "balance", "checkouts": "status"}

#: Small, so that sixty students come to all of them.
_LIMITS = Limits({"cleared": 4, "held": 6, "unknown": 4}, {"cleared": 15, "held": 12, "unknown": 8}, sum_percent=16)
_GUARD = """
clear_count = 4
clear_percent = 15
hold_count = 6
hold_percent = 12
unknown_count = 4
unknown_percent = 8
sum_percent = 16
# They are all of one college, and each row can be read.
group_count = 1000
quality_rows = 1000
"""
_STATUS_WORDS = {"done": "已清退", "not done": "未清退", "let off": "外宿", "new word": "封楼"}
_AMOUNTS = {"nought": "0", "owes": "5.00", "unreadable": "五元"}


class Game:
    """A world and, beside it, what must stand there."""

    def __init__(self, world: World, chance: Random) -> None:
        self.world = world
        self.chance = chance
        self.seen: Counter[str] = Counter()
        self.judged = 0
        world.says[ROSTER] = listed(_EVERYBODY)
        self.says: dict[str, Answers] = {}
        self.sources: dict[str, Source] = {}
        for name, means in _MEANS.items():
            self.says[name] = {who: chance.choice(self._likely(means)) for who in _EVERYBODY}
            self._say(name)
        for name, outcome in world.run_all().items():
            if name in _MEANS:
                source = Source(_MEANS[name], _LIMITS, dict(self.says[name]))
                assert outcome.state is RunState.APPLIED
                assert outcome.run is not None
                source.note(outcome.run, "applied", source.number_of_rows(source.stands), world.now)
                source.revision = 1
                self.sources[name] = source

    @staticmethod
    def _likely(means: str) -> list[str]:
        cleared, held = {"items": ("nothing", "1 row"), "balance": ("nothing", "owes"), "status": ("done", "not done")}[
            means
        ]
        return [cleared] * 3 + [held] * 2 + list(ANSWERS[means])

    def _say(self, name: str) -> None:
        rows: list[dict[str, Any]] = []
        for who, said in self.says[name].items():
            match name, said:
                case "loans", "1 row" | "2 rows":
                    rows += [
                        {"CARD": who, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": i} for i in range(int(said[0]))
                    ]
                case "fees", "nought" | "owes" | "unreadable":
                    rows.append({"XH": who, "QFJE": _AMOUNTS[said], "XM": "学费"})
                case "checkouts", "done" | "not done" | "let off" | "new word":
                    rows.append({"学号": who, "清退状态": _STATUS_WORDS[said], "房间": "x"})
        self.chance.shuffle(rows)
        self.world.says[name] = rows
        if name == "loans":
            self.world.population[name] = [who for who, said in self.says[name].items() if said != "no reader"]

    def change(self, name: str) -> None:
        """Have a source say something else: back to what is stored, or away from it, by few or by many."""
        source, chance = self.sources[name], self.chance
        said = dict(source.stands if chance.random() < 0.6 else self.says[name])
        options = list(ANSWERS[source.means])
        verdicts = ANSWERS[source.means]
        if chance.random() < 0.03:
            said = dict.fromkeys(said, "nothing")
        elif chance.random() < 0.8:
            from_, to = chance.choice(options), chance.choice(options)
            among = [who for who, what in said.items() if verdicts[what] == verdicts[from_]]
            for who in chance.sample(among, min(len(among), chance.choice((1, 2, 3, 4, 5, 6, 7, 8, 12, 30)))):
                said[who] = to
        else:
            for who in chance.sample(_EVERYBODY, chance.randint(1, 12)):
                said[who] = chance.choice(options)
        self.says[name] = said
        self._say(name)

    def step(self) -> None:
        """Let some time pass, and do one thing."""
        hours = 25 if self.chance.random() < 0.03 else 0
        self.world.later(hours=hours, minutes=self.chance.randint(1, 120), seconds=self.chance.randint(1, 59))
        name = self.chance.choice(list(_MEANS))
        source = self.sources[name]
        draw = self.chance.random()
        if draw < 0.06:
            self.announce(source, name)
        elif draw < 0.22:
            self.recheck(source, name)
        elif draw < 0.36 and source.waiting is not None:
            self.approve(source, name, source.waiting)
        else:
            self.change(name)
            self.run(source, name)

    def announce(self, source: Source, name: str) -> None:
        """An office announces an expected change; it takes the place of the one before."""
        way: Way = self.chance.choice(("cleared", "held"))
        most, until = self.chance.randint(1, 20), self.world.now + timedelta(minutes=self.chance.randint(30, 900))
        self.world.expected_changes.announce(name, Verdict(way), most, until, author="x", note="", now=self.world.now)
        source.expected_changes[way] = ExpectedChange(most, until)

    def run(self, source: Source, name: str) -> None:
        """Run a source in full, and expect what must come of it."""
        answers, stood = self.says[name], marks(self.world)
        outcome = self.world.run(name)
        now, run = self.world.now, outcome.run
        assert run is not None
        self._expire()
        reasons = source.reasons(answers, now, whole=answers)
        if answers == source.stands:
            self.expect(outcome, "unchanged", stood)
            source.note(run, "unchanged", source.number_of_rows(answers), now)
        elif not reasons:
            source.apply(answers, now, at=now)
            source.note(run, "applied", source.number_of_rows(answers), now)
            self.expect(outcome, "applied", stood)
        else:
            state = "skipped" if source.waiting else "suspended"
            self.expect(outcome, state, stood, reasons)
            source.full_runs[run] = state
            if source.waiting is None:
                source.waiting = Waiting(run, dict(answers), now, now, source.revision, source.differs(answers))

    def recheck(self, source: Source, name: str) -> None:
        """Ask about one student, who may be held at any time, and cleared only while the last full run is valid."""
        if self.chance.random() < 0.7:
            self.change(name)
        differing = list(source.differs(self.says[name])) or _EVERYBODY
        who = self.chance.choice(differing)
        answers, stood = {**source.stands, who: self.says[name][who]}, marks(self.world)
        self.world.later(minutes=1)
        now = self.world.now
        outcome = self.world.sync.recheck(name, who, by="test")
        self._expire()
        before, after = (ANSWERS[source.means][a[who]] in ("cleared", "exempt") for a in (source.stands, answers))
        reasons = source.reasons(answers, now, whole=None)
        if answers == source.stands:
            source.rechecked[who] = now
            self.expect(outcome, "unchanged", stood)
        elif after and not before and not source.last_full_run_stands():
            self.expect(outcome, "skipped", stood)
            assert f"would clear {who}" in outcome.message
        elif reasons:
            self.expect(outcome, "skipped", stood, reasons)
        else:
            source.rechecked[who] = now
            source.apply(answers, now, at=now)
            self.expect(outcome, "applied", stood)

    def approve(self, source: Source, name: str, waiting: Waiting) -> None:
        """Approve what waits: that very change, or, where the marks have moved, nothing."""
        now, stood = self.world.now, marks(self.world)
        outcome = self.world.sync.approve(waiting.run, name, by="somebody")
        self._expire()
        if source.waiting is None:
            assert outcome.fault == "not_waiting"
            assert marks(self.world) == stood
            return
        later = {who for who, at in source.rechecked.items() if at > waiting.at}
        answers = {who: source.stands[who] if who in later else said for who, said in waiting.answers.items()}
        reasons = source.reasons(answers, waiting.at, whole=waiting.answers, judged_at=now)
        rows = source.number_of_rows(waiting.answers)
        same = waiting.revision == source.revision and source.differs(answers) == waiting.differs
        if answers == source.stands:
            source.note(waiting.run, "unchanged", rows, now, began=waiting.at)
            self.expect(outcome, "unchanged", stood)
        elif same:
            source.apply(answers, waiting.at, at=now, approved=True)
            source.note(waiting.run, "applied", rows, now, approved=True, began=waiting.at)
            self.expect(outcome, "applied", stood)
            self.seen["approved"] += 1
        else:
            self.expect(outcome, "suspended", stood, reasons)
            source.waiting.differs, source.waiting.revision = source.differs(answers), source.revision
            source.waiting.suspended_at = now
            self.seen["judged anew, and held back"] += 1

    def _expire(self) -> None:
        for source in self.sources.values():
            source.expire(self.world.now)

    def expect(self, outcome: Outcome, state: str, stood: dict[str, Any], reasons: set[Reason] | None = None) -> None:
        """See that a run has ended so, and that the marks are what they must be."""
        self.judged += state != "unchanged"
        assert outcome.state.value == state, (outcome, reasons)
        self.seen[state] += 1
        stands = marks(self.world)
        if state == "applied":
            assert stands["record"] != stood["record"]
            self._see_that_the_records_agree(stands["record"])
        else:
            assert stands == stood, "something was written of a change that was not to be applied"
        if reasons is not None:
            assert _said(outcome.message) == reasons, outcome.message
            self.seen.update(r[0] if r[0] == "all of a few" else " ".join(r[:2]) for r in reasons)

    def _see_that_the_records_agree(self, records: list[tuple[Any, ...]]) -> None:
        for name, source in self.sources.items():
            found = {row[2]: row[3] for row in records if row[1] == name}
            silent = "unknown" if source.means == "status" else "cleared"
            assert {who: found.get(who, silent) for who in _EVERYBODY} == source.verdicts(source.stands)


def _said(message: str) -> set[Reason]:
    """Return the reasons that a run's message gives."""
    found: set[Reason] = set()
    if "no rows at all" in message:
        found.add(("no rows",))
    if "rows about roster students fall" in message:
        found.add(("rows fall",))
    found |= {("all of a few", number) for number in re.findall(r"all (\d+) held students would be", message)}
    pattern = r"(\d+) of (\d+) \w+ students would be (cleared|held|unknown)(?: or unknown)? (at once|since)"
    for moved, base, way, when in re.findall(pattern, message):
        found.add((way, "at once" if when == "at once" else "in sum", moved, base))
    return found


@pytest.fixture
def game(tmp_path: Path, chance: Random) -> Iterator[Game]:
    """Sixty students, three offices, and small limits."""
    guards = "".join(f"[source.{name}.guard]{_GUARD}" for name in _MEANS)
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, SETTINGS + guards) as world:
        yield Game(world, chance)


def test_every_run_agrees_with_a_second_opinion(game: Game) -> None:
    fired = {"applied", "unchanged", "suspended", "skipped", "approved", "rows fall", "cleared at once", "held at once"}
    fired |= {"all of a few", "unknown at once", "cleared in sum", "held in sum", "unknown in sum"}
    # Two hundred by chance may leave out what is rare: then some more.
    while game.judged < _CHANGES or (game.judged < 10 * _CHANGES and not fired <= game.seen.keys()):
        game.step()
    assert fired <= game.seen.keys(), game.seen
