"""From an answer's differences and the stored records to the plan of the changes. Pure.

`sync.rule.records` decides whether a row holds, `sync.rule.step` decides the finding of a step; here both are compared
with what is stored. The same input gives the same plan, in any order of rows. A finding under a decision flips nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from status_db.doubts import UNSETTLED
from status_db.model import (
    CLEAR,
    Finding,
    Flip,
    Reason,
    Record,
    Verdict,
    digest_of,
)
from sync.rule.answer import Answer, UnmatchedKey
from sync.rule.records import SourceRule, record_from_rows
from sync.rule.step import SourcePart, of_source, of_step

#: In a digest: replaces the rows of a student with different readings in one pull.
_UNSETTLED = b"unsettled"


@dataclass(frozen=True, slots=True)
class AffectedStudent:
    """A roster student with a step that the new answer may change, as stored."""

    student: str
    joined_at: datetime
    exempt: bool
    finding: Finding
    #: The verdict of the decision that counts now; None when there is none.
    decided: Verdict | None


@dataclass(frozen=True, slots=True)
class SourceAnswered:
    """Another source of the same step, as stored."""

    absent: Verdict
    #: When its last good snapshot began; None before the first.
    began: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """One record that would change: before and after."""

    student: str
    before: Record | None
    after: Record | None
    #: Before and after in the source's own verdict, its absence included.
    verdict_before: Verdict
    verdict_after: Verdict
    #: The student's flow has the step; a record about any other student is stored too, and does not count.
    concerned: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes of a run, on a named revision; planned in full before the first write."""

    cohort: str
    source: str
    step: str
    #: The cohort's revision it was made on: it is applied on this one only.
    base: int
    #: The source's own revision at that time: an approval is valid for this revision only.
    source_base: int
    changes: tuple[Change, ...]
    #: Records that are the same except for their digest: the spelling or the settings changed, the meaning did not.
    respelled: tuple[Record, ...]
    #: Student → finding, where it differs from the stored one.
    findings: tuple[tuple[str, Finding], ...]
    flips: tuple[Flip, ...]
    unmatched_keys: tuple[UnmatchedKey, ...]
    unmatched_key_count: int
    staying: int
    rows: int
    roster_rows: int
    nameless: int
    #: How many students it clears, in the source's verdict or in the finding.
    clears: int = 0

    @property
    def empty(self) -> bool:
        """Return whether applying it would change nothing."""
        return not (self.changes or self.respelled or self.findings)

    @property
    def digest(self) -> bytes:
        """Digest of the source's record difference and of what it is made on: what an approval approves."""
        parts = [self.source.encode(), str(self.source_base).encode()]
        for change in sorted(self.changes, key=lambda c: c.student):
            after = change.after
            parts += [change.student.encode(), after.digest if after else b"", change.verdict_after.encode()]
        return digest_of(parts)

    def count(self, before: Verdict, after: Verdict) -> int:
        """Count the roster students that the source itself moves from one verdict to another."""
        return sum(1 for c in self.changes if c.verdict_before is before and c.verdict_after is after)


def records_of(rule: SourceRule, fields: Sequence[str], answer: Answer) -> dict[str, Record | None]:
    """Return the new record of each student that an answer changes; None for a record that is removed."""
    new: dict[str, Record | None] = {
        student: record_from_rows(rule, fields, student, source.rows, source.digest, source.doubt[:200], source.moved)
        for student, source in answer.changed.items()
    }
    return new | dict.fromkeys(answer.vanished)


def kept_back(
    rule: SourceRule,
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    unsettled: Iterable[str],
) -> dict[str, Record | None]:
    """Return the new records, changed so that no unsettled student is released.

    A held student stays held, and a student that would be clear becomes unknown.
    """
    kept = dict(new)
    for student in unsettled:
        _keep_back(rule, student, kept, stored.get((rule.source, student)))
    return kept


def changes_of(
    rule: SourceRule,
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    people: Mapping[str, AffectedStudent],
    asked_before: datetime | None,
) -> tuple[list[Change], list[Record]]:
    """Return the records that would change, and those that stay the same except for their digest."""
    changes: list[Change] = []
    respelled: list[Record] = []
    for student, after in new.items():
        before = stored.get((rule.source, student))
        if before is not None and after is not None and _is_same_record(before, after):
            respelled.append(after)
            continue
        changes.append(_change_of(rule, student, before, after, people.get(student), asked_before))
    return changes, respelled


def plan(
    cohort: str,
    base: int,
    source_base: int,
    rule: SourceRule,
    began: datetime,
    answer: Answer,
    touched: Iterable[AffectedStudent],
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    others: Mapping[str, SourceAnswered],
    asked_before: datetime | None,
) -> Plan:
    """Return the plan for these new records of one source, None for one that is removed.

    `touched` are the roster students with a step that may change; `stored` maps (source, student) to the stored records
    of all the step's sources about them; `others` are the step's other sources; `began` is when this answer began, and
    `asked_before` when the source's last good answer began.
    """
    people = {person.student: person for person in touched}
    changes, respelled = changes_of(rule, new, stored, people, asked_before)
    clears = {c.student for c in changes if c.verdict_after in CLEAR and c.verdict_before not in CLEAR}
    differing = list(_differing(rule, began, people.values(), new, stored, others))
    clears |= {p.student for p, f in differing if f.verdict in CLEAR and p.finding.verdict not in CLEAR}
    flips = [flip for person, finding in differing if (flip := flip_between(person, finding, rule.step)) is not None]
    return Plan(
        cohort=cohort,
        source=rule.source,
        step=rule.step,
        base=base,
        source_base=source_base,
        changes=tuple(sorted(changes, key=lambda c: c.student)),
        respelled=tuple(respelled),
        findings=tuple(sorted(((person.student, finding) for person, finding in differing), key=lambda f: f[0])),
        flips=tuple(sorted(flips, key=lambda f: f.student)),
        unmatched_keys=answer.unmatched_keys,
        unmatched_key_count=answer.unmatched_key_count,
        staying=answer.staying,
        rows=answer.rows,
        roster_rows=answer.roster_rows,
        nameless=answer.nameless,
        clears=len(clears),
    )


def _differing(
    rule: SourceRule,
    began: datetime,
    people: Iterable[AffectedStudent],
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    others: Mapping[str, SourceAnswered],
) -> Iterator[tuple[AffectedStudent, Finding]]:
    """Yield each of these students with another finding now, with that finding."""
    silent: dict[tuple[bool, ...], Finding] = {}
    names = sorted(others)
    absents = [rule.absent, *(others[name].absent for name in names)]
    for person in people:
        student, joined = person.student, person.joined_at
        own = new[student] if student in new else stored.get((rule.source, student))
        records = [own, *(stored.get((name, student)) for name in names)]
        asked = [began >= joined, *((b := others[name].began) is not None and b >= joined for name in names)]
        # Most students owe nothing anywhere: for them the finding follows from these flags alone.
        flags = (person.exempt, *asked) if not any(records) else None
        finding = silent.get(flags) if flags else None
        if finding is None:
            parts = [SourcePart(r, a, k) for r, a, k in zip(records, absents, asked, strict=True)]
            finding = of_step(parts, exempt=person.exempt)
            if flags:
                silent[flags] = finding
        known = person.finding
        same = finding.verdict is known.verdict and finding.reason is known.reason and finding.keys == known.keys
        if not same:
            yield person, finding


def _keep_back(rule: SourceRule, student: str, new: dict[str, Record | None], before: Record | None) -> None:
    """Change the new record of an unsettled student so that it does not release the student."""
    after = new.get(student, before)
    if after is not None and after.verdict is Verdict.HELD:
        return
    if before is not None and before.verdict is Verdict.HELD:
        new.pop(student, None)
    elif after is None or after.verdict is not Verdict.UNKNOWN:
        digest = digest_of([rule.digest, _UNSETTLED])
        new[student] = Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), UNSETTLED, digest)


def flip_between(person: AffectedStudent, finding: Finding, step: str) -> Flip | None:
    """Return the flip when this finding replaces the stored one; None when a decision covers it."""
    if person.decided is not None or finding.verdict is person.finding.verdict:
        return None
    return Flip(person.student, step, person.finding.verdict, finding.verdict, finding.reason, finding.evidence)


def _is_same_record(before: Record, after: Record) -> bool:
    return (before.verdict, before.reason, before.obligations, before.doubt) == (
        after.verdict, after.reason, after.obligations, after.doubt,
    )  # fmt: skip


def _change_of(
    rule: SourceRule,
    student: str,
    before: Record | None,
    after: Record | None,
    person: AffectedStudent | None,
    asked_before: datetime | None,
) -> Change:
    """Return a record's change in the source's own verdicts."""
    if person is None:
        return Change(student, before, after, Verdict.UNKNOWN, Verdict.UNKNOWN, concerned=False)
    was_asked = asked_before is not None and asked_before >= person.joined_at
    return Change(
        student,
        before,
        after,
        of_source(SourcePart(before, rule.absent, was_asked))[0],
        of_source(SourcePart(after, rule.absent, asked=True))[0],
        concerned=True,
    )
