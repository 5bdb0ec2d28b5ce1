"""A change of settings: gathered, planned and judged."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from config.meaning import Meaning, meaning_of
from config.settings import Settings
from connectors.port import Snapshot
from foundation.translation import N_, tr
from status_db.code_words import code_word
from status_db.guard_reasons import GuardReason, GuardReasonKind
from status_db.marks import applied_settings
from status_db.marks.current import CurrentState
from status_db.marks.impact import Impact, VerdictChange
from status_db.marks.placed import PlacedStudent, placed_students
from status_db.marks.runs import Lease, Pull, RunEnding
from status_db.marks.settings import SettingsMarks, SettingsWrites
from status_db.model import CLEAR, ROSTER, SETTINGS, Flip, Verdict
from status_db.stored_counts import RunCounts
from sync.plan import settings_plan
from sync.plan.base import Withholding
from sync.rule import roster


@dataclass(frozen=True, slots=True)
class SettingsProposal:
    """A change of settings, planned."""

    plan: settings_plan.SettingsPlan
    reasons: tuple[GuardReason, ...]
    snapshot: Snapshot
    #: Student → college, for the flips.
    colleges: Mapping[str, str]
    held: Withholding | None = None

    @property
    def clears(self) -> bool:
        """Return whether anything counts as clear that did not."""
        return any(flip.after in CLEAR and flip.before not in CLEAR for flip in self.plan.flips)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """What counts before and after."""
        return self.plan.flips

    @property
    def counts(self) -> RunCounts:
        """The counts of the run."""
        plan = self.plan
        return RunCounts(
            students=plan.students,
            steps_added=len(plan.added),
            steps_removed=len(plan.removed),
            findings=len(plan.findings),
            flows=len(plan.flows),
            unplaced=len(plan.unplaced),
            retired=len(plan.retired),
            flips=len(plan.flips),
        )

    @property
    def pull(self) -> Pull:
        """Return an empty pull: no source was asked."""
        now = self.snapshot.ended
        return Pull(now, now, timedelta(0), b"", None, None, None, None)

    def kept(self) -> Snapshot:
        """Return the snapshot to keep: the settings themselves are in their file."""
        return self.snapshot

    def apply(self, marks: SettingsMarks, lease: Lease, ending: RunEnding, *, approved: bool) -> None:
        """Write it whole; an approval of a change of settings restarts no source's sums."""
        del approved
        plan = self.plan
        marks.apply_settings(
            lease,
            SettingsWrites(
                base=plan.base,
                meaning=plan.meaning,
                flows=plan.flows,
                added=plan.added,
                removed=plan.removed,
                findings=plan.findings,
                flips=plan.flips,
                retired=plan.retired,
            ),
            ending,
        )

    def impact(self) -> Impact:
        """Return the impact, for people."""
        moved = Counter((self.colleges.get(f.student, ""), f.before, f.after) for f in self.plan.flips)
        return Impact(
            SETTINGS,
            self.reasons,
            tuple(VerdictChange(college, before, after, n) for (college, before, after), n in sorted(moved.items())),
            (),
            (),
            changes=(*self.plan.lines, *self.by_step()),
        )

    def by_step(self) -> list[str]:
        """Return for each step how many students get it, lose it, or have another finding."""
        return _change_lines(self.plan)


@dataclass(frozen=True, slots=True)
class SettingsRead:
    """One read of the whole cohort, for a change of settings."""

    base: int
    #: The meaning of the applied settings.
    before: Meaning | None
    people: tuple[PlacedStudent, ...]
    #: Source, or the roster → when its last good answer began; and those without an applied answer.
    began: Mapping[str, datetime]
    never_asked: frozenset[str]
    asked: frozenset[str]


class SettingsStages:
    """The stages of a change of settings: no office is asked, and no rows are compared."""

    def __init__(self, settings: Settings, cohort: str, snapshot: Snapshot) -> None:
        self._cohort = cohort
        self._meaning = meaning_of(settings)
        self.snapshot = snapshot

    def gather(self, connection: Connection) -> SettingsRead:
        """Read all students, with everything stored about them."""
        stored, known = CurrentState(connection, self._cohort), applied_settings.read(connection, self._cohort)
        before = known.meaning if known is not None else None
        began, never_asked = _asked_times(stored, before, self._meaning)
        people = tuple(placed_students(connection, self._cohort, self.snapshot.ended, roster.COLUMNS))
        return SettingsRead(
            stored.revision(), before, people, began, frozenset(never_asked), frozenset(stored.asked_sources())
        )

    def decide(self, read: SettingsRead) -> SettingsProposal:
        """Plan the change from the applied settings to these, and judge it."""
        placed = [
            settings_plan.FlowStudent(
                student=p.student,
                flow=p.flow,
                joined_at=p.joined_at,
                columns=p.columns,
                steps={step: settings_plan.CurrentStep(f, p.decided.get(step)) for step, f in p.steps.items()},
                records=p.records,
                decided=p.decided,
            )
            for p in read.people
        ]
        plan = settings_plan.plan(
            self._cohort, read.base, read.before, self._meaning, placed, read.began, read.never_asked, read.asked
        )
        flipped = {flip.student for flip in plan.flips}
        colleges = {p.student: p.columns["college"] for p in read.people if p.student in flipped}
        return SettingsProposal(plan, _guard_reasons(plan), self.snapshot, colleges)


def _asked_times(stored: CurrentState, before: Meaning | None, own: Meaning) -> tuple[dict[str, datetime], set[str]]:
    names = {*own.sources, *(before.sources if before is not None else ()), ROSTER}
    states = {name: stored.source(name) for name in names}
    began = {name: state.began for name, state in states.items() if state.began is not None}
    return began, {name for name, state in states.items() if state.settings_digest is None}


def _guard_reasons(plan: settings_plan.SettingsPlan) -> tuple[GuardReason, ...]:
    """Return the guard reasons: a person approves changes of steps or findings."""
    if plan.moves_none:
        return ()
    moved = plan.moved()
    touched = {s for s, *_ in (*plan.flows, *plan.added, *plan.removed, *plan.findings)} | set(plan.unplaced)
    clears = sum(n for (_, was, then), n in moved.items() if then in CLEAR and was not in CLEAR)
    loses = sum(n for (_, was, then), n in moved.items() if was in CLEAR and then not in CLEAR)
    figures = {"students": len(touched), "base": plan.students, "clears": clears, "loses": loses}
    reasons = [GuardReason(GuardReasonKind.STEPS_CHANGE, figures)] if touched else []
    reasons += [
        GuardReason(GuardReasonKind.REVIEW_LOOSENED, {"flow": flow, "review": review, "steps": ", ".join(steps)})
        for flow, review, steps in plan.loosened
    ]
    if plan.unplaced:
        reasons.append(
            GuardReason(GuardReasonKind.UNPLACED, {"students": len(plan.unplaced), "first": plan.unplaced[0]})
        )
    return tuple(reasons)


def _change_lines(plan: settings_plan.SettingsPlan) -> list[str]:
    lines: list[str] = []
    for text, steps in (
        (N_("{step}: new for {count} students"), Counter(step for _, step, _ in plan.added)),
        (N_("{step}: no longer for {count} students"), Counter(step for _, step in plan.removed)),
    ):
        lines += [tr(text, step=step, count=count) for step, count in sorted(steps.items())]
    for (step, before, after), count in sorted(plan.moved().items()):
        ends = after is Verdict.EXEMPT and step not in _step_names(plan)
        words = {"before": code_word(before), "after": tr("ends") if ends else code_word(after)}
        lines.append(tr("{step}: {before} → {after} for {count} students", step=step, count=count, **words))
    return lines


def _step_names(plan: settings_plan.SettingsPlan) -> set[str]:
    return {step for flow in plan.meaning.flows.values() for step, *_ in flow.entries}
