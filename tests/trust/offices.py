"""The offices' part of a season: they change their minds, syncs run, break off, are killed, and are approved."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import event

from connectors.port import SourceGarbled, SourceUnavailable, no_progress
from status_db.marks.runs import Lease, LeaseLost
from status_db.model import ROSTER, RunState, VoteKind
from sync.run.outcome import Outcome
from tests.cast import EVERYBODY, LIN, ZHAO
from tests.sync.verify.test_report import verified
from tests.trust.plain_model import GOOD, KEY_COLUMN, OFF_CAMPUS, STEP_OF, Answer, Model
from tests.world import COHORT, World

#: A university this small would seldom be looked at by the guard as it is set ordinarily.
NARROW = """
[source.loans.guard]
clear_count = 1
hold_count = 2

[source.checkouts.guard]
hold_count = 1

[source.fines.guard]
rows_fall_percent = 100

[roster.guard]
clear_count = 1
"""

NUMBERS = tuple(person.number for person in EVERYBODY)

students = st.sampled_from(NUMBERS)
sources = st.sampled_from(tuple(KEY_COLUMN))


class Broken(Exception):  # noqa: N818 - named by what is so
    """The transaction breaks off at the moment of its commit."""


class Offices(RuleBasedStateMachine):
    """The offices' and the registrar's part of a season, in a store and in the model beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._made = self.make()
        self.world: World = self._made.__enter__()
        self.model = Model()
        self.roster = {row["学号"]: dict(row) for row in self.world.says[ROSTER]}
        self.late: list[Lease] = []
        self.count = 0

    @staticmethod
    def make() -> AbstractContextManager[World]:
        """Make a world with nothing in it, and take it away again."""
        raise NotImplementedError

    def teardown(self) -> None:
        try:
            report = verified(self.world)
            assert report.sound, report.disagreements
        finally:
            self._made.__exit__(None, None, None)

    def number(self) -> int:
        """A number that was not used before."""
        self.count += 1
        return self.count

    # What the offices and the registrar say.

    @initialize(begun=st.sampled_from((True, True, True, False)))
    def begin(self, begun: bool) -> None:
        """A season begins: mostly after a first morning on which everybody has checked out."""
        for source in KEY_COLUMN:
            self.world.says[source] = [self.row(source, ZHAO.number, "owes")]
        if begun:
            self.world.says["checkouts"] = [self.row("checkouts", number, "done") for number in NUMBERS[:-1]]
            self.sync_all()

    def row(self, source: str, key: str, says: str) -> dict[str, str]:
        """One row of an office."""
        number = self.number()
        amount = {"owes": "120.50", "done": "0", "other": "-5", "odd": "看备注"}[says]
        match source:
            case "loans":
                return {"CARD": key, "TITLE": "唐诗选", "DUE": "2019-06-02", "BARCODE": f"B{number}"}
            case "fines":
                return {"CARD": key, "AMOUNT": amount}
            case "fees":
                return {"XH": key, "QFJE": amount, "XM": ("学费", "卡费")[number % 2]}
            case _:
                word = {"owes": "未清退", "done": "已清退", "other": "外宿", "odd": "退了吗"}[says]
                return {"学号": key, "清退状态": word, "房间": "412"}

    def key(self, student: str, by_alias: bool) -> str:
        """The number by which an office knows a student."""
        others = [n for n in (self.roster.get(student, {}).get(c, "") for c in ("一卡通", "原学号")) if n]
        return f" {others[0].lower()}" if by_alias and others else student

    @rule(
        source=sources,
        student=students,
        by_alias=st.booleans(),
        says=st.sampled_from(("owes", "done", "other", "odd")),
        beside=st.booleans(),
        at_once=st.booleans(),
    )
    def office_says(self, source: str, student: str, by_alias: bool, says: str, beside: bool, at_once: bool) -> None:
        """An office reports something about a student, in place of what it reported before, or beside it."""
        if not beside:
            self.office_forgets(source, student)
        self.world.says[source].append(self.row(source, self.key(student, by_alias), says))
        if at_once:
            self.sync(source)

    @rule(source=sources, student=students)
    def office_forgets(self, source: str, student: str) -> None:
        """A loan comes back, a fine is paid: no row is left."""
        keys = {student, self.key(student, by_alias=True)}
        self.world.says[source] = [row for row in self.world.says[source] if row[KEY_COLUMN[source]] not in keys]

    @rule(known=st.none() | st.sets(students, min_size=3).map(lambda s: tuple(sorted(s))))
    def library_knows(self, known: tuple[str, ...] | None) -> None:
        """The library names its readers, or does not."""
        self.world.population.pop("loans", None)
        if known is not None:
            self.world.population["loans"] = list(known)

    @rule(source=sources, student=st.none() | students, pays=st.booleans())
    def office_is_down(self, source: str, student: str | None, pays: bool) -> None:
        """A pull that fails changes nothing at all; then a student asks, with or without having paid."""
        self.world.fails[source] = SourceUnavailable(f"{source} does not answer", "Wait.")
        try:
            self.sync(source)
        finally:
            del self.world.fails[source]
        if student is not None and pays:
            self.office_forgets(source, student)
        if student is not None:
            self.recheck(source, student)

    @rule(
        student=students,
        column=st.sampled_from(("在", "类别", "学院", "培养层次", "楼栋", "一卡通", "姓名")),
        at_once=st.booleans(),
    )
    def registrar_says(self, student: str, column: str, at_once: bool) -> None:
        """A student leaves the list or comes back, stays, or moves: college, level, building, card, name."""
        if column == "在":
            self.comes_or_goes(student)
        elif student in self.roster:
            row = self.roster[student]
            one, other = {
                "类别": ("毕业", "延期"),
                "学院": ("资源学院", "地球科学学院"),
                "培养层次": ("本科", "硕士"),
                "楼栋": (OFF_CAMPUS, "西区3栋"),
                "一卡通": (LIN.card, ""),
                "姓名": ("甲", "乙"),
            }[column]
            row[column] = other if row[column] == one else one
        self.listed(at_once)

    @rule(many=st.sets(students, min_size=2, max_size=3), at_once=st.booleans())
    def registrar_changes_many(self, many: set[str], at_once: bool) -> None:
        """Several come and go at once, which the guard may hold back."""
        for student in sorted(many):
            self.comes_or_goes(student)
        self.listed(at_once)

    def comes_or_goes(self, student: str) -> None:
        """A student leaves the list, or comes back as they first were."""
        if self.roster.pop(student, None) is None:
            self.roster[student] = next(p.listed() for p in EVERYBODY if p.number == student)

    def listed(self, at_once: bool) -> None:
        """The registrar's list as it is now."""
        self.world.says[ROSTER] = [dict(row) for _, row in sorted(self.roster.items())]
        if at_once:
            self.sync(ROSTER)

    # Runs.

    def answer(self, name: str) -> Answer:
        """All that an office reports now."""
        population = self.world.population.get(name)
        rows = tuple(dict(row) for row in self.world.says[name])
        return Answer(name, rows, tuple(population) if population is not None else None, self.world.now)

    def concluded(self, outcome: Outcome, answer: Answer) -> None:
        """What a full run leaves: all that its source reports, or nothing."""
        name, model = outcome.source, self.model
        if outcome.run is None:
            assert outcome.fault == "under_way"
            assert model.leases[name][1] > self.world.now
            return
        model.leases.pop(name, None)
        model.close(outcome.run, name, outcome.state.value)
        match outcome.state:
            case RunState.APPLIED | RunState.UNCHANGED:
                assert name not in self.world.fails
                assert not model.about_nobody(answer)
                model.apply(answer, outcome.run, self.world.now)
                for run, (waiting, _) in list(model.waiting.items()):
                    if waiting.source == name:
                        model.close(run, name, "superseded")
            case RunState.SUSPENDED:
                assert name == ROSTER or model.would_change(answer) or model.found
                model.waiting[outcome.run] = (answer, self.world.now)
            case RunState.SKIPPED:
                assert any(waiting.source == name for waiting, _ in model.waiting.values())
            case state:
                assert state is RunState.FAILED
                assert name in self.world.fails or model.about_nobody(answer)

    def before_a_run(self, name: str) -> None:
        """Time goes on; a lease that is over is taken, and its run was abandoned."""
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        lease = self.model.leases.get(name)
        if lease and lease[1] <= self.world.now:
            self.world.end_leases(name)
            self.model.close(lease[0], name, "abandoned")

    @rule(name=st.sampled_from((ROSTER, *KEY_COLUMN)))
    def sync(self, name: str) -> None:
        """One source is asked."""
        self.before_a_run(name)
        answer = self.answer(name)
        self.concluded(self.world.sync.run(name, by="test"), answer)

    @rule()
    def sync_all(self) -> None:
        """Every source is asked."""
        for name in (ROSTER, *KEY_COLUMN):
            self.sync(name)

    @rule(source=sources, student=students)
    def recheck(self, source: str, student: str) -> None:
        """One student is asked about: that may always hold, and clears only where the last full run is valid."""
        if student not in self.model.leaving():
            return
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        numbers = {student, *self.model.people[student].aliases}
        whole = self.answer(source)
        rows = tuple(row for row in whole.rows if row[KEY_COLUMN[source]].strip().upper() in numbers)
        answer = Answer(source, rows, whole.population, whole.began)
        clears = self.model.would_clear(answer, student)
        may = self.model.last_full(source) in GOOD
        outcome = self.world.sync.recheck(source, student, by="desk")
        assert outcome.run is not None
        if clears and not may:
            assert outcome.state is RunState.SKIPPED, outcome
        if outcome.state in (RunState.APPLIED, RunState.UNCHANGED):
            self.model.recheck(answer, student, outcome.run)
        else:
            assert outcome.state is RunState.SKIPPED
            assert outcome.fault == "suspended" or (clears and not may), outcome

    @rule(name=st.sampled_from((ROSTER, *KEY_COLUMN)))
    def is_killed(self, name: str) -> None:
        """A run's process is gone in the middle: its lease is left behind."""
        if name in self.model.leases:
            return
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        lease = self.world.sync._marks.begin(
            name,
            STEP_OF.get(name, ""),
            now=self.world.now,
            by="test",
            owner="another process 7",
            lease_for=timedelta(minutes=2),
            gone=lambda _: False,
        )
        self.model.leases[name] = (lease.run, self.world.now + timedelta(minutes=2))
        self.late.append(lease)

    @precondition(lambda self: self.late)
    @rule()
    def wakes_late(self) -> None:
        """The killed run was only stalled: it goes on, and writes only if no one has taken its source meanwhile."""
        lease = self.late.pop(0)
        held = self.model.leases.get(lease.source, (0,))[0] == lease.run
        answer = self.answer(lease.source)
        try:
            outcome = self.world.sync._carry_out(lease, None, no_progress, None, None)
        except LeaseLost:
            assert not held
        except SourceGarbled:
            # There is no roster yet, so that the answer is about nobody: the run stays as it was killed.
            assert held
        else:
            assert held
            self.concluded(outcome, answer)

    @rule(name=st.sampled_from((ROSTER, *KEY_COLUMN)), commit=st.integers(1, 3))
    def run_breaks_off(self, name: str, commit: int) -> None:
        """A run's transaction does not come to its commit: as if it had not been."""
        self.before_a_run(name)
        answer = self.answer(name)
        try:
            with self.breaking(commit):
                outcome = self.world.sync.run(name, by="test")
        except Broken:
            if commit > 1:
                (run,) = self.world.reader.runs(COHORT, name, limit=1)
                assert run.state is RunState.FAILED
                self.model.leases.pop(name, None)
                self.model.close(run.run, name, "failed")
        else:
            self.concluded(outcome, answer)

    @contextmanager
    def breaking(self, commit: int) -> Iterator[None]:
        """Have the store break off at its n-th commit from now."""
        left = [commit]

        def at_commit(*_: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Broken

        def on_statement(_c: Any, _u: Any, statement: str, *_: Any) -> None:
            if statement == "COMMIT":
                at_commit()

        on_sqlite = self.world.engine.dialect.name == "sqlite"
        hook = ("before_cursor_execute", on_statement) if on_sqlite else ("commit", at_commit)
        event.listen(self.world.engine, *hook)
        try:
            yield
        finally:
            event.remove(self.world.engine, *hook)

    def free(self) -> bool:
        """No source with a suspended run is held by another run."""
        return bool(self.model.waiting) and not self.model.leases

    @precondition(free)
    @rule(says=st.sampled_from((VoteKind.APPROVE, VoteKind.APPROVE, VoteKind.REJECT)))
    def people_speak(self, says: VoteKind) -> None:
        """Somebody approves or rejects a suspended run: it is that change, or none."""
        run, (answer, _) = next(iter(self.model.waiting.items()))
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        if run not in self.model.waiting:
            self.world.sync.open_cohort()
            return
        self.world.votes.record(run, says, author=f"admin{self.number()}", reason="x", now=self.world.now)
        for outcome in self.world.approvals.carry_out():
            assert outcome.run == run
            if says is VoteKind.REJECT:
                assert outcome.state is RunState.REJECTED
                self.model.close(run, outcome.source, "rejected")
                continue
            del self.model.waiting[run]
            since = self.world.now
            self.concluded(outcome, answer)
            if outcome.state is RunState.SUSPENDED:
                assert self.model.waiting[run] == (answer, since)
