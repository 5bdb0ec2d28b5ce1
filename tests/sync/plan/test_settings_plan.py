"""A change of settings, planned: each student's steps derived again from what is stored. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from config.meaning import FlowMeaning, Meaning, SourceMeaning
from status_db.model import FIRST_FINDING, NOT_IN_FLOW, Finding, Flip, Reason, Record, StepKind, Verdict
from sync.plan.settings_plan import CurrentStep, FlowStudent, SettingsPlan, plan

JOINED = datetime(2019, 5, 25, tzinfo=UTC)
ASKED = JOINED + timedelta(hours=1)
CLEARED = Finding(Verdict.CLEARED, Reason.NOTHING_OWED)
HELD = Record("S1", Verdict.HELD, Reason.OWED)
DOUBTFUL = Finding(Verdict.UNKNOWN, Reason.DOUBTFUL)
NOT_ASKED = FIRST_FINDING[StepKind.SYNCED]
AWAITING = FIRST_FINDING[StepKind.MANUAL]

Entries = tuple[tuple[str, str, tuple[str, ...]], ...]
ENTRIES: Entries = (("library", "synced", ()), ("review", "review", ("library",)))

MANUAL_LIBRARY: Entries = (("library", "manual", ()), ("review", "review", ("library",)))


def meaning(entries: Entries = ENTRIES, sources: Mapping[str, str] | None = None, **more: Any) -> Meaning:
    decided = {"loans": "library"} if sources is None else sources
    return Meaning(
        flows=more.pop("flows", {"u": FlowMeaning(("undergraduate",), None, entries)}),
        exempt=more.pop("exempt", {}),
        sources={name: SourceMeaning(step, more.get("absent", "cleared"), {}) for name, step in decided.items()},
        roster={},
    )


def student(**changes: Any) -> FlowStudent:
    stored = FlowStudent(
        student="S1",
        flow="u",
        joined_at=JOINED,
        columns={"level": "undergraduate", "category": "", "campus": "north"},
        steps={
            "library": CurrentStep(CLEARED, None),
            "review": CurrentStep(FIRST_FINDING[StepKind.REVIEW], None),
        },
        records={},
        decided={},
    )
    return replace(stored, **changes)


def planned(
    own: Meaning,
    *people: FlowStudent,
    applied: Meaning | None = None,
    began: datetime | None = ASKED,
    never_asked: Collection[str] = (),
) -> SettingsPlan:
    asked = {} if began is None else dict.fromkeys(("loans", "fines"), began)
    return plan("2019", 7, applied or meaning(), own, people or (student(),), asked, never_asked, ("loans",))


def test_the_same_settings_change_nothing() -> None:
    same = planned(meaning())
    assert same.moves_none
    assert same.empty


def test_a_new_synced_step_without_a_source_that_answered_is_unknown() -> None:
    own = meaning((*ENTRIES, ("finance", "synced", ())), {"loans": "library", "fees": "finance"})
    assert planned(own).added == (("S1", "finance", NOT_ASKED),)


def test_a_new_manual_step_awaits_its_decision() -> None:
    assert planned(meaning((*ENTRIES, ("medals", "manual", ())))).added == (("S1", "medals", AWAITING),)


def test_a_new_step_that_was_decided_already_flips_nothing() -> None:
    own = meaning((*ENTRIES, ("medals", "manual", ())))
    assert planned(own, student(decided={"medals": Verdict.CLEARED})).flips == ()


def test_a_step_that_is_gone_ends_with_what_counted() -> None:
    own = meaning((("review", "review", ()),), {})
    gone = planned(own, student(steps=dict(student().steps) | {"library": CurrentStep(CLEARED, Verdict.HELD)}))
    assert gone.removed == (("S1", "library"),)
    assert gone.flips == (Flip("S1", "library", Verdict.HELD, Verdict.EXEMPT, NOT_IN_FLOW),)


def test_a_source_takes_its_records_to_its_new_step() -> None:
    own = meaning((*MANUAL_LIBRARY, ("loans_desk", "synced", ())), {"loans": "loans_desk"})
    moved = planned(own, student(records={"loans": HELD}))
    assert moved.added == (("S1", "loans_desk", Finding(Verdict.HELD, Reason.OWED)),)
    assert moved.findings == (("S1", "library", AWAITING),)
    assert [(f.step, f.before, f.after) for f in moved.flips] == [
        ("library", Verdict.CLEARED, Verdict.UNKNOWN),
        ("loans_desk", Verdict.UNKNOWN, Verdict.HELD),
    ]


def test_a_finding_that_a_decision_covers_flips_nothing() -> None:
    own = meaning(MANUAL_LIBRARY, {})
    decided = student(decided={"library": Verdict.CLEARED})
    assert planned(own, decided).findings == (("S1", "library", AWAITING),)
    assert planned(own, decided).flips == ()


def test_who_joined_after_the_source_was_asked_is_not_cleared_by_its_silence() -> None:
    own = meaning((("desk", "synced", ()),), {"loans": "desk"})
    late = planned(own, student(joined_at=ASKED + timedelta(seconds=1)))
    assert late.added == (("S1", "desk", NOT_ASKED),)
    assert planned(own).added == (("S1", "desk", CLEARED),)


def test_a_second_source_that_was_never_asked_makes_the_step_unknown() -> None:
    own = meaning(sources={"loans": "library", "bills": "library"})
    assert planned(own, never_asked=("bills",)).findings == (("S1", "library", NOT_ASKED),)


def test_new_exemptions_let_off_and_old_ones_no_longer() -> None:
    north = {"library": ({"campus": ("north",)},)}
    exempt = Finding(Verdict.EXEMPT, Reason.EXEMPT_BY_ROSTER)
    unanswered = student(steps=dict(student().steps) | {"library": CurrentStep(DOUBTFUL, None)})
    doubt = {"loans": Record("S1", Verdict.UNKNOWN, Reason.DOUBTFUL)}
    let_off = planned(meaning(exempt=north), replace(unanswered, records=doubt))
    assert let_off.findings == (("S1", "library", exempt),)
    before = student(steps=dict(student().steps) | {"library": CurrentStep(exempt, None)}, records=doubt)
    back = planned(meaning(), before, applied=meaning(exempt=north))
    assert back.findings == (("S1", "library", Finding(Verdict.UNKNOWN, Reason.DOUBTFUL)),)


def test_what_no_row_means_stays_as_it_was_applied() -> None:
    own = meaning((("library", "manual", ()), ("desk", "synced", ())), {"loans": "desk"}, absent="unknown")
    assert planned(own).added == (("S1", "desk", CLEARED),)


def test_a_student_goes_by_the_first_flow_that_fits() -> None:
    flows = {"new": FlowMeaning(("undergraduate",), None, ENTRIES), "u": FlowMeaning(("postgraduate",), None, ENTRIES)}
    renamed = planned(meaning(flows=flows))
    assert renamed.flows == (("S1", "new"),)
    assert (renamed.added, renamed.removed, renamed.findings) == ((), (), ())
    assert not renamed.moves_none


def test_whom_no_flow_fits_keeps_a_flow_that_is_still_there_and_is_unplaced_without_one() -> None:
    other = {"p": FlowMeaning(("postgraduate",), None, ENTRIES)}
    assert planned(meaning(flows={"u": FlowMeaning(("bachelor",), None, ENTRIES)})).unplaced == ()
    assert planned(meaning(flows=other)).unplaced == ("S1",)


def test_a_category_chooses_among_flows_of_one_level() -> None:
    only = FlowMeaning(("undergraduate",), ("second degree",), ENTRIES)
    flows = {"s": only, "u": FlowMeaning(("undergraduate",), None, ENTRIES)}
    assert planned(meaning(flows=flows)).flows == ()
    second = student(columns=dict(student().columns) | {"category": "second degree"})
    assert planned(meaning(flows=flows), second).flows == (("S1", "s"),)


def test_a_review_that_waits_for_fewer_steps_is_no_small_change() -> None:
    loosened = planned(meaning((("library", "synced", ()), ("review", "review", ()))))
    assert loosened.loosened == (("u", "review", ("library",)),)
    assert not loosened.moves_none
    assert planned(meaning(), applied=meaning((("library", "synced", ()), ("review", "review", ())))).loosened == ()


def test_a_removed_source_is_retired() -> None:
    assert planned(meaning(MANUAL_LIBRARY, {})).retired == ("loans",)
    assert planned(meaning()).retired == ()


def test_the_digest_sets_changes_apart_and_not_what_was_decided() -> None:
    own = meaning((*ENTRIES, ("medals", "manual", ())))
    assert planned(own).digest == planned(own, student(decided={"medals": Verdict.CLEARED})).digest
    assert planned(own).digest != planned(own, student(), replace(student(), student="S2")).digest
    assert planned(own).digest != planned(meaning((*ENTRIES, ("medals", "synced", ())))).digest
