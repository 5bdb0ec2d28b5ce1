"""What the registrar's list would change: read the marks, decide in full, say whether the guard lets it go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Snapshot
from status_db.guard_reasons import Figures, Objection, ObjectionKind
from status_db.marks.apply import Ending, Lease, Pull
from status_db.marks.current import GROUPED_BY, Stored
from status_db.marks.roster import Listing, RosterWrites
from status_db.marks.settings import SettingsMarks
from status_db.model import CLEAR, ROSTER, Finding, Flip, StepKind, Verdict, is_ahead
from sync import rules
from sync.plan.base import others_of
from sync.rule import reconcile, roster
from sync.rule.guard import Group

#: What stands in the place of the digest in a database from before it was recorded.
_UNRECORDED = b"roster"


@dataclass(frozen=True, slots=True)
class RosterProposal:
    """The registrar's list, planned."""

    plan: roster.RosterPlan
    writes: RosterWrites
    reasons: tuple[Objection, ...]
    pull: Pull
    snapshot: Snapshot

    @property
    def clears(self) -> bool:
        """Say whether particulars alone would let anybody off."""
        return any(finding.verdict in CLEAR for _, _, finding in self.writes.findings)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What particulars alone would flip; what joining and leaving does is found when it is written."""
        return tuple(self.writes.flips)

    @property
    def counts(self) -> Mapping[str, Any]:
        """Figures for the run."""
        plan = self.plan
        return {
            "rows": plan.rows,
            "leaving": plan.leaving,
            "joined": len(plan.joined),
            "changed": len(plan.changed),
            "left": len(plan.left),
            "dropped": plan.dropped,
            "flips": len(self.writes.flips),
        }

    def kept(self) -> Snapshot:
        """Return the whole list."""
        return self.snapshot

    def apply(self, marks: SettingsMarks, lease: Lease, ending: Ending, *, approved: bool) -> None:
        """Write it whole."""
        marks.apply_roster(lease, self.writes, self.pull, ending, approved=approved)


def propose_roster(
    connection: Connection, settings: Settings, cohort: str, snapshot: Snapshot, clock: datetime | None = None
) -> RosterProposal:
    """Plan the registrar's list on the marks as they stand in this read. Raises SourceGarbled.

    Who is stored as having joined ahead of `clock`, what time it is, was listed under a wrong clock and joins now:
    otherwise no answer would count as given after that.
    """
    at = clock or snapshot.ended
    stored = Stored(connection, cohort)
    listed = _renumbered(roster.entries(rules.roster_rule(settings), snapshot), stored.renumbered())
    rows = stored.roster()
    known = {n: roster.Listed(row.digest, row.active, row.flow, is_ahead(row.joined_at, at)) for n, row in rows.items()}
    state = stored.source(ROSTER)
    plan = roster.plan(stored.revision(), state.revision, listed, known)
    active = sum(1 for entry in known.values() if entry.active and entry.flow)
    findings: list[tuple[str, str, Finding]] = []
    flips: list[Flip] = []
    if plan.changed:
        _reconsider(stored, settings, plan, snapshot.ended, findings, flips)
    let_off = {flip.student for flip in flips if flip.after is Verdict.EXEMPT and flip.before is not Verdict.CLEARED}
    dropped = [n for n, entry in known.items() if entry.active and entry.flow and not _leaves(listed.get(n))]
    groups: tuple[Group, ...] = ()
    if dropped and state.recent_rows:
        leaving = {
            n: {column: getattr(rows[n], column) for column in GROUPED_BY}
            for n, entry in known.items()
            if entry.active and entry.flow
        }
        groups = roster.groups_of(leaving, frozenset(dropped))
    limits = rules.limits(settings.roster)
    reasons = roster.judge(plan, limits, state.recent_rows, active, len(let_off), groups)
    digest, where = rules.roster_digest(settings), rules.location(settings.roster)
    reread = state.settings_digest not in (None, _UNRECORDED, digest) or state.location_digest not in (
        None,
        *rules.locations(settings.roster),
    )
    if reread and not plan.empty:
        moved = len(plan.joined) + len(plan.changed) + len(plan.left)
        figures: Figures = {"source": ROSTER, "records": moved, "findings": len(findings)}
        reasons = (*reasons, Objection(ObjectionKind.SETTINGS_CHANGED, figures))
    writes = RosterWrites(
        base=plan.base,
        joined=[_listing(entry) for entry in plan.joined],
        returning=[entry.student for entry in plan.joined if entry.student in known],
        changed=[_listing(entry) for entry in plan.changed],
        left=plan.left,
        flows=rules.steps_of_flows(settings),
        findings=findings,
        flips=flips,
    )
    pull = Pull(
        began=snapshot.began,
        ended=snapshot.ended,
        fresh_for=rules.fresh_for(settings, settings.roster),
        settings_digest=digest,
        fingerprint=None,
        told=None,
        compared_at=snapshot.began,
        roster_rows=plan.rows,
        location=where,
    )
    return RosterProposal(plan, writes, reasons, pull, snapshot)


def _leaves(entry: roster.Entry | None) -> bool:
    return entry is not None and entry.flow is not None


def _renumbered(listed: Mapping[str, roster.Entry], corrected: Mapping[str, str]) -> Mapping[str, roster.Entry]:
    """Return the list with corrected numbers, while the registrar's still has the old ones."""
    found: dict[str, roster.Entry] = {}
    for number, entry in listed.items():
        right = corrected.get(number, number)
        if right != number and right not in listed:
            found[right] = replace(entry, student=right)
        else:
            found[number] = entry
    return found


def _listing(entry: roster.Entry) -> Listing:
    return Listing(entry.student, entry.columns, entry.extra, entry.flow, entry.aliases, entry.digest)


def _reconsider(
    stored: Stored,
    settings: Settings,
    plan: roster.RosterPlan,
    now: datetime,
    findings: list[tuple[str, str, Finding]],
    flips: list[Flip],
) -> None:
    """Find again what depends on roster columns, for students whose particulars have changed."""
    particulars = {e.student: dict(zip(roster.COLUMNS, e.columns, strict=True)) | dict(e.extra) for e in plan.changed}
    synced = {
        step for steps in rules.steps_of_flows(settings).values() for step, kind in steps if kind is StepKind.SYNCED
    }
    meaning = stored.meaning()
    for step in sorted(synced):
        conditions = rules.exemptions(settings, step)
        if not conditions:
            continue
        sources = others_of(stored, settings, step, "", meaning)
        records = stored.records(list(sources), list(particulars))
        for person in stored.people(step, list(particulars), (), now):
            if person.student not in particulars:
                continue
            parts = [
                reconcile.Part(
                    records.get((name, person.student)),
                    source.absent,
                    roster.asked_since(source.began, person.joined_at),
                )
                for name, source in sources.items()
            ]
            exempt = roster.exempt(conditions, particulars[person.student])
            finding = reconcile.of_step(parts, exempt=exempt)
            touched = reconcile.Touched(person.student, person.joined_at, exempt, person.finding, person.decided)
            if (finding.verdict, finding.reason) != (person.finding.verdict, person.finding.reason):
                findings.append((person.student, step, finding))
                flip = reconcile.flip_between(touched, finding, step)
                flips += [flip] if flip else []
