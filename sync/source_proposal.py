"""What a source's answer would change: read the marks, decide in full, say whether the guard lets it go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Cell, Fingerprint, Proof, ProofKind, Snapshot, SourceGarbled, SourceUnavailable
from status_db.marks import Ending, Lease, Pull, Writes
from status_db.model import ROSTER, Flip, Means, Verdict, digest_of, normalise_number
from status_db.objections import Objection
from status_db.roster_marks import RosterMarks
from status_db.stored import Person, SourceState, Stored
from status_db.waves import Wave, expected
from sync import guard, reconcile, roster, rules
from sync.proposal import others_of
from sync.resolve import resolve
from sync.rows import Rows, SourceRule, group

#: From so many rows on, an answer in which nobody is on the roster means that the wrong column is mapped.
_TELLING = 20

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
    #: Rows of a balance without an amount, which count as nought.
    no_amount: int = 0
    #: Whom the guard's sums will count.
    counted: guard.Counted = guard.NOBODY

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
            "no_amount": self.no_amount,
            "nameless": plan.nameless,
            "records": len(plan.changes),
            "released": plan.count(Verdict.HELD, Verdict.CLEARED) + plan.count(Verdict.HELD, Verdict.EXEMPT),
            "newly_held": plan.count(Verdict.CLEARED, Verdict.HELD) + plan.count(Verdict.EXEMPT, Verdict.HELD),
            "newly_unknown": self.counted.unknown,
            "counted_cleared": self.counted.cleared,
            "counted_held": self.counted.held,
            "flips": len(plan.flips),
        }

    def kept(self) -> Snapshot:
        """Return the snapshot without the rows about strangers."""
        rows = [row for row in self.snapshot.rows if row[0] in self.known]
        return replace(self.snapshot, rows=rows, places=None)

    def apply(self, marks: RosterMarks, lease: Lease, ending: Ending, *, approved: bool) -> None:
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
        )
        marks.apply(lease, writes, self.pull, ending, approved=approved)


def propose_source(
    connection: Connection, settings: Settings, cohort: str, name: str, snapshot: Snapshot, student: str | None = None
) -> SourceProposal:
    """Plan a source's answer on the marks as they stand in this read; about one `student` only, for a recheck.

    Raises SourceGarbled when the answer cannot be about this roster, SourceUnavailable when it was asked about another
    revision of it.
    """
    rule, source, now = rules.source_rule(settings, name), settings.source[name], snapshot.ended
    stored = Stored(connection, cohort)
    state, listed = stored.source(name), stored.source(ROSTER).revision
    if student is None and snapshot.candidates not in (None, listed):
        # Nobody would have been asked about who has joined since, nor by a number that was given since.
        raise SourceUnavailable(
            f"{name} was asked about the students of a roster that has changed since",
            f"Ask it again: clearance sync {name}. The next slot does, too.",
        )
    fingerprint = _fingerprint(rule, listed, snapshot) if student is None else None
    told = _told(rule, listed, snapshot.fingerprint)
    if fingerprint is not None and fingerprint == state.fingerprint:
        pull = _pull_of_the_same(stored, settings, rule, state, snapshot.began, snapshot.ended)
        pull = replace(pull, told=told, compared_at=snapshot.began, as_of=snapshot.as_of)
        return _the_same(cohort, stored, state, rule, snapshot, pull)
    digests = stored.digests(name) if student is None else stored.digest_of(name, student)
    groups = group(snapshot)
    resolved = resolve(stored, snapshot.fields, groups, digests)
    if student is not None:
        groups = _only(student, groups, digests, resolved)
    outside = _outside(stored, rule.step, snapshot, student)
    # What was said before a student joined, as by an answer that waited for approval, says nothing about them.
    asked_later = stored.asked_later(name, snapshot.began) if student is None else frozenset()
    later = asked_later | stored.joined_later(snapshot.began)
    answer = reconcile.compare(rule, groups, digests, resolved, outside, later)
    about_nobody = not (answer.roster_rows or answer.staying or resolved.doubtful)
    if student is None and answer.rows >= _TELLING and about_nobody:
        if not stored.headcount(rules.flows_with(settings, rule.step)):
            raise SourceGarbled(
                f"{name} brought {answer.rows} rows, and nobody is on the roster whom they could be about",
                "Sync the roster first: clearance sync roster",
            )
        raise SourceGarbled(
            f"{name} brought {answer.rows} rows, and not one is about anybody on the roster",
            f"Look at columns.student in [source.{name}]: it must name the column with the student numbers.",
        )
    # Other settings may find another word for somebody about whom the source says what it always said, or nothing.
    everybody = student is None and state.settings_digest not in (None, rule.digest)
    found = _touched(stored, settings, rule.step, answer, now, everybody=everybody)
    touched = [person for person in found if student in (None, person.student)]
    others = others_of(stored, settings, rule.step, name)
    plan = reconcile.plan(
        cohort,
        stored.revision(),
        state.revision,
        rule,
        snapshot,
        answer,
        touched,
        stored.records([name, *others], [p.student for p in touched] + list(answer.changed) + list(answer.vanished))
        if answer.changed or touched
        else {},
        others,
        state.began,
    )
    strangers = sorted((s.key, s.near, s.student) for s in plan.strangers)
    pull = Pull(
        began=snapshot.began,
        ended=snapshot.ended,
        fresh_for=rules.fresh_for(settings, source),
        settings_digest=rule.digest,
        fingerprint=fingerprint if not later else None,
        told=told if not later else None,
        compared_at=snapshot.began,
        roster_rows=plan.roster_rows if student is None else None,
        strangers=strangers if student is None and strangers != stored.strangers(name) else None,
        stranger_count=plan.stranger_count,
        source_base=state.revision,
        asked_later=asked_later,
        as_of=snapshot.as_of,
    )
    reasons: tuple[Objection, ...] = ()
    counted = guard.NOBODY
    if plan.changes or plan.findings:
        history = _history(stored, expected(connection, cohort, name, now), settings, name, state, rule.digest, now)
        if student is not None:
            # One student's rows say nothing about how many there are in all.
            history = replace(history, recent_rows=())
        limits = rules.limits(source)
        reasons = guard.judge(plan, rule.means, limits, history, first_applies=source.first == "apply")
        counted = guard.count(plan, rule.means, history)
    elif state.settings_digest is None and source.first != "apply":
        # An answer with nothing to look at, before the roster or while another source waits, is not the first one:
        # it leaves nothing behind on which somebody could be cleared later.
        pull = replace(pull, roster_rows=None)
    known = frozenset(k for k in groups if k in digests or _is_known(k, digests, resolved))
    return SourceProposal(plan, reasons, pull, snapshot, known, rule.absent, _without_amount(rule, snapshot), counted)


def _without_amount(rule: SourceRule, snapshot: Snapshot) -> int:
    if rule.means is not Means.BALANCE:
        return 0
    at = snapshot.fields.index("amount")
    return sum(1 for row in snapshot.rows if row[at] is None or row[at] == "")


def _fingerprint(rule: SourceRule, roster_revision: int, snapshot: Snapshot) -> bytes:
    """Digest an answer as it came, with all that decides what it means: the settings, the roster and its aliases.

    It is taken over the rows themselves, after their proofs. Rows in another order give another one, and are compared.
    """
    rows = snapshot.rows
    parts = [rule.digest, str(roster_revision).encode(), repr(snapshot.fields).encode()]
    parts += [_digest_of_text(repr(rows[start : start + _AT_ONCE])) for start in range(0, len(rows), _AT_ONCE)]
    if snapshot.population is not None:
        parts.append(_digest_of_text(repr(snapshot.population)))
    return digest_of(parts)


def _digest_of_text(text: str) -> bytes:
    return digest_of([text.encode("utf-8", "surrogatepass")])


def _told(rule: SourceRule, roster_revision: int, fingerprint: bytes | None) -> bytes | None:
    """Digest what a source tells of its answer, with all that decides what it means."""
    if fingerprint is None:
        return None
    return digest_of([rule.digest, str(roster_revision).encode(), fingerprint])


def propose_untouched(
    connection: Connection, settings: Settings, cohort: str, name: str, fingerprint: Fingerprint, now: datetime
) -> SourceProposal | None:
    """Propose nothing, where a source tells that its answer is the one that the stored records came from.

    None where it must be read: it tells another, nothing to compare with is stored, the settings, the roster or an
    alias have changed, somebody was asked about since, or it was last read whole too long ago.
    """
    rule, stored = rules.source_rule(settings, name), Stored(connection, cohort)
    state = stored.source(name)
    told = _told(rule, stored.source(ROSTER).revision, fingerprint.value)
    full_every = settings.source[name].full_every
    if told != state.told or state.compared_at is None:
        return None
    if fingerprint.began >= state.compared_at + full_every:
        return None
    proof = Proof(ProofKind.FINGERPRINT_SAME, fingerprint.detail)
    snapshot = Snapshot((), (), fingerprint.began, now, (proof,))
    pull = replace(_pull_of_the_same(stored, settings, rule, state, fingerprint.began, now), told=told)
    return _the_same(cohort, stored, state, rule, snapshot, pull)


def _pull_of_the_same(
    stored: Stored, settings: Settings, rule: SourceRule, state: SourceState, began: datetime, ended: datetime
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
        asked_later=stored.asked_later(rule.source, began),
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


def _is_known(key: Cell, digests: Mapping[str, bytes], resolved: reconcile.Resolved) -> bool:
    number = "" if key is None else normalise_number(key)
    return number in digests or number in resolved.students or number in resolved.doubtful


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


def _outside(stored: Stored, step: str, snapshot: Snapshot, student: str | None) -> frozenset[str]:
    """Return the roster students whom a source with a population does not know."""
    if snapshot.population is None:
        return frozenset()
    known = {normalise_number(cell) for cell in snapshot.population if cell is not None}
    everybody = stored.with_step(step, student)
    owners = stored.owners(known - everybody)
    return everybody - known - {owner for listed in owners.values() if len(listed) == 1 for owner in listed}


def _touched(
    stored: Stored, settings: Settings, step: str, answer: reconcile.Answer, now: datetime, *, everybody: bool
) -> list[reconcile.Touched]:
    conditions = rules.exemptions(settings, step)
    columns = (*roster.COLUMNS, "extra") if conditions else ()
    named = stored.with_step(step) if everybody else [*answer.changed, *answer.vanished]
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


def _history(
    stored: Stored,
    waves: Iterable[Wave],
    settings: Settings,
    name: str,
    state: SourceState,
    digest: bytes,
    now: datetime,
) -> guard.History:
    announced = {
        wave.towards: guard.Announced(wave.most, stored.announced_since(name, wave.at)[wave.towards]) for wave in waves
    }
    since = now - timedelta(hours=24)
    if state.approved_at is not None:
        since = max(since, state.approved_at)
    moved = stored.counted_since(name, since)
    standing = {Verdict.HELD: state.held, Verdict.CLEARED: state.done}
    absent = Verdict(settings.source[name].absent_means)
    if absent in standing:
        everybody = stored.headcount(rules.flows_with(settings, settings.source[name].step))
        standing[absent] += everybody - state.held - state.done - state.unknown - state.exempt
    return guard.History(
        recent_rows=state.recent_rows,
        held=standing[Verdict.HELD],
        cleared=standing[Verdict.CLEARED],
        exempt=state.exempt,
        lately=guard.Counted(moved[Verdict.CLEARED], moved[Verdict.HELD], moved[Verdict.UNKNOWN]),
        first=state.settings_digest is None,
        question_changed=state.settings_digest not in (None, digest),
        clearing=announced.get(Verdict.CLEARED, guard.NOTHING),
        holding=announced.get(Verdict.HELD, guard.NOTHING),
    )
