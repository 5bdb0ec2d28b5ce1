"""The way back from a wrongly approved run: what it replaced is put back, as far as nothing has spoken since."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from config.settings import Settings
from status_db.guard_reasons import Objection
from status_db.ledger.seals import Seals
from status_db.marks.apply import Pull
from status_db.marks.current import Stored
from status_db.marks.expected_changes import expected
from status_db.marks.reversals import Reversal
from status_db.model import Record
from sync import rules
from sync.plan import guard_history
from sync.plan.base import others_of
from sync.plan.snapshot_codec import WayBack
from sync.plan.source import SourceProposal, touched_people
from sync.rule import guard, reconcile

_NO_ANSWER = reconcile.Answer({}, frozenset(), (), 0, 0, 0, 0, 0)


def propose_way_back(
    connection: Connection,
    settings: Settings,
    cohort: str,
    name: str,
    snapshot: WayBack,
    reversal: Reversal,
    seals: Callable[[], Seals] | None = None,
) -> SourceProposal:
    """Plan to put back the records that an approved run replaced.

    With `seals`, an announced change that is not as it was sealed raises no limit.

    A record that has changed since was spoken of by a later answer, and is left alone. So is a student who has left
    the roster, or joined again.
    """
    rule, stored = rules.source_rule(settings, name), Stored(connection, cohort)
    state, digests = stored.source(name), stored.digests(name)
    untouched = {r.student: r.before for r in reversal.replaced if digests.get(r.student, b"") == r.after}
    people = touched_people(stored, settings, rule.step, list(untouched), snapshot.ended)
    known = {p.student for p in people if p.student in untouched and p.joined_at <= reversal.at}
    back: Mapping[str, Record | None] = {student: before for student, before in untouched.items() if student in known}
    others = others_of(stored, settings, rule.step, name, stored.meaning())
    began = state.began or snapshot.began
    plan = reconcile.plan_records(
        cohort,
        stored.revision(),
        state.revision,
        rule,
        began,
        _NO_ANSWER,
        [person for person in people if person.student in back],
        back,
        stored.records([name, *others], list(back)),
        others,
        state.began,
    )
    pull = Pull(
        began=began,
        ended=snapshot.ended,
        fresh_for=rules.fresh_for(settings, settings.source[name]),
        settings_digest=rule.digest,
        fingerprint=None,
        told=None,
        compared_at=None,
        roster_rows=None,
        source_base=state.revision,
        asked_later=stored.asked_later(name, began),
    )
    reasons, counted = _judged(connection, settings, cohort, name, snapshot, plan, seals)
    left = len(reversal.replaced) - len(back)
    return SourceProposal(
        plan,
        reasons,
        pull,
        snapshot,
        frozenset(),
        rule.absent,
        None,
        counted,
        {"reverts": reversal.run, "left_alone": left},
    )


def _judged(
    connection: Connection,
    settings: Settings,
    cohort: str,
    name: str,
    snapshot: WayBack,
    plan: reconcile.Plan,
    seals: Callable[[], Seals] | None,
) -> tuple[tuple[Objection, ...], guard.Counted]:
    """Judge the moves as of any run: who is held again, and who is released again. Rows there are none."""
    rule, stored = rules.source_rule(settings, name), Stored(connection, cohort)
    waves = expected(connection, cohort, name, snapshot.ended, seals)
    known = guard_history.history(stored, waves, settings, rule, stored.source(name), snapshot)
    limits = rules.limits(settings.source[name])
    groups = guard_history.groups(stored, rule, limits, plan, known.held, guard_history.NO_BRANCHES)
    history = guard_history.without_rows(known, groups)
    return guard.judge(plan, rule.means, limits, history, first_applies=False), guard.count(plan, rule.means, history)
