"""What a source's answer would change: read the marks, decide in full, say whether the guard lets it go."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Cell, Fingerprint, Proof, ProofKind, Snapshot, SourceGarbled, SourceUnavailable
from status_db.guard_reasons import Objection
from status_db.ledger.seals import Seals
from status_db.marks.apply import Ending, Lease, Pull, Writes
from status_db.marks.current import Person, SourceState, Stored
from status_db.marks.expected_changes import expected
from status_db.marks.reversals import Replaced
from status_db.marks.settings import SettingsMarks
from status_db.model import CLEAR, ROSTER, Flip, Verdict, digest_of, is_ahead, normalise_number
from sync import rules
from sync.plan import guard_history
from sync.plan.base import others_of
from sync.plan.matching import resolve
from sync.plan.sample import about_nobody
from sync.plan.snapshot_codec import Kept, WayBack, kept_of
from sync.rule import guard, quality, reconcile, roster
from sync.rule.moved import with_moved
from sync.rule.quality import Quality
from sync.rule.records import Rows, SourceRule
from sync.rule.row_keys import keyed

#: So many rows are digested at once.
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class SourceProposal:
    """A source's answer, planned."""

    plan: reconcile.Plan
    reasons: tuple[Objection, ...]
    pull: Pull
    snapshot: Snapshot
    known: frozenset[Cell]
    #: What no row of the source means.
    absent: Verdict
    #: How good its rows are; None where nothing is said about the whole.
    quality: Quality | None = None
    #: Whom the guard's sums will count.
    counted: guard.Counted = guard.NOBODY
    #: Figures besides, for the run.
    besides: Mapping[str, int] = field(default_factory=dict)

    @property
    def clears(self) -> bool:
        """Whether it makes anything clear that was not."""
        return self.plan.clears > 0

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What counts before and after."""
        return self.plan.flips

    @property
    def counts(self) -> Mapping[str, Any]:
        """Figures for the run."""
        plan = self.plan
        return {
            "rows": plan.rows,
            "roster_rows": plan.roster_rows,
            "strangers": plan.stranger_count,
            "staying": plan.staying,
            "no_amount": self.quality.no_amount if self.quality else 0,
            "nameless": plan.nameless,
            "records": len(plan.changes),
            "released": plan.count(Verdict.HELD, Verdict.CLEARED) + plan.count(Verdict.HELD, Verdict.EXEMPT),
            "newly_held": plan.count(Verdict.CLEARED, Verdict.HELD) + plan.count(Verdict.EXEMPT, Verdict.HELD),
            "newly_unknown": self.counted.unknown,
            "counted_cleared": self.counted.cleared,
            "counted_held": self.counted.held,
            "flips": len(plan.flips),
            **self.besides,
        }

    def kept(self) -> Snapshot:
        """Return the snapshot without the unmatched rows, and with what is shown of these."""
        if isinstance(self.snapshot, WayBack):
            return self.snapshot
        rows = [row for row in self.snapshot.rows if row[0] in self.known]
        plan = self.plan
        return kept_of(self.snapshot, rows, unmatched_of(plan), plan.stranger_count, self.quality)

    def apply(self, marks: SettingsMarks, lease: Lease, ending: Ending, *, approved: bool) -> None:
        """Write it whole."""
        plan = self.plan
        moves: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
        for change in plan.changes:
            if change.concerned:
                if change.before is not None:
                    moves[change.before.verdict] -= 1
                if change.after is not None:
                    moves[change.after.verdict] += 1
        writes = Writes(
            base=plan.base,
            step=plan.step,
            records=[c.after for c in plan.changes if c.after is not None] + list(plan.respelled),
            removed=[c.student for c in plan.changes if c.after is None],
            findings=plan.findings,
            flips=plan.flips,
            moves=moves,
            replaced=[_replaced(change) for change in plan.changes] if approved else (),
        )
        marks.apply(lease, writes, self.pull, ending, approved=approved)


def _replaced(change: reconcile.Change) -> Replaced:
    cleared = change.concerned and change.verdict_before not in CLEAR and change.verdict_after in CLEAR
    return Replaced(change.student, change.before, change.after.digest if change.after else b"", cleared)


def unmatched_of(plan: reconcile.Plan) -> list[tuple[str, str, str]]:
    """Return the unmatched rows that a plan lists: key, match hint, and whom it may mean; in key order."""
    return sorted((s.key, s.near, s.student) for s in plan.strangers)


def propose_source(
    connection: Connection,
    settings: Settings,
    cohort: str,
    name: str,
    snapshot: Snapshot,
    student: str | None = None,
    clock: datetime | None = None,
    seals: Callable[[], Seals] | None = None,
) -> SourceProposal:
    """Plan a source's answer on the marks as they stand in this read; about one `student` only, for a recheck.

    `clock` is what time it is, which may be long after the answer was read: what is stored ahead of it gives way. With
    `seals`, an announced change that is not as it was sealed raises no limit.

    Raises SourceGarbled when the answer cannot be about this roster, SourceUnavailable when it was asked about another
    revision of it.
    """
    rule, source, now = rules.source_rule(settings, name), settings.source[name], snapshot.ended
    stored = Stored(connection, cohort, settings.open_beside(cohort))
    state, listed, where = stored.source(name), stored.source(ROSTER).revision, rules.location(source)
    if student is None and snapshot.candidates not in (None, listed):
        # Nobody would have been asked about who has joined since, nor by a number that was given since.
        raise SourceUnavailable(
            f"{name} was asked about the students of a roster that has changed since",
            f"Ask it again: clearance sync {name}. The next slot does, too.",
        )
    rosters = stored.roster_revisions()
    fingerprint = _fingerprint(rule, rosters, snapshot) if student is None else None
    told = _told(rule, where, rosters, snapshot.fingerprint)
    if fingerprint is not None and fingerprint == state.fingerprint and not snapshot.unsettled:
        pull = _pull_of_the_same(stored, settings, rule, state, snapshot.began, snapshot.ended, clock)
        proven = _proven(snapshot, rule, where)
        pull = replace(
            pull, told=told, compared_at=snapshot.began, location=where, one_proven=proven, as_of=snapshot.as_of
        )
        return _the_same(cohort, stored, state, rule, snapshot, pull)
    digests = stored.digests(name) if student is None else stored.digest_of(name, student)
    snapshot, groups = keyed(rule, snapshot)
    resolved = resolve(stored, snapshot.fields, groups, digests, own_numbers=rule.own_numbers)
    if student is not None:
        groups = _only(student, groups, digests, resolved)
    outside = _outside(stored, rule, snapshot, student)
    # What was said before a student joined, as by an answer that waited for approval, says nothing about them.
    asked_later = stored.asked_later(name, snapshot.began, clock) if student is None else frozenset()
    later = asked_later | stored.joined_later(snapshot.began)
    unsettled = _students_of(stored, snapshot.unsettled, student) - later
    answer = reconcile.compare(rule, groups, digests, resolved, outside, later)
    if "reference" in snapshot.fields and (answer.unmatched or student is not None):
        said = stored.records([name], [s for s in (*answer.changed, *answer.vanished) if s in digests])
        before = {who: record for (_, who), record in said.items()}
        answer = with_moved(rule, snapshot.fields, groups, answer, resolved, before, whole=student is None)
    if (
        student is None
        and not rule.is_known_as(state.settings_digest)
        and _about_nobody(stored, snapshot, answer, resolved)
    ):
        if not stored.headcount(rules.flows_with(settings, rule.step)):
            raise SourceGarbled(
                f"{name} brought {answer.rows} rows, and nobody is on the roster whom they could be about",
                "Sync the roster first: clearance sync roster",
            )
        raise about_nobody(name, answer.rows)
    # Other settings may find another word for somebody about whom the source says what it always said, or nothing.
    everybody = student is None and state.settings_digest not in (None, rule.digest)
    named = [*answer.changed, *answer.vanished, *unsettled]
    found = _touched(stored, settings, rule.step, named, now, everybody=everybody)
    touched = [person for person in found if student in (None, person.student)]
    others = others_of(stored, settings, rule.step, name, stored.meaning())
    plan = reconcile.plan(
        cohort,
        stored.revision(),
        state.revision,
        rule,
        snapshot,
        answer,
        touched,
        stored.records([name, *others], [p.student for p in touched] + named) if named or touched else {},
        others,
        state.began,
        unsettled,
    )
    measured: Quality | None = None
    branches = guard_history.NO_BRANCHES
    if isinstance(snapshot, Kept):
        plan, measured = _with_what_was_kept(plan, snapshot), snapshot.quality
    elif student is None:
        near, people = guard_history.hinted(groups, digests, resolved), guard_history.whose(groups, digests, resolved)
        branches = guard_history.at_branches(stored, rule, state, snapshot, people, plan)
        measured = quality.quality_of(rule, snapshot.fields, snapshot.rows, near, answer.roster_rows, branches.after)
    strangers = unmatched_of(plan)
    pull = Pull(
        began=snapshot.began,
        ended=snapshot.ended,
        fresh_for=rules.fresh_for(settings, source),
        settings_digest=rule.digest,
        fingerprint=fingerprint if not (later or unsettled) else None,
        told=told if not (later or unsettled) else None,
        compared_at=snapshot.began,
        roster_rows=plan.roster_rows if student is None else None,
        strangers=strangers if student is None and strangers != stored.strangers(name) else None,
        stranger_count=plan.stranger_count,
        source_base=state.revision,
        asked_later=asked_later,
        location=where,
        one_proven=_proven(snapshot, rule, where),
        quality=quality.to_json(measured) if measured else None,
        judged_at=clock,
        as_of=snapshot.as_of,
    )
    reasons: tuple[Objection, ...] = ()
    counted = guard.NOBODY
    if plan.changes or plan.findings:
        waves = expected(connection, cohort, name, now, seals)
        history = guard_history.history(stored, waves, settings, rule, state, snapshot, clock)
        limits = rules.limits(source)
        if student is None:
            found_groups = guard_history.groups(stored, rule, limits, plan, history.held, branches)
            history = replace(history, groups=found_groups)
        else:
            # One student's rows say nothing about how many there are in all.
            history = guard_history.without_rows(history)
        reasons = guard.judge(
            plan, rule.means, limits, history, first_applies=source.first == "apply", quality=measured
        )
        counted = guard.count(plan, rule.means, history)
    elif state.settings_digest is None and source.first != "apply":
        # An answer with nothing to look at, before the roster or while another source waits, is not the first one:
        # it leaves nothing behind on which somebody could be cleared later.
        pull = replace(pull, roster_rows=None)
    known = frozenset(k for k in groups if k in digests or _is_known(k, digests, resolved, answer.moved_to))
    return SourceProposal(plan, reasons, pull, snapshot, known, rule.absent, measured, counted)


def _about_nobody(stored: Stored, snapshot: Snapshot, answer: reconcile.Answer, resolved: reconcile.Resolved) -> bool:
    """Say whether an answer has rows, and neither a row nor its population is about anybody on the roster."""
    if not answer.rows or answer.roster_rows or answer.staying:
        return False
    if any(row[0] is not None and normalise_number(row[0]) in resolved.doubtful for row in snapshot.rows):
        return False
    numbers = {normalise_number(cell) for cell in snapshot.population or () if cell is not None}
    return not (stored.listed(numbers) or stored.owners(numbers))


def _with_what_was_kept(plan: reconcile.Plan, kept: Kept) -> reconcile.Plan:
    """Return the plan of a kept answer with the unmatched rows of the whole one: these were not kept themselves."""
    found = {key: reconcile.Stranger(key, hint, student) for key, hint, student in kept.unmatched}
    found |= {one.key: one for one in plan.strangers}
    return replace(plan, strangers=tuple(found.values()), stranger_count=kept.unmatched_count)


def _fingerprint(rule: SourceRule, rosters: str, snapshot: Snapshot) -> bytes:
    """Digest an answer as it came, with all that decides what it means: the settings, the roster and its aliases.

    It is taken over the rows themselves, after their proofs. Rows in another order give another one, and are compared.
    """
    rows = snapshot.rows
    parts = [rule.digest, rosters.encode(), repr(snapshot.fields).encode()]
    parts += [_digest_of_text(repr(rows[start : start + _AT_ONCE])) for start in range(0, len(rows), _AT_ONCE)]
    if snapshot.population is not None:
        parts.append(_digest_of_text(repr(snapshot.population)))
    return digest_of(parts)


def _digest_of_text(text: str) -> bytes:
    return digest_of([text.encode("utf-8", "surrogatepass")])


def _told(rule: SourceRule, where: bytes, rosters: str, fingerprint: bytes | None) -> bytes | None:
    """Digest what a source tells of its answer, with where it was asked and all that decides what it means."""
    if fingerprint is None:
        return None
    return digest_of([rule.digest, where, rosters.encode(), fingerprint])


def question_of(rule: SourceRule, where: bytes) -> bytes:
    """Digest what is asked, and where: asking about one student is proven for one question only."""
    return digest_of([rule.digest, where])


def _proven(snapshot: Snapshot, rule: SourceRule, where: bytes) -> bytes | None:
    shown = any(proof.kind is ProofKind.ONE_AGREES for proof in snapshot.proofs)
    return question_of(rule, where) if shown else None


def _students_of(stored: Stored, cells: Iterable[Cell], student: str | None) -> frozenset[str]:
    """Return the roster students whose numbers, own or other, these are."""
    numbers = {normalise_number(cell) for cell in cells if cell is not None}
    if not numbers:
        return frozenset()
    found = stored.leaving(numbers) | {owner for owners in stored.owners(numbers).values() for owner in owners}
    return frozenset(found) if student is None else frozenset(found) & {student}


def propose_untouched(
    connection: Connection, settings: Settings, cohort: str, name: str, fingerprint: Fingerprint, now: datetime
) -> SourceProposal | None:
    """Propose nothing, where a source tells that its answer is the one that the stored records came from.

    None where it must be read: it tells another, nothing to compare with is stored, the settings, the roster or an
    alias have changed, somebody was asked about since, or it was last read whole too long ago.
    """
    rule, stored = rules.source_rule(settings, name), Stored(connection, cohort, settings.open_beside(cohort))
    state = stored.source(name)
    where = rules.location(settings.source[name])
    told = _told(rule, where, stored.roster_revisions(), fingerprint.value)
    full_every = settings.source[name].full_every
    if told != state.told or state.compared_at is None:
        return None
    if fingerprint.began >= state.compared_at + full_every or is_ahead(state.compared_at, now):
        return None
    proof = Proof(ProofKind.FINGERPRINT_SAME, fingerprint.detail)
    snapshot = Snapshot((), (), fingerprint.began, now, (proof,))
    pull = replace(_pull_of_the_same(stored, settings, rule, state, fingerprint.began, now, now), told=told)
    return _the_same(cohort, stored, state, rule, snapshot, pull)


def _pull_of_the_same(
    stored: Stored,
    settings: Settings,
    rule: SourceRule,
    state: SourceState,
    began: datetime,
    ended: datetime,
    clock: datetime | None,
) -> Pull:
    return Pull(
        began=began,
        ended=ended,
        fresh_for=rules.fresh_for(settings, settings.source[rule.source]),
        settings_digest=rule.digest,
        fingerprint=state.fingerprint,
        told=None,
        compared_at=None,
        roster_rows=state.recent_rows[-1],
        stranger_count=state.strangers,
        source_base=state.revision,
        asked_later=stored.asked_later(rule.source, began, clock),
        judged_at=clock,
    )


def _the_same(
    cohort: str, stored: Stored, state: SourceState, rule: SourceRule, snapshot: Snapshot, pull: Pull
) -> SourceProposal:
    """Propose nothing, for the very answer that the stored records came from."""
    plan = reconcile.Plan(
        cohort=cohort,
        source=rule.source,
        step=rule.step,
        base=stored.revision(),
        source_base=state.revision,
        changes=(),
        respelled=(),
        findings=(),
        flips=(),
        strangers=(),
        stranger_count=state.strangers,
        staying=0,
        rows=len(snapshot.rows),
        roster_rows=state.recent_rows[-1],
        nameless=0,
    )
    return SourceProposal(plan, (), pull, snapshot, frozenset(), rule.absent)


def _is_known(key: Cell, digests: Mapping[str, bytes], resolved: reconcile.Resolved, moved_to: frozenset[str]) -> bool:
    number = "" if key is None else normalise_number(key)
    # Under an unmatched key may be what a student owes: without those rows an approval would clear the student.
    return number in digests or number in resolved.students or number in resolved.doubtful or number in moved_to


def _only(
    student: str, groups: Mapping[Cell, Rows], digests: Mapping[str, bytes], resolved: reconcile.Resolved
) -> dict[Cell, Rows]:
    """Keep the rows that mean this student, or may: an office may answer with more than it was asked."""
    kept: dict[Cell, Rows] = {}
    for key, rows in groups.items():
        number = "" if key is None else normalise_number(key)
        whom = [number] if number in digests else [resolved.students.get(number, "")]
        if student in (whom if number not in resolved.doubtful else resolved.doubtful[number][0]):
            kept[key] = rows
    return kept


def _outside(stored: Stored, rule: SourceRule, snapshot: Snapshot, student: str | None) -> frozenset[str]:
    """Return the roster students whom a source with a population does not know.

    A number that may be one student's own or another's card shows of neither that the source knows them.
    """
    if snapshot.population is None:
        return frozenset()
    known = {normalise_number(cell) for cell in snapshot.population if cell is not None}
    if rule.own_numbers:
        return stored.with_step(rule.step, student) - known
    known -= stored.contested().keys()
    everybody = stored.with_step(rule.step, student)
    owners = stored.owners(known - everybody)
    return everybody - known - {owner for listed in owners.values() if len(listed) == 1 for owner in listed}


def _touched(
    stored: Stored, settings: Settings, step: str, students: Collection[str], now: datetime, *, everybody: bool
) -> list[reconcile.Touched]:
    named = stored.with_step(step) if everybody else students
    return touched_people(stored, settings, step, named, now)


def touched_people(
    stored: Stored, settings: Settings, step: str, named: Collection[str], now: datetime
) -> list[reconcile.Touched]:
    """Return the named students who have the step, and everybody for whom it has not been asked about yet."""
    conditions = rules.exemptions(settings, step)
    columns = (*roster.COLUMNS, "extra") if conditions else ()
    people = stored.people(step, named, columns, now)
    return [
        reconcile.Touched(
            p.student,
            p.joined_at,
            bool(conditions) and roster.exempt(conditions, _particulars(p)),
            p.finding,
            p.decided,
        )
        for p in people
    ]


def _particulars(person: Person) -> dict[str, str]:
    return dict(zip(roster.COLUMNS, person.columns, strict=False)) | dict(person.columns[-1])
