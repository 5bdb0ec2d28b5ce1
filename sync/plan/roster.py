"""The registrar's list: gathered, compared, planned and judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Snapshot
from status_db.guard_reasons import Figures, GuardReason, GuardReasonKind
from status_db.marks.current import GROUPED_BY, CurrentPerson, CurrentState, SourceState
from status_db.marks.roster import Listing, RosterWrites
from status_db.marks.runs import Lease, Pull, RunEnding
from status_db.marks.settings import SettingsMarks
from status_db.model import CLEAR, ROSTER, Finding, Flip, Record, StepKind, Verdict, is_ahead
from status_db.stored_counts import RunCounts
from sync import rule_settings
from sync.plan.base import Withholding
from sync.plan.gather import others_of
from sync.rule import reconcile, roster
from sync.rule.guard import GuardGroup
from sync.rule.step import SourcePart, of_step

#: The value of the digest in a database from before it was recorded.
_UNRECORDED = b"roster"


@dataclass(frozen=True, slots=True)
class RosterProposal:
    """The registrar's list, planned."""

    plan: roster.RosterPlan
    writes: RosterWrites
    reasons: tuple[GuardReason, ...]
    pull: Pull
    snapshot: Snapshot
    held: Withholding | None = None

    @property
    def clears(self) -> bool:
        """Return whether changed particulars alone would clear or exempt a student."""
        return any(finding.verdict in CLEAR for _, _, finding in self.writes.findings)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """The flips from changed particulars; those from joining and leaving are computed when they are written."""
        return tuple(self.writes.flips)

    @property
    def counts(self) -> RunCounts:
        """The counts of the run."""
        plan = self.plan
        return RunCounts(
            rows=plan.rows,
            leaving=plan.leaving,
            joined=len(plan.joined),
            changed=len(plan.changed),
            left=len(plan.left),
            dropped=plan.dropped,
            flips=len(self.writes.flips),
        )

    def kept(self) -> Snapshot:
        """Return the whole list."""
        return self.snapshot

    def apply(self, marks: SettingsMarks, lease: Lease, ending: RunEnding, *, approved: bool) -> None:
        """Write it whole."""
        marks.apply_roster(lease, self.writes, self.pull, ending, approved=approved)


@dataclass(frozen=True, slots=True)
class StepPeople:
    """What is stored about one step of students with changed particulars."""

    people: tuple[CurrentPerson, ...]
    #: The step's sources, as stored, and their records about these students.
    sources: Mapping[str, reconcile.SourceAnswered]
    records: Mapping[tuple[str, str], Record]


@dataclass(frozen=True, slots=True)
class RosterRead:
    """One read of the marks, for the registrar's list."""

    base: int
    state: SourceState
    #: Number → student on the list, under the corrected number.
    listed: Mapping[str, roster.RosterEntry]
    #: All students ever listed in this cohort.
    known: Mapping[str, roster.CurrentStudent]
    #: Student → the columns of `GROUPED_BY`.
    columns: Mapping[str, Mapping[str, str]]
    #: Step with exemptions → what is stored about students with changed particulars.
    steps: Mapping[str, StepPeople]


class RosterStages:
    """The stages of the registrar's list: no office is asked again."""

    def __init__(self, settings: Settings, cohort: str, snapshot: Snapshot, clock: Callable[[], datetime]) -> None:
        """Students that are stored as joined after `clock` were listed under a wrong clock, and join now.

        Otherwise no answer would count as later than that.
        """
        self._settings = settings
        self._cohort = cohort
        self.snapshot = snapshot
        self._clock = clock

    def gather(self, connection: Connection) -> RosterRead:
        """Read the roster, and the steps of students with changed particulars. Raises SourceGarbled."""
        stored, now = CurrentState(connection, self._cohort), self._clock()
        listed = _renumbered(
            roster.entries(rule_settings.roster_rule(self._settings), self.snapshot), stored.numbers.renumbered()
        )
        rows = stored.roster()
        known = {
            n: roster.CurrentStudent(row.digest, row.active, row.flow, is_ahead(row.joined_at, now))
            for n, row in rows.items()
        }
        changed = [n for n, entry in listed.items() if n in known and known[n].digest != entry.digest]
        columns = {n: {column: getattr(row, column) for column in GROUPED_BY} for n, row in rows.items()}
        return RosterRead(
            stored.revision(),
            stored.source(ROSTER),
            listed,
            known,
            columns,
            self._read_steps(stored, changed) if changed else {},
        )

    def _read_steps(self, stored: CurrentState, students: Sequence[str]) -> dict[str, StepPeople]:
        """Read the steps of these students that depend on roster columns."""
        flows = rule_settings.steps_of_flows(self._settings).values()
        synced = {step for steps in flows for step, kind in steps if kind is StepKind.SYNCED}
        meaning, found = stored.meaning(), dict[str, StepPeople]()
        for step in sorted(synced):
            if rule_settings.exemptions(self._settings, step):
                sources = others_of(stored, self._settings, step, "", meaning)
                people = stored.people(step, students, (), self.snapshot.ended)
                found[step] = StepPeople(tuple(people), sources, stored.records(list(sources), students))
        return found

    def decide(self, read: RosterRead) -> RosterProposal:
        """Plan the list, and judge it."""
        plan = roster.plan(read.base, read.state.revision, read.listed, read.known)
        findings, flips = self._reconsidered(plan, read)
        writes = RosterWrites(
            base=plan.base,
            joined=[_listing(entry) for entry in plan.joined],
            returning=[entry.student for entry in plan.joined if entry.student in read.known],
            changed=[_listing(entry) for entry in plan.changed],
            left=plan.left,
            flows=rule_settings.steps_of_flows(self._settings),
            findings=findings,
            flips=flips,
        )
        asked = self._settings.roster
        pull = Pull(
            began=self.snapshot.began,
            ended=self.snapshot.ended,
            fresh_for=rule_settings.fresh_for(self._settings, asked),
            settings_digest=rule_settings.roster_digest(self._settings),
            fingerprint=None,
            reported_fingerprint=None,
            compared_at=self.snapshot.began,
            roster_rows=plan.rows,
            location=rule_settings.location(asked),
        )
        return RosterProposal(plan, writes, self._guard_reasons(read, plan, writes), pull, self.snapshot)

    def _guard_reasons(
        self, read: RosterRead, plan: roster.RosterPlan, writes: RosterWrites
    ) -> tuple[GuardReason, ...]:
        leaving = {n for n, entry in read.known.items() if entry.active and entry.flow}
        newly_exempt = {
            flip.student for flip in writes.flips if flip.after is Verdict.EXEMPT and flip.before is not Verdict.CLEARED
        }
        dropped = frozenset(n for n in leaving if not _is_leaving(read.listed.get(n)))
        groups: tuple[GuardGroup, ...] = ()
        if dropped and read.state.recent_rows:
            groups = roster.groups_of({n: read.columns[n] for n in read.known if n in leaving}, dropped)
        limits = rule_settings.limits(self._settings.roster)
        reasons = roster.judge(plan, limits, read.state.recent_rows, len(leaving), len(newly_exempt), groups)
        if plan.empty or not self._is_read_otherwise(read.state):
            return reasons
        moved = len(plan.joined) + len(plan.changed) + len(plan.left)
        figures: Figures = {"source": ROSTER, "records": moved, "findings": len(writes.findings)}
        return (*reasons, GuardReason(GuardReasonKind.SETTINGS_CHANGED, figures))

    def _is_read_otherwise(self, state: SourceState) -> bool:
        """Return whether the list is read by other settings, or from another location, than the last one."""
        digest, places = rule_settings.roster_digest(self._settings), rule_settings.locations(self._settings.roster)
        return state.settings_digest not in (None, _UNRECORDED, digest) or state.location_digest not in (None, *places)

    def _reconsidered(
        self, plan: roster.RosterPlan, read: RosterRead
    ) -> tuple[list[tuple[str, str, Finding]], list[Flip]]:
        """Derive again the findings that depend on roster columns, for students with changed particulars."""
        particulars = {
            e.student: dict(zip(roster.COLUMNS, e.columns, strict=True)) | dict(e.extra) for e in plan.changed
        }
        findings: list[tuple[str, str, Finding]] = []
        flips: list[Flip] = []
        for step, stored in read.steps.items():
            conditions = rule_settings.exemptions(self._settings, step)
            for person in stored.people:
                if person.student not in particulars:
                    continue
                exempt = roster.exempt(conditions, particulars[person.student])
                finding = of_step(_source_parts(stored, person), exempt=exempt)
                if (finding.verdict, finding.reason) == (person.finding.verdict, person.finding.reason):
                    continue
                findings.append((person.student, step, finding))
                touched = reconcile.AffectedStudent(
                    person.student, person.joined_at, exempt, person.finding, person.decided
                )
                flip = reconcile.flip_between(touched, finding, step)
                flips += [flip] if flip else []
        return findings, flips


def _source_parts(stored: StepPeople, person: CurrentPerson) -> list[SourcePart]:
    return [
        SourcePart(
            stored.records.get((name, person.student)),
            source.absent,
            roster.asked_since(source.began, person.joined_at),
        )
        for name, source in stored.sources.items()
    ]


def _is_leaving(entry: roster.RosterEntry | None) -> bool:
    return entry is not None and entry.flow is not None


def _renumbered(
    listed: Mapping[str, roster.RosterEntry], corrected: Mapping[str, str]
) -> Mapping[str, roster.RosterEntry]:
    """Return the list with corrected numbers, while the registrar's list still has the old ones."""
    found: dict[str, roster.RosterEntry] = {}
    for number, entry in listed.items():
        right = corrected.get(number, number)
        if right != number and right not in listed:
            found[right] = replace(entry, student=right)
        else:
            found[number] = entry
    return found


def _listing(entry: roster.RosterEntry) -> Listing:
    return Listing(entry.student, entry.columns, entry.extra, entry.flow, entry.aliases, entry.digest)
