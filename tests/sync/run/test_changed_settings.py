"""Settings are input: a change of anybody's steps is planned, waits for a person once, and is applied whole."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config.load import SettingsError
from status_db import tables
from status_db.decisions.certificates import Issue
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.model import SETTINGS as SETTINGS_RUN
from status_db.model import RunState, StepKind, Verdict
from sync.run.outcome import Outcome
from tests.cast import GEOLOGY_LOAN, LEAVING, LIN, QIAN, SUN, ZHAO
from tests.sync.verify.test_report import verified
from tests.world import SETTINGS, World

EXEMPT = 'exempt = [{ building = ["校外走读"] }]'
ROOM = {"学号": LIN.number, "清退状态": "未清退", "房间": "412"}

#: Opens the world again, an hour later, with other settings.
Reopen = Callable[[str], AbstractContextManager[World]]

RENAMED = SETTINGS.replace('key = "library"', 'key = "lib"').replace('step = "library"', 'step = "lib"')
WITH_WAS = RENAMED.replace('key = "lib"', 'key = "lib"\nwas = "library"')
MANUAL_STEP = """
[[step]]
key = "medals"
title = "奖章"
office = { name = "团委" }
"""
WITH_MANUAL = SETTINGS.replace(
    '[[flow]]\nkey = "undergraduate"', MANUAL_STEP + '[[flow]]\nkey = "undergraduate"'
).replace(
    '{ step = "college_items", kind = "manual" }, { step = "final_review"',
    '{ step = "college_items", kind = "manual" }, { step = "medals", kind = "manual" }, { step = "final_review"',
)
FINES_APART = (
    SETTINGS.replace(
        '[[flow]]\nkey = "undergraduate"',
        MANUAL_STEP.replace("medals", "fines_desk") + '[[flow]]\nkey = "undergraduate"',
    )
    .replace('{ step = "library" }', '{ step = "library" }, { step = "fines_desk" }')
    .replace('[source.fines]\nstep = "library"', '[source.fines]\nstep = "fines_desk"')
)
REVIEW_FIRST = SETTINGS.replace(
    '{ step = "college_items", kind = "manual" }, { step = "final_review", kind = "review" },\n]',
    '{ step = "final_review", kind = "review" }, { step = "college_items", kind = "manual" },\n]',
)
WITH_WORDS = SETTINGS.replace('done = ["已清退"]', 'done = ["已清退", "是"]')
WITHOUT_FINES = SETTINGS[: SETTINGS.index("[source.fines]")] + SETTINGS[SETTINGS.index("[source.fees]") :]


@pytest.fixture
def reopen(status_url: str, tmp_path: Path) -> Reopen:
    """A season under way: Lin owes a book and a room, Zhao a fine; Sun has an override at the library."""
    with World(status_url, tmp_path) as world:
        _says(world)
        world.run_all()

    def again(settings: str) -> World:
        world = World(status_url, tmp_path, settings)
        _says(world)
        world.later(hours=1)
        return world

    return again


def _says(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["fines"] = [{"CARD": ZHAO.number, "AMOUNT": "5.00"}]
    world.says["checkouts"] = [ROOM]


def waiting(world: World) -> int:
    (run,) = (r.run for r in world.reader.runs("2019") if r.source == SETTINGS_RUN and r.state is RunState.SUSPENDED)
    return run


def approved(world: World) -> Outcome:
    return world.sync.approve(waiting(world), SETTINGS_RUN, by="dean")


def steps(world: World, number: str) -> dict[str, Verdict]:
    return {s.step: s.at(world.now).verdict for s in world.student(number).steps}


def test_a_cohort_begins_with_its_settings_and_without_a_run(world: World) -> None:
    assert world.reader.runs("2019") == ()
    assert world.sync.preview_change() is None


@pytest.mark.parametrize(
    "settings",
    [RENAMED, WITH_MANUAL, FINES_APART, WITHOUT_FINES, SETTINGS.replace(EXEMPT, ""), REVIEW_FIRST],
    ids=[
        "a renamed step",
        "a new manual step",
        "a source with a step of its own",
        "a removed source",
        "exemptions",
        "a review that waits for less",
    ],
)
def test_a_change_of_steps_waits_once_and_no_answer_is_applied_before_it(reopen: Reopen, settings: str) -> None:
    with reopen(settings) as world:
        run = waiting(world)
        skipped = world.run("fees")
        assert (skipped.state, skipped.fault) == (RunState.SKIPPED, "suspended")
        assert f"clearance runs approve {run}" in skipped.message
        assert approved(world).state is RunState.APPLIED
        assert verified(world).disagreements == ()
        assert verified(world).notes[1:] == ()
        assert world.sync.open_cohort() is None
        assert world.run("fees").state is RunState.UNCHANGED


def test_verify_knows_a_change_that_waits_and_calls_it_no_tampering(reopen: Reopen) -> None:
    with reopen(RENAMED) as world:
        report = verified(world)
        assert report.disagreements == ()
        assert any("[source] loans step: was library; is lib" in note for note in report.notes)


def test_the_plan_names_what_differs_and_whom_it_moves(reopen: Reopen) -> None:
    with reopen(WITH_MANUAL) as world:
        change = world.sync.preview_change()
        assert change is not None
        assert change.pending
        assert any("medals (manual)" in line for line in change.changes)
        assert "medals: new for 4 students" in change.changes
        assert [str(reason) for reason in change.reasons] == [
            "the settings change steps of 4 of 5 students: 0 steps become clear, 0 no longer are"
        ]


def test_a_renamed_step_keeps_what_its_sources_reported_and_loses_what_was_decided(reopen: Reopen) -> None:
    with reopen(RENAMED) as world:
        assert approved(world).state is RunState.APPLIED
        assert steps(world, LIN.number)["lib"] is Verdict.HELD
        assert steps(world, SUN.number)["lib"] is Verdict.CLEARED
        assert "library" not in steps(world, LIN.number)


def test_a_rename_that_is_declared_changes_nothing_that_is_stored(reopen: Reopen) -> None:
    with reopen(WITH_WAS) as world:
        assert world.sync.preview_change() is None
        assert world.run("loans").state is RunState.UNCHANGED
        assert steps(world, LIN.number)["library"] is Verdict.HELD
        assert world.settings.renamed == {"lib": "library"}
        assert verified(world).notes[1:] == ()


def test_a_renamed_source_keeps_its_records(reopen: Reopen) -> None:
    with reopen(SETTINGS.replace("[source.fines]", '[source.penalties]\nwas = "fines"')) as world:
        assert world.sync.preview_change() is None
        assert "penalties" not in world.settings.source
        assert world.run("fines").state is RunState.UNCHANGED


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        (SETTINGS.replace('key = "finance"', 'key = "finance"\nwas = "library"'), '"library" is still a key here'),
        (
            WITH_WAS.replace('key = "finance"', 'key = "finance"\nwas = "library"'),
            '"library" is a duplicate. Keep it in the key that continues it',
        ),
    ],
)
def test_a_rename_that_cannot_be_is_a_mistake(tmp_path: Path, settings: str, mistake: str) -> None:
    with pytest.raises(SettingsError, match=mistake):
        World(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, settings)


def test_a_new_manual_step_is_unknown_for_everybody_who_has_it(reopen: Reopen) -> None:
    with reopen(WITH_MANUAL) as world:
        approved(world)
        step = next(s for s in world.student(QIAN.number).steps if s.step == "medals")
        assert (step.kind, step.at(world.now).verdict) == (StepKind.MANUAL, Verdict.UNKNOWN)


def test_a_source_takes_what_it_reported_to_a_step_of_its_own(reopen: Reopen) -> None:
    with reopen(FINES_APART) as world:
        approved(world)
        zhao = steps(world, ZHAO.number)
        assert (zhao["fines_desk"], zhao["library"]) == (Verdict.HELD, Verdict.CLEARED)


def test_a_removed_source_leaves_nothing_behind_and_comes_back_as_a_new_one(reopen: Reopen) -> None:
    with reopen(WITHOUT_FINES) as world:
        outcome = approved(world)
        assert [(f.student, f.before, f.after) for f in outcome.flips] == [(ZHAO.number, Verdict.HELD, Verdict.CLEARED)]
        with world.engine.connect() as connection:
            count = select(func.count()).select_from(tables.record).where(tables.record.c.source == "fines")
            assert connection.execute(count).scalar_one() == 0
    with reopen(SETTINGS) as world:
        assert approved(world).state is RunState.APPLIED
        assert {steps(world, p.number)["library"] for p in LEAVING} == {Verdict.HELD, Verdict.UNKNOWN}


def test_who_is_exempt_by_other_conditions_is_found_with_the_change(reopen: Reopen) -> None:
    with reopen(SETTINGS.replace(EXEMPT, 'exempt = [{ campus = ["未来城"] }]')) as world:
        approved(world)
        found = {p.number: world.verdict(p.number, "dorm") for p in (LIN, ZHAO, QIAN, SUN)}
        assert found == {
            LIN.number: Verdict.HELD,
            ZHAO.number: Verdict.UNKNOWN,
            QIAN.number: Verdict.EXEMPT,
            SUN.number: Verdict.EXEMPT,
        }
        assert world.run("checkouts").state is RunState.UNCHANGED


def test_another_meaning_of_no_row_waits_with_the_answer_and_counts_only_after_it(reopen: Reopen) -> None:
    with reopen(
        SETTINGS.replace('columns = { student = "XH"', 'absent = "unknown"\ncolumns = { student = "XH"')
    ) as world:
        assert world.sync.preview_change() is not None
        outcome = world.run("fees")
        assert outcome.state is RunState.SUSPENDED
        assert "the settings of fees have changed" in outcome.message
        assert world.verdict(LIN.number, "finance") is Verdict.CLEARED
        assert outcome.run is not None
        assert world.sync.approve(outcome.run, "fees", by="dean").state is RunState.APPLIED
        assert world.verdict(LIN.number, "finance") is Verdict.UNKNOWN
        assert world.sync.preview_change() is None
        assert verified(world).disagreements == ()


def test_the_applied_settings_again_end_what_waits(reopen: Reopen) -> None:
    with reopen(RENAMED) as world:
        run = waiting(world)
    with reopen(SETTINGS) as world:
        found = world.reader.run("2019", run)
        assert found is not None
        assert found.state is RunState.SUPERSEDED
        assert world.run("loans").state is RunState.UNCHANGED


def test_a_process_with_the_settings_of_before_applies_no_answer(
    status_url: str, tmp_path: Path, reopen: Reopen
) -> None:
    with reopen(SETTINGS) as before:
        with reopen(WITH_MANUAL) as world:
            approved(world)
        before.says["loans"] = []
        outcome = before.run("loans")
        assert (outcome.state, outcome.fault) == (RunState.SKIPPED, "suspended")
        assert "restart this process with the settings file that was applied" in outcome.message


def test_altered_settings_in_the_database_are_found(reopen: Reopen) -> None:
    with reopen(SETTINGS) as world:
        with world.engine.begin() as connection:
            connection.execute(tables.applied_settings.update().values(digest=b"0" * 16))
        assert [d.table for d in verified(world).disagreements] == ["applied_settings"]


def test_nothing_is_reviewed_or_issued_by_a_process_with_other_settings(reopen: Reopen) -> None:
    with reopen(SETTINGS) as world:
        for step in ("dorm", "college_items"):
            wish = DecisionRequest(
                SUN.number, step, Verdict.CLEARED, "数据有误" if step == "dorm" else "无借阅", words="已核对"
            )
            world.decisions.enter(wish, "clerk", world.now)
        review = DecisionRequest(SUN.number, "final_review", Verdict.CLEARED, "齐备")
        world.reviews.review(review, "dean", world.now)
    with reopen(WITH_WORDS) as world:
        with pytest.raises(DecisionRefused, match="restart this process with the settings file that was applied"):
            world.register.issue(Issue(SUN.number, "N1", "毕业证书", "self"), "dean", world.now)
        with pytest.raises(DecisionRefused) as refused:
            world.reviews.review(DecisionRequest(QIAN.number, "final_review", Verdict.HELD, "不齐"), "dean", world.now)
        assert refused.value.code is DecisionCode.SETTINGS
        # The answer in the new words changes nobody, so it needs no approval, and the settings are the applied ones.
        assert world.run("checkouts").state is RunState.APPLIED
        assert world.register.issue(Issue(SUN.number, "N1", "毕业证书", "self"), "dean", world.now).number == "N1"


def test_a_plan_may_be_made_before_the_first_run(status_url: str, tmp_path: Path) -> None:
    with World(status_url, tmp_path) as world:
        with world.engine.begin() as connection:
            connection.execute(tables.applied_settings.delete())
        assert world.sync.preview("roster").pending
