"""Why a run waits is said in both languages out of the very figures that the guard gives."""

from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from config.meaning import Meaning
from portal.i18n import languages
from portal.present import guard_reasons
from status_db.guard_reasons import GuardReason, GuardReasonKind, packed, unpacked
from status_db.model import NOT_ASKED, Means, Verdict
from sync.plan.settings import _guard_reasons
from sync.plan.settings_plan import SettingsPlan
from sync.rule import roster
from sync.rule.guard import Allowance, GuardCounts, GuardGroup, judge
from sync.rule.quality import Quality
from tests.sync.rule.test_guard import CALM, LIMITS, moving

SPOKEN = languages.load(("zh", "en"), ZoneInfo("Asia/Shanghai"))
HELD, CLEARED = Verdict.HELD, Verdict.CLEARED


COLLEGE = GuardGroup("college", "Arts", 50, 40, 950, 0)

#: A change of settings by which a review waits for less, and a student is in no flow.
CHANGE = SettingsPlan(
    cohort="2019",
    base=1,
    before=b"",
    meaning=Meaning({}, {}, {}, {}),
    lines=(),
    flows=(),
    added=(("1", "library", NOT_ASKED),),
    removed=(),
    findings=(),
    flips=(),
    retired=(),
    loosened=(("u", "review", ("library",)),),
    unplaced=("2",),
    students=9,
)


def raised() -> Iterator[GuardReason]:
    """Have the guard give every reason that it has."""
    histories = (
        (replace(CALM, first=True), moving(HELD, CLEARED, 1)),
        (replace(CALM, question_changed=True), moving(HELD, CLEARED, 1)),
        (CALM, moving(HELD, CLEARED, 500, 10)),
        (CALM, moving(HELD, CLEARED, 500, 0)),
        (CALM, moving(HELD, Verdict.UNKNOWN, 500)),
        (CALM, moving(CLEARED, HELD, 5000)),
        (replace(CALM, clearing=Allowance(300)), moving(HELD, CLEARED, 500)),
        (replace(CALM, lately=GuardCounts(cleared=900)), moving(HELD, CLEARED, 50)),
    )
    for history, plan in histories:
        yield from judge(plan, Means.ITEMS, LIMITS, history, first_applies=False)
    nobody = roster.RosterPlan(
        base=0, source_base=0, joined=(), changed=(), left=(), rows=0, leaving=0, dropped=0, restarted=0
    )
    left = replace(nobody, left=("1",), rows=1, dropped=900, restarted=900)
    yield from roster.judge(replace(nobody, left=("1",)), LIMITS, (1000,), 1000)
    yield from roster.judge(left, LIMITS, (1000,), 1000, 900)
    yield from roster.judge(replace(left, dropped=40, restarted=0), LIMITS, (1000,), 1000, groups=(COLLEGE,))
    yield from roster.judge(replace(left, dropped=20, restarted=0), LIMITS, (40,), 40)
    few, one_college = replace(CALM, held=6), replace(CALM, groups=(replace(COLLEGE, size=20, moved=18),))
    yield from judge(moving(HELD, CLEARED, 6), Means.ITEMS, LIMITS, few, first_applies=False)
    yield from judge(moving(HELD, CLEARED, 18), Means.ITEMS, LIMITS, one_college, first_applies=False)
    good = Quality(rows=1000, about=900, hinted=0, no_amount=0, unreadable=0, poor=0)
    for worse in (replace(good, hinted=200, poor=200), replace(good, about=50)):
        known = replace(CALM, quality=good)
        yield from judge(moving(HELD, CLEARED, 1), Means.BALANCE, LIMITS, known, first_applies=False, quality=worse)
    yield from _guard_reasons(CHANGE)


APPEALS = tuple(raised())


def test_the_guard_raises_every_kind_there_is() -> None:
    assert {one.kind for one in APPEALS} == set(GuardReasonKind)


@pytest.mark.parametrize("one", APPEALS, ids=lambda one: str(one)[:50])
def test_each_is_shown_in_both_languages_with_all_its_figures(one: GuardReason) -> None:
    for language in SPOKEN.values():
        said = guard_reasons.reason_text(language, one)
        assert "%(" not in said
        assert "_" not in said
        for name, figure in one.figures.items():
            if str(figure).isdecimal() and (name, figure) != ("wave", 0):
                assert str(figure) in said, (said, name)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in guard_reasons.reason_text(SPOKEN["en"], one))


@pytest.mark.parametrize("one", APPEALS, ids=lambda one: str(one)[:50])
def test_each_comes_back_as_it_was_kept(one: GuardReason) -> None:
    assert unpacked(packed([one])) == (one,)


def test_what_is_not_yet_done_is_distinguished_from_something_owed() -> None:
    (one,) = judge(moving(CLEARED, HELD, 5000), Means.STATUS, LIMITS, CALM, first_applies=False)
    assert "“不通过”" in guard_reasons.reason_text(SPOKEN["zh"], one)
    assert "“未办理”" in guard_reasons.reason_text(SPOKEN["zh"], one, undone=True)
