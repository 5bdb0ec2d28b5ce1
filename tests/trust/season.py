"""A leaving season that a machine lives: all that the offices do, and what operators, reviewers and backups do.

After each step every status must be as in the plain model, and every decision must be there, unchanged but for its
withdrawal and its noted end.
"""

import copy
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from status_db.backups import making, manifest, restoring
from status_db.backups.making import BackupResult
from status_db.decisions.batch_rows import ImportRow, RowKind
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.certificates import Collected, Handover, Issue
from status_db.decisions.class_review import ChosenStudent, ClassReviews
from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.model import Decision, Verdict
from tests.sync.verify.test_report import verified
from tests.trust import agreeing
from tests.trust.offices import NUMBERS, Broken, Offices, students
from tests.trust.plain_model import BEFORE_REVIEW, REVIEW, Model, Paper, SourceRecord
from tests.world import COHORT

REASONS = {"library": "赔书", "finance": "缓交批准"}

verdicts = st.sampled_from((Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT))


class Season(Offices):
    """A whole season, in a store and in the model beside it."""

    backs_up: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.backup: tuple[BackupResult, Model] | None = None
        #: Sheets that were entered and not taken back.
        self.batches: list[int] = []
        self.batches_then: list[int] = []

    # Time, and what people decide.

    @rule(minutes=st.sampled_from((1, 30, 150, 300, 1500)), swept=st.booleans())
    def time_passes(self, minutes: int, swept: bool) -> None:
        """Ends come, and sources go stale."""
        self.world.later(minutes=minutes)
        if swept:
            self.sweep()

    def sweep(self) -> None:
        """The ends that have come are noted, once."""
        over = [
            d
            for d in self.model.decisions.values()
            if d.withdrawn is None and d.ended_at is None and d.until is not None and d.until <= self.world.now
        ]
        assert self.world.writer.sweep(self.world.now) == len(over)
        for said in over:
            said.ended_at = self.world.now

    def entered(self, decision: Decision, words: str = "") -> None:
        """A decision is in: it answers the present finding."""
        found = self.model.found[decision.student, decision.step]
        said = SourceRecord(
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
            reviewed_versions=self.model.version_tags(decision.student, self.world.now)
            if decision.step == REVIEW
            else {},
            accepts=self.accepted(decision),
            batch=decision.batch,
        )
        self.model.enter(said)

    def accepted(self, decision: Decision) -> dict[str, datetime]:
        """What a review that passes accepts as it is: every answer that is too old."""
        passes = decision.step == REVIEW and decision.verdict is Verdict.CLEARED
        return self.model.wants_news(decision.student, self.world.now) if passes else {}

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
        wish = DecisionRequest(
            student, step, verdict, REASONS.get(step, "已还"), words=f"第{self.number()}次", until=until
        )
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
        effective = self.model.effective(said.student, said.step)
        if effective is None or said.step == REVIEW or said.student not in self.model.people:
            with pytest.raises(DecisionRefused):
                self.world.decisions.withdraw(said.student, said.step, "clerk", self.world.now)
            return
        self.world.decisions.withdraw(said.student, said.step, "clerk", self.world.now)
        effective.withdrawn = (self.world.now, "clerk")

    def clear_but_for_the_review(self) -> list[str]:
        """Those of whom a review that passes may be given."""
        return [s for s in self.model.leaving() if not self.model.waits_for(s, self.world.now)]

    def clear_but_for_news(self) -> list[str]:
        """Those besides who lack nothing but newer answers."""
        now, model = self.world.now, self.model
        return [s for s in model.leaving() if set(model.waits_for(s, now)) <= set(model.wants_news(s, now))]

    @rule(student=students, likely=st.booleans(), passes=st.booleans(), over=st.booleans())
    def review(self, student: str, likely: bool, passes: bool, over: bool = False) -> None:
        """A review passes only while everything before it counts as clear, or lacks but news; it may fail any time."""
        ready = self.clear_but_for_news() if over else self.clear_but_for_the_review()
        if likely and ready and student not in ready:
            student = ready[0]
        wish = DecisionRequest(student, REVIEW, Verdict.CLEARED if passes else Verdict.HELD, "齐备", note="来源未更新")
        may = student in (ready if passes else self.model.leaving()) and self.model.certificate(student) is None
        if may:
            self.entered(self.world.reviews.review(wish, "reviewer", self.world.now, over_old_answers=over))
        else:
            with pytest.raises(DecisionRefused):
                self.world.reviews.review(wish, "reviewer", self.world.now, over_old_answers=over)

    @rule(student=students)
    def clear_everything(self, student: str) -> None:
        """Operators clear a student by hand, so that reviews and certificates come about at all."""
        for step in BEFORE_REVIEW:
            self.decide(student, step, Verdict.CLEARED, None, "dean", breaks=False)
        self.review(student, likely=False, passes=True)

    @rule(student=students, likely=st.booleans())
    def take_back(self, student: str, likely: bool) -> None:
        """A reviewer takes a review back, but not from under a certificate."""
        reviewed = [n for n in NUMBERS if self.model.effective(n, REVIEW)]
        if likely and reviewed and student not in reviewed:
            student = reviewed[0]
        effective = self.model.effective(student, REVIEW)
        if effective is None or student not in self.model.leaving() or self.model.certificate(student):
            with pytest.raises(DecisionRefused):
                self.world.reviews.take_back(student, REVIEW, "reviewer", self.world.now)
            return
        self.world.reviews.take_back(student, REVIEW, "reviewer", self.world.now)
        effective.withdrawn = (self.world.now, "reviewer")

    @rule(
        student=students, likely=st.booleans(), again=st.booleans(), collected=st.sampled_from(("self", "", "", "post"))
    )
    def issue(self, student: str, likely: bool, again: bool, collected: Collected) -> None:
        """A certificate is issued only while the review is valid."""
        now, leaving = self.world.now, self.model.leaving()
        ready = [s for s in leaving if self.model.stands(s, REVIEW, now).clear and not self.model.certificate(s)]
        if likely and ready and student not in ready:
            student = ready[0]
        number = next(iter(self.model.papers)) if again and self.model.papers else f"证{self.number()}"
        if student in ready and number not in self.model.papers:
            made = self.world.register.issue(Issue(student, number, "毕业证书", collected), "reviewer", now)
            self.model.papers[number] = Paper(made.id, student, number, "reviewer", collected=collected)
        else:
            with pytest.raises(DecisionRefused):
                self.world.register.issue(Issue(student, number, "毕业证书", collected), "reviewer", now)

    @precondition(lambda self: self.model.papers)
    @rule(data=st.data(), agent=st.booleans())
    def hand_over(self, data: st.DataObject, agent: bool) -> None:
        """A certificate that waits leaves once."""
        paper = data.draw(st.sampled_from(list(self.model.papers.values())))
        handed = Handover(paper.number, "agent" if agent else "self", "王芳，委托书 7 号" if agent else "")
        if paper.collected or paper.revoked is not None:
            with pytest.raises(DecisionRefused):
                self.world.register.hand_over(handed, "registrar", self.world.now)
            return
        self.world.register.hand_over(handed, "registrar", self.world.now)
        paper.collected, paper.handed_over = handed.collected, (self.world.now, "registrar")

    # What is done to many at once.

    @rule(
        chosen=st.lists(students, min_size=1, max_size=4, unique=True),
        verdict=verdicts,
        takes_place=st.booleans(),
    )
    def enter_a_sheet(self, chosen: list[str], verdict: Verdict, takes_place: bool) -> None:
        """A sheet's right rows are entered together, its wrong ones are named."""
        self.world.later(seconds=1)
        now, model = self.world.now, self.model
        batches = Batches(self.world.writer)
        rows = [ImportRow(at, student, None, verdict, REASONS["library"]) for at, student in enumerate(chosen)]
        preview = batches.preview("library", rows, now)
        expected = {student: self.row_kind(student, verdict) for student in chosen}
        assert {row.imported.student: row.kind for row in preview.rows} == expected
        kinds = {RowKind.NEW, RowKind.CONFLICT} if takes_place else {RowKind.NEW}
        enter = partial(
            batches.enter_all,
            BatchKind.IMPORT,
            "library",
            rows,
            preview.digest,
            "clerk",
            now,
            title="sheet.xlsx",
            with_conflicts=takes_place,
            without_wrong=True,
        )
        going = [student for student in chosen if expected[student] in kinds]
        if not going:
            with pytest.raises(DecisionRefused):
                enter()
            return
        entered = enter()
        assert [decision.student for decision in entered.decisions] == going
        for decision in entered.decisions:
            self.entered(decision)
        self.batches.append(entered.batch.id)
        assert model.effective(going[0], "library") is not None

    def row_kind(self, student: str, verdict: Verdict) -> RowKind:
        """What a row about a student's library step would do."""
        effective = self.model.effective(student, "library")
        if student not in self.model.leaving() or self.model.certificate(student):
            return RowKind.WRONG
        if effective is None or not effective.active(self.world.now):
            return RowKind.NEW
        same = (effective.verdict, effective.reason) == (verdict.value, REASONS["library"])
        return RowKind.SAME if same else RowKind.CONFLICT

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def undo_a_sheet(self, data: st.DataObject) -> None:
        """A sheet is taken back once: what it replaced counts again, and whoever has a certificate keeps all."""
        self.undo(data.draw(st.sampled_from(self.batches)))

    @rule(student=students, verdict=verdicts)
    def enter_a_sheet_over_a_decision_and_take_it_back(self, student: str, verdict: Verdict) -> None:
        """The wrong sheet, and seen at once: so that what it took the place of comes back at all."""
        self.decide(student, "library", verdict, None, "dean", breaks=False)
        known = len(self.batches)
        other = Verdict.HELD if verdict is Verdict.CLEARED else Verdict.CLEARED
        self.enter_a_sheet([student], other, takes_place=True)
        if len(self.batches) > known:
            self.undo(self.batches[-1])

    @rule(student=students, hands_out=st.booleans())
    def enter_a_sheet_review_and_take_it_back(self, student: str, hands_out: bool) -> None:
        """What rests on the sheet goes with it, but never from under a certificate."""
        for step in BEFORE_REVIEW:
            if step != "library":
                self.decide(student, step, Verdict.CLEARED, None, "dean", breaks=False)
        known = len(self.batches)
        self.enter_a_sheet([student], Verdict.CLEARED, takes_place=True)
        self.review(student, likely=False, passes=True)
        if hands_out:
            self.issue(student, likely=False, again=False, collected="")
        if len(self.batches) > known:
            self.undo(self.batches[-1])

    def undo(self, batch: int) -> None:
        """Take a sheet back."""
        self.world.later(seconds=1)
        now, model = self.world.now, self.model
        batches = Batches(self.world.writer)
        self.batches.remove(batch)
        decisions = [said for said in model.decisions.values() if said.batch == batch]
        issued = [said.student for said in decisions if model.certificate(said.student)]
        effective = [said for said in decisions if said.student not in issued and said.active(now)]
        undone = batches.undo(batch, "clerk", "拿错了表", now)
        assert undone.issued == tuple(issued)
        assert undone.withdrawn == tuple(said.student for said in effective)
        assert len(undone.moved) == len(decisions) - len(issued) - len(effective)
        for said in effective:
            self.taken_back(said)
        with pytest.raises(DecisionRefused):
            batches.undo(batch, "clerk", "拿错了表", now)

    def taken_back(self, said: SourceRecord) -> None:
        """A sheet's decision is withdrawn, and what it replaced counts again."""
        now = self.world.now
        said.withdrawn = (now, "clerk")
        before = [
            d
            for d in self.model.decisions.values()
            if (d.student, d.step) == (said.student, said.step)
            and d.id < said.id
            and d.withdrawn is not None
            and d.withdrawn[0] == said.entered_at
        ]
        leaves = said.student in self.model.leaving()
        if before and leaves and (before[-1].until is None or before[-1].until > now):
            again = self.world.reader.decisions(COHORT, said.student)
            (made,) = [d for d in again if d.entered_at == now and d.step == said.step]
            assert (made.verdict.value, made.reason, made.words) == (
                before[-1].verdict,
                before[-1].reason,
                before[-1].words,
            )
            self.entered(made, made.words)

    @rule(chosen=st.lists(students, min_size=1, max_size=4, unique=True), over=st.booleans())
    def hold_a_morning(self, chosen: list[str], over: bool) -> None:
        """Of a class, those pass and leave with the certificate who may; the others are named."""
        now, model = self.world.now, self.model
        class_reviews = ClassReviews(self.world.writer)
        stand = class_reviews.status_of(chosen, now)
        asked = [
            ChosenStudent(student, seen_by_review(review), f"证{self.number()}")
            for student in chosen
            if student in stand and (review := next((s for s in stand[student] if s.step == REVIEW), None)) is not None
        ]
        assert {one.student for one in asked} == {student for student in chosen if student in model.leaving()}
        ready = self.clear_but_for_news() if over else self.clear_but_for_the_review()
        reviewed = [s for s in model.leaving() if model.stands(s, REVIEW, now).clear]
        passes = [one for one in asked if one.student in {*ready, *reviewed} and not model.certificate(one.student)]
        hold = partial(
            class_reviews.give,
            REVIEW,
            asked,
            "reviewer",
            now,
            title="011151",
            kind="毕业证书",
            reason="齐备",
            note="来源未更新",
            over_old_answers=over,
        )
        if not passes:
            with pytest.raises(DecisionRefused):
                hold()
            return
        held = hold()
        assert [paper.student for paper in held.certificates] == [one.student for one in passes]
        assert {left.student for left in held.left_out} == {one.student for one in asked} - {p.student for p in passes}
        assert [given.student for given in held.reviews] == [p.student for p in passes if p.student not in reviewed]
        for given in held.reviews:
            self.entered(given)
        for paper in held.certificates:
            model.papers[paper.number] = Paper(paper.id, paper.student, paper.number, "reviewer", collected="")

    @precondition(lambda self: self.model.papers)
    @rule(data=st.data(), author=st.sampled_from(("registrar", "registrar", "reviewer")))
    def revoke(self, data: st.DataObject, author: str) -> None:
        """A certificate is revoked once, by somebody else than who issued it."""
        paper = data.draw(st.sampled_from(list(self.model.papers.values())))
        if paper.revoked is not None or author == paper.issued_by:
            with pytest.raises(DecisionRefused):
                self.world.register.revoke(paper.number, author, "印错", self.world.now)
            return
        self.world.register.revoke(paper.number, author, "印错", self.world.now)
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
        self.batches_then = list(self.batches)

    @precondition(lambda self: self.backup is not None and not self.model.leases)
    @rule()
    def restore(self) -> None:
        """A backup is put back: all that came after is forgotten, and nothing else is."""
        assert self.backup is not None
        made, self.model = self.backup
        self.backup, self.late, self.batches = None, [], self.batches_then
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
    def all_is_as_the_model_says(self) -> None:
        agreeing.everybody_stands_where_the_model_says(self.world, self.model, NUMBERS)
        agreeing.every_decision_is_what_it_was(self.world, self.model)
        agreeing.overview_is_the_sum_over_students(self.world, self.model)
