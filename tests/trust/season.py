"""A leaving season that a machine lives: all that the offices do, and what operators, reviewers and backups do.

After each step everybody must stand where the plain model says, and every decision must be there, unchanged but for its
withdrawal and its noted end.
"""

import copy
from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from status_db.backups import making, manifest, restoring
from status_db.backups.making import Made
from status_db.decisions import DecisionRefused, Wish
from status_db.model import Decision, Verdict
from status_db.reviews import Issue
from tests.sync.test_verify import verified
from tests.trust import agreeing
from tests.trust.offices import NUMBERS, Broken, Offices, students
from tests.trust.plain_model import BEFORE_REVIEW, REVIEW, Model, Paper, Said

REASONS = {"library": "赔书", "finance": "缓交批准"}

verdicts = st.sampled_from((Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT))


class Season(Offices):
    """A whole season, in a store and in the model beside it."""

    backs_up: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.backup: tuple[Made, Model] | None = None

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

    @rule(student=students, likely=st.booleans())
    def take_back(self, student: str, likely: bool) -> None:
        """A reviewer takes a review back, but not from under a certificate."""
        reviewed = [n for n in NUMBERS if self.model.standing(n, REVIEW)]
        if likely and reviewed and student not in reviewed:
            student = reviewed[0]
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
    def all_is_as_the_model_says(self) -> None:
        agreeing.everybody_stands_where_the_model_says(self.world, self.model, NUMBERS)
        agreeing.every_decision_is_what_it_was(self.world, self.model)
        agreeing.overview_is_the_sum_over_students(self.world, self.model)
