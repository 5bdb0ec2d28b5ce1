"""The plan of a change of settings: the steps that each student has from now on, and the finding for each. Pure.

Findings are derived from stored records, never from a new answer: a source's records stay, also where its step
changes. A step without records or answers from its sources is unknown.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from config.meaning import FlowMeaning, Meaning, differences
from status_db.model import FIRST_FINDING, NOT_IN_FLOW, Finding, Flip, Record, StepKind, Verdict, digest_of
from sync.rule.roster import asked_since, exempt
from sync.rule.step import SourcePart, of_step


@dataclass(frozen=True, slots=True)
class CurrentStep:
    """One stored step of a student."""

    finding: Finding
    #: The verdict of the decision that counts now; None when there is none.
    decided: Verdict | None


@dataclass(frozen=True, slots=True)
class FlowStudent:
    """One active student with a flow, as stored."""

    student: str
    flow: str
    joined_at: datetime
    #: Roster column → value, level and category included.
    columns: Mapping[str, str]
    #: Step → its stored finding and decision.
    steps: Mapping[str, CurrentStep]
    #: Source → its record.
    records: Mapping[str, Record]
    #: Step → the verdict of the decision that counts now, for steps that are not stored too.
    decided: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class SettingsPlan:
    """All changes of a settings run, planned in full before the first write."""

    cohort: str
    base: int
    #: Digest of the applied settings; None where none are recorded.
    before: bytes | None
    #: The meaning that is recorded when this is applied.
    meaning: Meaning
    #: The differences, key by key, for people.
    lines: tuple[str, ...]
    #: (student, flow) for each student who gets another flow.
    flows: tuple[tuple[str, str], ...]
    #: Steps that a student gets or loses, and steps with another finding.
    added: tuple[tuple[str, str, Finding], ...]
    removed: tuple[tuple[str, str], ...]
    findings: tuple[tuple[str, str, Finding], ...]
    flips: tuple[Flip, ...]
    #: Sources that are no longer asked: their records are removed.
    retired: tuple[str, ...]
    #: (flow, review, steps) for each review that would no longer wait for these steps.
    loosened: tuple[tuple[str, str, tuple[str, ...]], ...]
    #: Active students that fit no flow: they keep what is stored, and none of their steps counts.
    unplaced: tuple[str, ...]
    students: int

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to record."""
        return self.before == self.meaning.digest

    @property
    def moves_none(self) -> bool:
        """Return whether no student's steps or findings change."""
        return not (self.flows or self.added or self.removed or self.findings or self.unplaced or self.loosened)

    @property
    def digest(self) -> bytes:
        """Digest of the change and of the settings it starts from: what an approval approves."""
        parts = [self.before or b"", self.meaning.digest]
        parts += [f"{student} {flow}".encode() for student, flow in self.flows]
        parts += [f"{student} {step}".encode() for student, step in self.removed]
        parts += [
            f"{student} {step} {f.verdict} {f.reason} {f.keys}".encode()
            for student, step, f in (*self.added, *self.findings)
        ]
        parts += [f"{flow} {review} {steps}".encode() for flow, review, steps in self.loosened]
        return digest_of([*parts, *(name.encode() for name in (*self.retired, *self.unplaced))])

    def moved(self) -> Counter[tuple[str, Verdict, Verdict]]:
        """Count by step what counts before and after."""
        return Counter((flip.step, flip.before, flip.after) for flip in self.flips)


def plan(
    cohort: str,
    base: int,
    applied: Meaning | None,
    own: Meaning,
    people: Iterable[FlowStudent],
    began: Mapping[str, datetime],
    never_asked: Collection[str],
    stored_sources: Collection[str],
) -> SettingsPlan:
    """Return the changes that bring the stored steps to the structure of `own`.

    `began` is when each source's last good snapshot began; `never_asked` are the sources (and the roster) without an
    applied answer, `stored_sources` those with a row of their own.
    """
    target = applied.with_structure(own, never_asked) if applied is not None else own
    rows = _StudentRows()
    unplaced: list[str] = []
    students = 0
    for person in people:
        students += 1
        flow = flow_of(target, person)
        if flow is None:
            unplaced.append(person.student)
        else:
            _place_student(rows, target, person, flow, began)
    return SettingsPlan(
        cohort=cohort,
        base=base,
        before=applied.digest if applied is not None else None,
        meaning=target,
        lines=differences(applied, target),
        flows=tuple(rows.flows),
        added=tuple(rows.added),
        removed=tuple(rows.removed),
        findings=tuple(rows.findings),
        flips=tuple(rows.flips),
        retired=tuple(sorted(set(stored_sources) - own.sources.keys())),
        loosened=tuple(_loosened(applied, target)) if applied is not None else (),
        unplaced=tuple(unplaced),
        students=students,
    )


@dataclass(slots=True)
class _StudentRows:
    """The rows that a change of settings writes about students."""

    flows: list[tuple[str, str]] = field(default_factory=list)
    added: list[tuple[str, str, Finding]] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    findings: list[tuple[str, str, Finding]] = field(default_factory=list)
    flips: list[Flip] = field(default_factory=list)


def _place_student(
    rows: _StudentRows, target: Meaning, person: FlowStudent, flow: str, began: Mapping[str, datetime]
) -> None:
    """Add the rows that bring one student to the steps of a flow."""
    if flow != person.flow:
        rows.flows.append((person.student, flow))
    kinds = {step: StepKind(kind) for step, kind, _ in target.flows[flow].entries}
    for step in sorted(person.steps.keys() - kinds.keys()):
        rows.removed.append((person.student, step))
        was = person.steps[step]
        rows.flips.append(Flip(person.student, step, was.decided or was.finding.verdict, Verdict.EXEMPT, NOT_IN_FLOW))
    for step, kind in sorted(kinds.items()):
        finding = _finding_of_step(target, person, step, kind, began)
        stored = person.steps.get(step)
        if stored is None:
            rows.added.append((person.student, step, finding))
        elif not _is_same_finding(stored.finding, finding):
            rows.findings.append((person.student, step, finding))
        before = stored.finding.verdict if stored is not None else Verdict.UNKNOWN
        if person.decided.get(step) is None and before is not finding.verdict:
            rows.flips.append(Flip(person.student, step, before, finding.verdict, finding.reason, finding.evidence))


def _loosened(before: Meaning, after: Meaning) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield each review that waits for fewer steps than before, with the steps that it no longer waits for."""
    for key, flow in after.flows.items():
        known = before.flows.get(key)
        waited = {step: waits for step, _, waits in known.entries} if known is not None else {}
        for step, kind, waits in flow.entries:
            lost = tuple(one for one in waited.get(step, ()) if one not in waits)
            if kind == StepKind.REVIEW and lost:
                yield key, step, lost


def flow_of(meaning: Meaning, person: FlowStudent) -> str | None:
    """Return the flow that fits a student's level and category; else the stored one while it exists; else None."""
    level, category = person.columns.get("level", ""), person.columns.get("category", "")
    for key, flow in meaning.flows.items():
        if _flow_fits(flow, level, category):
            return key
    return person.flow if person.flow in meaning.flows else None


def _flow_fits(flow: FlowMeaning, level: str, category: str) -> bool:
    return level in flow.levels and (flow.categories is None or category in flow.categories)


def _finding_of_step(
    meaning: Meaning, person: FlowStudent, step: str, kind: StepKind, began: Mapping[str, datetime]
) -> Finding:
    if kind is not StepKind.SYNCED:
        return FIRST_FINDING[kind]
    sources = meaning.sources_of(step)
    parts = [
        SourcePart(
            person.records.get(name),
            Verdict(meaning.sources[name].absent),
            asked_since(began.get(name), person.joined_at),
        )
        for name in sources
    ]
    is_exempt = exempt(meaning.exempt.get(step, ()), person.columns)
    stored = person.steps.get(step)
    if _still_first(stored, parts):
        # No source has been asked yet: an exemption is found with the first answer, as in every run.
        return FIRST_FINDING[kind]
    return of_step(parts, exempt=is_exempt) if parts else FIRST_FINDING[kind]


def _still_first(stored: CurrentStep | None, parts: Sequence[SourcePart]) -> bool:
    untouched = stored is None or _is_same_finding(stored.finding, FIRST_FINDING[StepKind.SYNCED])
    return untouched and not any(part.asked or part.record is not None for part in parts)


def _is_same_finding(one: Finding, other: Finding) -> bool:
    return (one.verdict, one.reason, one.keys) == (other.verdict, other.reason, other.keys)
