"""The impact of a suspended run: the cause, the students it would move by college, and whom to check at the office.

The kept answer is planned again on the current marks, exactly as an approval plans it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

from status_db.marks.current import CurrentState
from status_db.marks.impact import Impact, ImpactPerson, Unmatched, VerdictChange
from status_db.model import ROSTER, Verdict, digest_of
from sync.plan.base import Proposal
from sync.plan.roster import RosterProposal
from sync.plan.settings import SettingsProposal
from sync.plan.source import SourceProposal
from sync.rule.reconcile import Change

#: How many held and how many cleared students are checked at the office, spread over the colleges.
SPOT_CHECKS = 10

#: How many changes are shown.
_SAMPLE = 12


def impact_of(stored: CurrentState, run: int, proposal: Proposal) -> Impact:
    """Return the impact of a proposal, in the read that it was made in."""
    match proposal:
        case SourceProposal():
            return _source_impact(stored, run, proposal)
        case SettingsProposal():
            return proposal.impact()
        case RosterProposal():
            return _roster_impact(proposal)
        case _:
            raise TypeError(f"a {type(proposal).__name__} has no impact")


def _source_impact(stored: CurrentState, run: int, proposal: SourceProposal) -> Impact:
    plan = proposal.plan
    concerned = {change.student: change for change in plan.changes if change.concerned}
    with_step = stored.with_step(plan.step)
    silent = with_step - concerned.keys() - stored.digests(plan.source).keys()
    held = _spread(run, stored, [s for s, c in concerned.items() if c.verdict_after is Verdict.HELD])
    cleared = _spread(run, stored, [s for s, c in concerned.items() if c.verdict_after is Verdict.CLEARED])
    if not cleared and proposal.absent is Verdict.CLEARED:
        # Students that owe nothing have no row. The missing row clears them, and some of them are checked too.
        cleared = _spread(run, stored, silent)
    sample = sorted(concerned.values(), key=lambda c: (c.verdict_before is c.verdict_after, c.student))[:_SAMPLE]
    people = stored.described({*concerned, *held, *cleared})
    colleges = Counter(
        (people[s][1] if s in people else "", c.verdict_before, c.verdict_after) for s, c in concerned.items()
    )
    moved = (
        VerdictChange(college, before, after, count) for (college, before, after), count in sorted(colleges.items())
    )
    return Impact(
        plan.source,
        proposal.reasons,
        tuple(m for m in moved if m.before is not m.after),
        tuple(_impact_person(people, change.student, change, proposal.absent) for change in sample),
        tuple(
            _impact_person(people, student, concerned.get(student), proposal.absent) for student in (*held, *cleared)
        ),
        unmatched=tuple(
            Unmatched(s.key, s.near, s.student) for s in sorted(plan.unmatched_keys, key=lambda s: (not s.near, s.key))
        ),
        unmatched_count=plan.unmatched_key_count,
    )


def _roster_impact(proposal: RosterProposal) -> Impact:
    plan = proposal.plan
    colleges = Counter(entry.columns[2] for entry in plan.joined)
    moved = tuple(
        VerdictChange(college, Verdict.EXEMPT, Verdict.UNKNOWN, count) for college, count in sorted(colleges.items())
    )
    return Impact(ROSTER, proposal.reasons, moved, (), ())


def _spread(run: int, stored: CurrentState, students: Collection[str]) -> list[str]:
    """Choose some, one college after the other; the choice of a run is stable, and cannot be predicted."""
    mixed = sorted(students, key=lambda student: digest_of([str(run).encode(), student.encode()]))
    # With fewer, a college with one student in a hundred would be missed.
    people = stored.described(mixed[: 100 * SPOT_CHECKS])
    by_college: dict[str, list[str]] = {}
    for student in mixed:
        if student in people:
            by_college.setdefault(people[student][1], []).append(student)
    rounds: Iterable[Sequence[str | None]] = zip_longest(*by_college.values())
    return [student for each in rounds for student in each if student is not None][:SPOT_CHECKS]


def _impact_person(
    people: Mapping[str, tuple[str, str, str]], student: str, change: Change | None, absent: Verdict
) -> ImpactPerson:
    name, college, class_name = people.get(student, ("", "", ""))
    if change is None:
        return ImpactPerson(student, name, college, class_name, Verdict.UNKNOWN, absent, ())
    evidence = change.after or change.before
    return ImpactPerson(
        student,
        name,
        college,
        class_name,
        change.verdict_before,
        change.verdict_after,
        evidence.obligations if evidence else (),
    )
