"""The rule: from what a source says and what is stored to the plan of what would change. Pure.

Level-triggered: a plan follows from what stands and what is said, never from what happened. Same input, same plan;
the order of rows never matters. Of decisions it is told only what counts now, so that it can tell a flip from a finding
that a decision covers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from connectors.port import Cell
from status_db.model import (
    CLEAR,
    Finding,
    Flip,
    Obligation,
    Reason,
    Record,
    Verdict,
    digest_of,
    evidence_behind,
    normalise_number,
)
from status_db.student_numbers import LONGEST, is_empty
from sync.rule.records import Rows, SourceRule, digest_of_rows, record_from_rows

#: So many strangers are listed by key; all are counted.
LISTED_STRANGERS = 200

#: Stands for the rows of a roster student whom the source does not know at all.
_OUTSIDE = b"outside"

#: Stands for the rows of a student about whom the readings of one pull differ.
_UNSETTLED = b"unsettled"

#: Sets the digest of doubtful rows apart from that of sure ones.
_DOUBT = b"doubt"


@dataclass(frozen=True, slots=True)
class Part:
    """What one source of a step says about one student, as far as the step's rule is concerned."""

    record: Record | None
    #: What no row means.
    absent: Verdict
    #: The source has a good snapshot that began after the student joined.
    asked: bool


def of_source(part: Part) -> tuple[Verdict, Reason]:
    """Return what one source says about one student."""
    match part:
        case Part(record=Record() as record):
            return record.verdict, record.reason
        case Part(asked=False):
            return Verdict.UNKNOWN, Reason.NOT_ASKED
        case Part(absent=Verdict.CLEARED):
            return Verdict.CLEARED, Reason.NOTHING_OWED
        case Part(absent=Verdict.HELD):
            return Verdict.HELD, Reason.NOT_DONE
        case _:
            return Verdict.UNKNOWN, Reason.NO_ROW


def of_step(parts: Sequence[Part], *, exempt: bool) -> Finding:
    """Return the finding for one step from all its sources; `exempt` says that roster columns let the student off."""
    said = [of_source(part) for part in parts]
    verdicts = {verdict for verdict, _ in said}
    spoken = all(part.record is not None for part in parts)
    # The roster beats a row that is missing, and never one that holds.
    let_off = exempt and not any(part.record is not None and part.record.verdict is Verdict.HELD for part in parts)
    match verdicts:
        case _ if Verdict.HELD in verdicts and not let_off:
            verdict = Verdict.HELD
        case _ if exempt and not (spoken and verdicts == {Verdict.CLEARED}):
            return Finding(Verdict.EXEMPT, Reason.EXEMPT_BY_ROSTER)
        case _ if Verdict.UNKNOWN in verdicts:
            verdict = Verdict.UNKNOWN
        case _ if verdicts == {Verdict.EXEMPT}:
            verdict = Verdict.EXEMPT
        case _:
            verdict = Verdict.CLEARED
    reasons = {reason for said_verdict, reason in said if said_verdict is verdict}
    evidence = evidence_behind(verdict, (part.record for part in parts if part.record is not None))
    return Finding(verdict, min(reasons, key=_WEIGHT.__getitem__), evidence)


#: When sources of one step agree on the verdict for different reasons, the first of these is the step's.
_WEIGHT = {
    reason: weight
    for weight, reason in enumerate(
        (
            Reason.OWED,
            Reason.NOT_DONE,
            Reason.DOUBTFUL,
            Reason.OUTSIDE_POPULATION,
            Reason.NOT_ASKED,
            Reason.NO_ROW,
            Reason.REFUND_DUE,
            Reason.DONE,
            Reason.SETTLED,
            Reason.NOTHING_OWED,
            Reason.EXEMPT_BY_OFFICE,
            Reason.EXEMPT_BY_ROSTER,
        )
    )
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """Whom the source's own keys mean."""

    #: Normalised key → roster student.
    students: Mapping[str, str]
    #: Normalised key → those it might mean, and why it is doubtful: they become unknown, never held or cleared.
    doubtful: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    #: Normalised key → why it resembles somebody, and whom: they are listed for a person, and nothing follows.
    near: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: Normalised keys of students who are listed and do not leave: no strangers, and nothing follows either.
    staying: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Stranger:
    """A key about nobody on the roster; `near` says why it might be somebody, `student` whom."""

    key: str
    near: str = ""
    student: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a source says about one roster student."""

    #: The rows that are surely theirs; none for who is outside the source's population.
    rows: Rows
    digest: bytes
    #: Why other rows may be theirs too; empty when none may.
    doubt: str = ""
    #: Obligations of theirs that now stand under a key that is nobody's.
    moved: tuple[Obligation, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A snapshot's rows by roster student, as far as they differ from what is stored."""

    #: Student → what is said, where its digest is new.
    changed: Mapping[str, Said]
    #: Students with a stored record about whom the source says nothing any more.
    vanished: frozenset[str]
    strangers: tuple[Stranger, ...]
    stranger_count: int
    #: Students who are on the list and do not leave.
    staying: int
    rows: int
    #: Rows about roster students.
    roster_rows: int
    #: Rows without any student number.
    nameless: int
    #: Normalised key → its rows, where it is surely nobody's on the roster, or doubtful; "" for rows without a key.
    unmatched: Mapping[str, Rows] = field(default_factory=dict)
    #: Those of its keys under which obligations of roster students now stand.
    moved_to: frozenset[str] = frozenset()


def keys_to_resolve(groups: Mapping[Cell, Rows], stored: Mapping[str, bytes]) -> set[str]:
    """Return the normalised keys that are no student with a stored record: the roster must say whom they mean."""
    unknown = [key for key in groups if key not in stored]
    return {number for number in map(_number, unknown) if number and number not in stored}


def compare(
    rule: SourceRule,
    groups: Mapping[Cell, Rows],
    stored: Mapping[str, bytes],
    resolved: Resolved,
    outside: frozenset[str] = frozenset(),
    asked_later: frozenset[str] = frozenset(),
    fresh: Mapping[str, tuple[Rows, bytes]] = MappingProxyType({}),
) -> Answer:
    """Compare what the source says with what is stored, by student and digest.

    `stored` maps each student with a record to its digest. `outside` are the roster students whom the source does not
    know, when it names a population. Who was `asked_later` on their own is left alone. `fresh` are rows whose digest
    is known already.
    """
    salt = rule.digest
    sure: dict[str, Rows] = {}
    doubtful: dict[str, tuple[list[str], Rows]] = {}
    strangers: dict[str, Stranger] = {}
    unmatched: dict[str, Rows] = {}
    staying: set[str] = set()
    nameless = roster_rows = total = 0
    for key, rows in groups.items():
        total += len(rows)
        # A doubtful key stays doubtful, also where a record of the student is stored already.
        if key in stored and key not in resolved.doubtful:
            student = str(key)
        else:
            number = _number(key)
            if not number:
                nameless += len(rows)
                _add(unmatched, "", rows)
                continue
            if number in resolved.doubtful:
                students, near = resolved.doubtful[number]
                for suspect in students:
                    whys, suspect_rows = doubtful.setdefault(suspect, ([], []))
                    whys.append(f"{near} {shown_key(number)}")
                    suspect_rows += rows
                strangers[number] = Stranger(shown_key(number), near, shown_students(students))
                _add(unmatched, number, rows)
                continue
            found = number if number in stored else resolved.students.get(number)
            if found is None and number in resolved.staying:
                staying.add(number)
                continue
            if found is None:
                strangers[number] = Stranger(shown_key(number), *resolved.near.get(number, ()))
                _add(unmatched, number, rows)
                continue
            student = found
        roster_rows += len(rows)
        _add(sure, student, rows)

    changed: dict[str, Said] = {}
    for student, rows in sure.items():
        if student in doubtful:
            continue
        known = fresh.get(student)
        digest = known[1] if known is not None and known[0] is rows else digest_of_rows(salt, rows)
        if stored.get(student) != digest and student not in asked_later:
            changed[student] = Said(rows, digest)
    changed |= {
        student: said
        for student, said in _uncertain(salt, sure, doubtful, outside)
        if stored.get(student) != said.digest and student not in asked_later
    }
    vanished = (s for s in stored if s not in sure and s not in doubtful and s not in outside and s not in asked_later)
    return Answer(
        changed=changed,
        vanished=frozenset(vanished),
        strangers=tuple(sorted(strangers.values(), key=lambda s: (not s.near, s.key))[:LISTED_STRANGERS]),
        stranger_count=len(strangers),
        staying=len(staying),
        rows=total,
        roster_rows=roster_rows,
        nameless=nameless,
        unmatched=unmatched,
    )


def _add(to: dict[str, Rows], name: str, rows: Rows) -> None:
    """Add rows to a name's; the lists of rows themselves are never changed."""
    before = to.get(name)
    to[name] = rows if before is None else before + rows


def shown_key(number: str) -> str:
    """Return a key as it is stored and shown: one that is longer than a number can be is shortened, and stays unique.

    Half of a surrogate pair, which no database stores, becomes a "?".
    """
    if number.isascii() and len(number) <= LONGEST:
        return number
    text = number.encode("utf-8", "replace").decode("utf-8")
    if text == number and len(text) <= LONGEST:
        return number
    mark = digest_of([number.encode("utf-8", "surrogatepass")]).hex()[:16]
    return f"{text[: LONGEST - len(mark) - 1]}…{mark}"


def shown_students(students: Sequence[str]) -> str:
    """Return the students that a key may mean, as they are stored and shown: as many as there is room for."""
    shown = ", ".join(students)
    left = len(students)
    while len(shown) > LONGEST and left > 1:
        left -= 1
        shown = f"{', '.join(students[:left])} (+{len(students) - left})"
    return shown if len(shown) <= LONGEST else students[0]


def _number(key: Cell) -> str:
    return "" if is_empty(key) else normalise_number(key)


def _uncertain(
    salt: bytes, sure: Mapping[str, Rows], doubtful: Mapping[str, tuple[list[str], Rows]], outside: Iterable[str]
) -> Iterator[tuple[str, Said]]:
    """Give everybody about whom something doubtful is said, or nothing by a source that should know them."""
    for student, (whys, rows) in doubtful.items():
        certain = sure.get(student, [])
        parts = [digest_of_rows(salt, certain)] if certain else []
        yield student, Said(certain, digest_of([*parts, digest_of_rows(salt, rows), _DOUBT]), "; ".join(sorted(whys)))
    unknown_there = _outside_digest(salt)
    for student in outside:
        if student not in sure and student not in doubtful:
            yield student, Said([], unknown_there)


def outside_digest(rule: SourceRule) -> bytes:
    """Return the digest of the record of a student whom the source does not know."""
    return _outside_digest(rule.digest)


def _outside_digest(salt: bytes) -> bytes:
    return digest_of([salt, _OUTSIDE])


@dataclass(frozen=True, slots=True)
class Touched:
    """A roster student whose step the new answer may change, as stored."""

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
    """One record that would change: what the source said, and what it says."""

    student: str
    before: Record | None
    after: Record | None
    #: Before and after in the source's own verdict, its absence included.
    verdict_before: Verdict
    verdict_after: Verdict
    #: The student's flow has the step; a record about who has not is stored all the same, and counts nowhere.
    concerned: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run would change, on a named revision; made in full before the first write."""

    cohort: str
    source: str
    step: str
    #: The cohort's revision it was made on: it is applied on that one only.
    base: int
    #: The source's own revision then: an approval stands while this does.
    source_base: int
    changes: tuple[Change, ...]
    #: Records that are the same but for their digest: the spelling or the settings changed, the meaning did not.
    respelled: tuple[Record, ...]
    #: Student → finding, where it differs from the stored one.
    findings: tuple[tuple[str, Finding], ...]
    flips: tuple[Flip, ...]
    strangers: tuple[Stranger, ...]
    stranger_count: int
    staying: int
    rows: int
    roster_rows: int
    nameless: int
    #: For how many students it makes clear, in the source's word or in the finding, what was not.
    clears: int = 0

    @property
    def empty(self) -> bool:
        """Say whether applying it would change nothing at all."""
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
        """Count the roster students whom the source itself moves from one verdict to another."""
        return sum(1 for c in self.changes if c.verdict_before is before and c.verdict_after is after)


def records_of(rule: SourceRule, fields: Sequence[str], answer: Answer) -> dict[str, Record | None]:
    """Return the new record of each student about whom an answer says something else; None for one that goes."""
    new: dict[str, Record | None] = {
        student: record_from_rows(rule, fields, student, said.rows, said.digest, said.doubt[:200], said.moved)
        for student, said in answer.changed.items()
    }
    return new | dict.fromkeys(answer.vanished)


def kept_back(
    rule: SourceRule,
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    unsettled: Iterable[str],
) -> dict[str, Record | None]:
    """Return the new records where nobody of the unsettled is released.

    Who is held stays so, and who would be clear is unknown.
    """
    kept = dict(new)
    for student in unsettled:
        _keep_back(rule, student, kept, stored.get((rule.source, student)))
    return kept


def changes_of(
    rule: SourceRule,
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    people: Mapping[str, Touched],
    asked_before: datetime | None,
) -> tuple[list[Change], list[Record]]:
    """Return the records that would change, and those that stay the same but for their digest."""
    changes: list[Change] = []
    respelled: list[Record] = []
    for student, after in new.items():
        before = stored.get((rule.source, student))
        if before is not None and after is not None and _same(before, after):
            respelled.append(after)
            continue
        changes.append(_change(rule, student, before, after, people.get(student), asked_before))
    return changes, respelled


def plan(
    cohort: str,
    base: int,
    source_base: int,
    rule: SourceRule,
    began: datetime,
    answer: Answer,
    touched: Iterable[Touched],
    new: Mapping[str, Record | None],
    stored: Mapping[tuple[str, str], Record],
    others: Mapping[str, SourceAnswered],
    asked_before: datetime | None,
) -> Plan:
    """Return the plan for these new records of one source, None for one that goes.

    `touched` are the roster students whose step may change; `stored` maps (source, student) to the stored records of
    all the step's sources about them; `others` are the step's other sources; `began` is when this answer began, and
    `asked_before` when the source's last good one did.
    """
    people = {person.student: person for person in touched}
    changes, respelled = changes_of(rule, new, stored, people, asked_before)
    findings: list[tuple[str, Finding]] = []
    flips: list[Flip] = []
    clears = {c.student for c in changes if c.verdict_after in CLEAR and c.verdict_before not in CLEAR}
    silent: dict[tuple[bool, ...], Finding] = {}
    names = sorted(others)
    for person in people.values():
        student, joined = person.student, person.joined_at
        own = new[student] if student in new else stored.get((rule.source, student))
        records = [own, *(stored.get((name, student)) for name in names)]
        asked = [began >= joined, *((b := others[name].began) is not None and b >= joined for name in names)]
        # Most students owe nothing anywhere: for them the finding follows from these flags alone.
        flags = (person.exempt, *asked) if not any(records) else None
        finding = silent.get(flags) if flags else None
        if finding is None:
            absents = [rule.absent, *(others[name].absent for name in names)]
            finding = of_step(
                [Part(r, a, k) for r, a, k in zip(records, absents, asked, strict=True)], exempt=person.exempt
            )
            if flags:
                silent[flags] = finding
        stands = person.finding
        if finding.verdict is stands.verdict and finding.reason is stands.reason and finding.keys == stands.keys:
            continue
        findings.append((student, finding))
        if finding.verdict in CLEAR and stands.verdict not in CLEAR:
            clears.add(student)
        flip = flip_between(person, finding, rule.step)
        if flip is not None:
            flips.append(flip)
    return Plan(
        cohort=cohort,
        source=rule.source,
        step=rule.step,
        base=base,
        source_base=source_base,
        changes=tuple(sorted(changes, key=lambda c: c.student)),
        respelled=tuple(respelled),
        findings=tuple(sorted(findings, key=lambda f: f[0])),
        flips=tuple(sorted(flips, key=lambda f: f.student)),
        strangers=answer.strangers,
        stranger_count=answer.stranger_count,
        staying=answer.staying,
        rows=answer.rows,
        roster_rows=answer.roster_rows,
        nameless=answer.nameless,
        clears=len(clears),
    )


def _keep_back(rule: SourceRule, student: str, new: dict[str, Record | None], before: Record | None) -> None:
    """Have an answer that is not settled about a student release nobody."""
    after = new.get(student, before)
    if after is not None and after.verdict is Verdict.HELD:
        return
    if before is not None and before.verdict is Verdict.HELD:
        new.pop(student, None)
    elif after is None or after.verdict is not Verdict.UNKNOWN:
        doubt = "the source's answer about them changed while it was read, did not come, or does not add up"
        digest = digest_of([rule.digest, _UNSETTLED])
        new[student] = Record(student, Verdict.UNKNOWN, Reason.DOUBTFUL, (), doubt, digest)


def flip_between(person: Touched, finding: Finding, step: str) -> Flip | None:
    """Return the flip of what counts when this finding replaces the stored one; None when a decision covers it."""
    if person.decided is not None or finding.verdict is person.finding.verdict:
        return None
    return Flip(person.student, step, person.finding.verdict, finding.verdict, finding.reason, finding.evidence)


def _same(before: Record, after: Record) -> bool:
    return (before.verdict, before.reason, before.obligations, before.doubt) == (
        after.verdict, after.reason, after.obligations, after.doubt,
    )  # fmt: skip


def _change(
    rule: SourceRule,
    student: str,
    before: Record | None,
    after: Record | None,
    person: Touched | None,
    asked_before: datetime | None,
) -> Change:
    """Put a record's change in the source's own verdicts."""
    if person is None:
        return Change(student, before, after, Verdict.UNKNOWN, Verdict.UNKNOWN, concerned=False)
    was_asked = asked_before is not None and asked_before >= person.joined_at
    return Change(
        student,
        before,
        after,
        of_source(Part(before, rule.absent, was_asked))[0],
        of_source(Part(after, rule.absent, asked=True))[0],
        concerned=True,
    )
