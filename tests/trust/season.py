"""Promise 3, tried on anything that can happen, in any order: no sync loses or changes a decision.

A machine lives a leaving season in a real store: offices change their minds, syncs run, break off and are killed,
operators decide, reviewers review, students come and go, backups are put back. After each step everybody must stand
where the plain model says, and every decision must be there, unchanged but for its withdrawal and its noted end.
"""

import copy
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import URL, event, select

from connectors.port import SourceUnavailable, no_progress
from status_db import tables
from status_db.backups import making, manifest, restoring
from status_db.decisions import DecisionRefused, Wish
from status_db.engine import reading
from status_db.marks import Lease, LeaseLost
from status_db.model import ROSTER, Decision, RunState, StepStatus, Verdict
from status_db.opinions import Says
from status_db.reviews import Issue
from sync.run import Outcome
from tests.cast import EVERYBODY, LI, LIN, QIAN, SUN, ZHAO
from tests.services import databases
from tests.sync.test_verify import verified
from tests.trust.plain_model import (
    BEFORE_REVIEW,
    GOOD,
    KEY_COLUMN,
    MANUAL,
    OFF_CAMPUS,
    REVIEW,
    SOURCES,
    STEP_OF,
    STEPS,
    Answer,
    Model,
    Paper,
    Said,
    Stands,
)
from tests.world import COHORT, SETTINGS, World

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
REASONS = {"library": "赔书", "finance": "缓交批准"}
OWED = {"loans": "B{}", "fines": "3.20", "fees": "120.50", "checkouts": "未清退"}

students = st.sampled_from(NUMBERS)
sources = st.sampled_from(tuple(KEY_COLUMN))
verdicts = st.sampled_from((Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT))


class Broken(Exception):
    """The transaction breaks off at the moment of its commit."""


class Season(RuleBasedStateMachine):
    """A leaving season, in a store and in the model beside it."""

    #: Makes a world with nothing in it, and takes it away again.
    make: ClassVar[Callable[[], Any]]
    backs_up: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._made = self.make()
        self.world: World = self._made.__enter__()
        self.model = Model()
        self.roster = {row["学号"]: dict(row) for row in self.world.says[ROSTER]}
        self.population: tuple[str, ...] | None = None
        self.late: list[Lease] = []
        self.backup: tuple[Any, Model] | None = None
        self.count = 0

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

    @initialize(begun=st.booleans())
    def begin(self, begun: bool) -> None:
        """A season begins: often after a first morning on which everybody has checked out."""
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
    )
    def office_says(self, source: str, student: str, by_alias: bool, says: str, beside: bool) -> None:
        """An office says something about a student, in place of what it said before, or beside it."""
        if not beside:
            self.office_forgets(source, student)
        self.world.says[source].append(self.row(source, self.key(student, by_alias), says))

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

    @rule(source=sources)
    def office_is_down(self, source: str) -> None:
        """A pull that fails changes nothing at all."""
        self.world.fails[source] = SourceUnavailable(f"{source} does not answer", "Wait.")
        try:
            self.sync(source)
        finally:
            del self.world.fails[source]

    @rule(
        student=students,
        column=st.sampled_from(("在", "类别", "学院", "培养层次", "楼栋", "一卡通", "姓名")),
        at_once=st.booleans(),
    )
    def registrar_says(self, student: str, column: str, at_once: bool) -> None:
        """A student leaves the list or comes back, stays, or moves: college, level, building, card, name."""
        if column == "在":
            if self.roster.pop(student, None) is None:
                self.roster[student] = next(p.listed() for p in EVERYBODY if p.number == student)
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
        self.world.says[ROSTER] = [dict(row) for _, row in sorted(self.roster.items())]
        if at_once:
            self.sync(ROSTER)

    # Runs.

    def answer(self, name: str) -> Answer:
        """All that an office says now."""
        population = self.world.population.get(name)
        rows = tuple(dict(row) for row in self.world.says[name])
        return Answer(name, rows, tuple(population) if population is not None else None, self.world.now)

    def concluded(self, outcome: Outcome, answer: Answer) -> None:
        """What a full run leaves: all that its source says, or nothing."""
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
                assert name in self.world.fails

    def before_a_run(self, name: str) -> None:
        """Time goes on; a lease that is over is taken, and its run was abandoned."""
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        lease = self.model.leases.get(name)
        if lease and lease[1] <= self.world.now:
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
        """One student is asked about: that may always hold, and clears only where the last full run stands."""
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
        """The killed run was only stalled: it goes on, and writes only if nobody has taken its source meanwhile."""
        lease = self.late.pop(0)
        held = self.model.leases.get(lease.source, (0,))[0] == lease.run
        answer = self.answer(lease.source)
        try:
            outcome = self.world.sync._carried_out(lease, None, no_progress)
        except LeaseLost:
            assert not held
        else:
            assert held
            self.concluded(outcome, answer)

    @rule(name=st.sampled_from((ROSTER, *KEY_COLUMN)), commit=st.integers(1, 2))
    def run_breaks_off(self, name: str, commit: int) -> None:
        """A run's transaction does not come to its commit: as if it had not been."""
        self.before_a_run(name)
        answer = self.answer(name)
        try:
            with self.breaking(commit):
                outcome = self.world.sync.run(name, by="test")
        except Broken:
            if commit == 2:
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
    @rule(says=st.sampled_from((Says.APPROVE, Says.APPROVE, Says.REJECT)))
    def people_speak(self, says: Says) -> None:
        """Somebody approves or rejects a suspended run: it is that change, or none."""
        run, (answer, _) = next(iter(self.model.waiting.items()))
        self.world.later(minutes=1)
        self.model.expire(self.world.now)
        if run not in self.model.waiting:
            self.world.sync.open_cohort()
            return
        self.world.opinions.enter(run, says, author=f"admin{self.number()}", reason="x", now=self.world.now)
        for outcome in self.world.sync.carry_out():
            assert outcome.run == run
            if says is Says.REJECT:
                assert outcome.state is RunState.REJECTED
                self.model.close(run, outcome.source, "rejected")
                continue
            del self.model.waiting[run]
            since = self.world.now
            self.concluded(outcome, answer)
            if outcome.state is RunState.SUSPENDED:
                assert self.model.waiting[run] == (answer, since)

    # Time, and what people decide.

    @rule(minutes=st.sampled_from((1, 30, 150, 300, 1500)))
    def time_passes(self, minutes: int) -> None:
        """Ends come, and sources go stale."""
        self.world.later(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        """The ends that have come are noted, once."""
        over = [
            d
            for d in self.model.decisions.values()
            if d.withdrawn is None and d.ended_at is None and d.until is not None and d.until <= self.world.now
        ]
        assert self.world.decisions.sweep(self.world.now) == len(over)
        for said in over:
            said.ended_at = self.world.now

    def entered(self, decision: Decision, words: str = "") -> None:
        """A decision is in: it answers the finding that stands."""
        found = self.model.found[decision.student, decision.step]
        said = Said(
            id=decision.id,
            student=decision.student,
            step=decision.step,
            verdict=decision.verdict.value,
            author=decision.author,
            reason=decision.reason,
            words=words,
            until=decision.until,
            entered_at=self.world.now,
            answered=(found.verdict, found.keys),
            rests_on=self.model.footings(decision.student, self.world.now) if decision.step == REVIEW else {},
        )
        self.model.enter(said)

    @rule(
        student=students,
        step=st.sampled_from(BEFORE_REVIEW),
        verdict=verdicts,
        minutes=st.none() | st.sampled_from((30, 200)),
        author=st.sampled_from(("clerk", "dean")),
        breaks=st.sampled_from((False, False, False, True)),
    )
    def decide(self, student: str, step: str, verdict: Verdict, minutes: int | None, author: str, breaks: bool) -> None:
        """An operator decides a step, perhaps with an end."""
        until = self.world.now + timedelta(minutes=minutes) if minutes else None
        wish = Wish(student, step, verdict, REASONS.get(step, "已还"), words=f"第{self.number()}次", until=until)
        if breaks:
            with self.breaking(1), pytest.raises((Broken, DecisionRefused)):
                self.world.decisions.enter(wish, author, self.world.now)
        elif student in self.model.leaving():
            self.entered(self.world.decisions.enter(wish, author, self.world.now), wish.words)
        else:
            with pytest.raises(DecisionRefused):
                self.world.decisions.enter(wish, author, self.world.now)

    @precondition(lambda self: self.model.decisions)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        """An operator withdraws a decision, also of who has left the list; a review is not theirs."""
        said = data.draw(st.sampled_from(list(self.model.decisions.values())))
        standing = self.model.standing(said.student, said.step)
        if standing is None or said.step == REVIEW or said.student not in self.model.people:
            with pytest.raises(DecisionRefused):
                self.world.decisions.withdraw(said.student, said.step, "clerk", self.world.now)
            return
        self.world.decisions.withdraw(said.student, said.step, "clerk", self.world.now)
        standing.withdrawn = (self.world.now, "clerk")

    def clear_but_for_the_review(self) -> list[str]:
        """Those of whom a review that passes may be given."""
        return [s for s in self.model.leaving() if not self.model.waits_for(s, self.world.now)]

    @rule(student=students, likely=st.booleans(), passes=st.booleans())
    def review(self, student: str, likely: bool, passes: bool) -> None:
        """A review passes only while everything before it counts as clear; it may be refused at any time."""
        ready = self.clear_but_for_the_review()
        if likely and ready and student not in ready:
            student = ready[0]
        wish = Wish(student, REVIEW, Verdict.CLEARED if passes else Verdict.HELD, "齐备")
        may = student in (ready if passes else self.model.leaving()) and self.model.certificate(student) is None
        if may:
            self.entered(self.world.reviews.review(wish, "reviewer", self.world.now))
        else:
            with pytest.raises(DecisionRefused):
                self.world.reviews.review(wish, "reviewer", self.world.now)

    @rule(student=students)
    def clear_everything(self, student: str) -> None:
        """Operators clear a student by hand, so that reviews and certificates come about at all."""
        for step in BEFORE_REVIEW:
            self.decide(student, step, Verdict.CLEARED, None, "dean", breaks=False)
        self.review(student, likely=False, passes=True)

    @rule(student=students)
    def take_back(self, student: str) -> None:
        """A reviewer takes a review back, but not from under a certificate."""
        standing = self.model.standing(student, REVIEW)
        if standing is None or student not in self.model.leaving() or self.model.certificate(student):
            with pytest.raises(DecisionRefused):
                self.world.reviews.take_back(student, REVIEW, "reviewer", self.world.now)
            return
        self.world.reviews.take_back(student, REVIEW, "reviewer", self.world.now)
        standing.withdrawn = (self.world.now, "reviewer")

    @rule(student=students, likely=st.booleans(), again=st.booleans())
    def issue(self, student: str, likely: bool, again: bool) -> None:
        """A certificate is issued only while the review stands."""
        now, leaving = self.world.now, self.model.leaving()
        ready = [s for s in leaving if self.model.stands(s, REVIEW, now).clear and not self.model.certificate(s)]
        if likely and ready and student not in ready:
            student = ready[0]
        number = next(iter(self.model.papers)) if again and self.model.papers else f"证{self.number()}"
        if student in ready and number not in self.model.papers:
            made = self.world.reviews.issue(Issue(student, number, "毕业证书"), "reviewer", now)
            self.model.papers[number] = Paper(made.id, student, number, "reviewer")
        else:
            with pytest.raises(DecisionRefused):
                self.world.reviews.issue(Issue(student, number, "毕业证书"), "reviewer", now)

    @precondition(lambda self: self.model.papers)
    @rule(data=st.data(), author=st.sampled_from(("registrar", "registrar", "reviewer")))
    def revoke(self, data: st.DataObject, author: str) -> None:
        """A certificate is revoked once, by somebody else than who issued it."""
        paper = data.draw(st.sampled_from(list(self.model.papers.values())))
        if paper.revoked is not None or author == paper.issued_by:
            with pytest.raises(DecisionRefused):
                self.world.reviews.revoke(paper.number, author, "印错", self.world.now)
            return
        self.world.reviews.revoke(paper.number, author, "印错", self.world.now)
        paper.revoked = (self.world.now, author, "印错")

    # Backups.

    @precondition(lambda self: self.backs_up and self.backup is None and self.model.people)
    @rule()
    def back_up(self) -> None:
        """A backup is made, while everything goes on."""
        self.world.later(minutes=1)
        place = manifest.databases(self.world.settings.status_db)
        made = making.make(place, self.world.file.parent / "backups", now=self.world.now, program="0.1.0")
        self.backup = (made, copy.deepcopy(self.model))

    @precondition(lambda self: self.backup is not None and not self.model.leases)
    @rule()
    def restore(self) -> None:
        """A backup is put back: all that came after is forgotten, and nothing else is."""
        assert self.backup is not None
        made, self.model = self.backup
        self.backup, self.late = None, []
        self.world.later(minutes=1)
        for engine in (self.world.engine, self.world.desk_engine, self.world.reading):
            engine.dispose()
        place = manifest.databases(self.world.settings.status_db)
        restoring.restore(made.folder, place, now=self.world.now, gone=lambda _: False, replace=True)

    # What must hold after each of these.

    @rule()
    def ledger_vouches_for_it(self) -> None:
        """Verify finds nothing that does not agree."""
        report = verified(self.world)
        assert report.sound, report.disagreements

    @invariant()
    def everybody_stands_where_the_model_says(self) -> None:
        now, model = self.world.now, self.model
        for number in NUMBERS:
            view = self.world.reader.student(COHORT, number, now)
            if number not in model.people:
                assert view is None
                continue
            assert view is not None
            assert view.active == model.people[number].active
            found = {status.step: as_read(status, now) for status in view.steps}
            leaves = model.people[number].leaving
            assert found == ({step: model.stands(number, step, now) for step in STEPS} if leaves else {}), number
            paper = model.certificate(number)
            assert (view.certificate and view.certificate.number) == (paper and paper.number)
            for status in view.steps:
                told = model.found[number, status.step]
                assert (status.finding.reason, status.finding.keys) == (told.reason, told.keys), (number, status.step)
                if status.step == REVIEW:
                    assert status.waits_for == model.waits_for(number, now) or set(status.waits_for) == set(
                        model.waits_for(number, now)
                    )

    @invariant()
    def every_decision_is_what_it_was(self) -> None:
        """Row by row: nothing lost, nothing changed but its withdrawal and its noted end."""
        with reading(self.world.reading) as connection:
            rows = connection.execute(select(tables.decision).order_by(tables.decision.c.decision)).all()
            papers = connection.execute(select(tables.certificate)).all()
        found = [
            Said(
                r.decision,
                r.student,
                r.step,
                r.verdict,
                r.author,
                r.reason,
                r.words,
                r.until,
                r.entered_at,
                (r.answered_verdict, tuple(r.answered_keys)),
                r.rests_on,
                (r.withdrawn_at, r.withdrawn_by) if r.withdrawn_at else None,
                r.ended_at,
            )
            for r in rows
        ]
        assert found == [said for _, said in sorted(self.model.decisions.items())]
        revoked = [
            Paper(
                p.certificate,
                p.student,
                p.number,
                p.issued_by,
                (p.revoked_at, p.revoked_by, p.revoked_because) if p.revoked_at else None,
            )
            for p in papers
        ]
        assert sorted(revoked, key=lambda p: p.id) == sorted(self.model.papers.values(), key=lambda p: p.id)

    @invariant()
    def overview_is_the_sum_over_students(self) -> None:
        overview = self.world.reader.overview(COHORT, self.world.now)
        assert overview.students == len(self.model.leaving())
        found = {
            (college, step): (Counter({s.value: n for s, n in tally.by_state.items()}), tally.by_decision, tally.disputed)
            for college, steps in overview.by_college.items()
            for step, tally in steps.items()
            if tally.total
        }
        assert found == self.model.tallies(self.world.now)


def as_read(status: StepStatus, now: Any) -> Stands:
    """Put what the reader tells into the model's words."""
    at = status.at(now)
    return Stands(
        verdict=at.verdict.value,
        state=at.state.value,
        by_decision=at.by_decision,
        stale=at.stale,
        disputed=at.disputed,
        outgrown=at.outgrown,
        lapsed=at.lapsed,
        clear=at.clear,
    )
