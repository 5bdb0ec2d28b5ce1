"""The rule: by table, its cases one below another, and by Hypothesis for whatever the table forgot."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Proof, ProofKind, Snapshot
from status_db.model import Finding, Means, Obligation, Reason, Record, Verdict
from sync.rule import reconcile
from sync.rule.answer import LISTED_UNMATCHED, Answer, ResolvedKeys, differences, keys_to_resolve, shown_key
from sync.rule.reconcile import AffectedStudent, SourceAnswered
from sync.rule.records import SourceRule, group
from sync.rule.step import SourcePart, of_source, of_step

CLEARED, HELD, UNKNOWN, EXEMPT = Verdict.CLEARED, Verdict.HELD, Verdict.UNKNOWN, Verdict.EXEMPT
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2019, 6, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(days=1)
BOOK = Obligation("loan", "构造地质学", None, date(2019, 5, 30), "B1")


def said(verdict: Verdict, reason: Reason, *obligations: Obligation) -> SourcePart:
    return SourcePart(Record("S1", verdict, reason, obligations), CLEARED, asked=True)


def silent(absent: Verdict = CLEARED, *, asked: bool = True) -> SourcePart:
    return SourcePart(None, absent, asked=asked)


OWES = said(HELD, Reason.OWED, BOOK)
UNDONE = said(HELD, Reason.NOT_DONE)
DOUBT = said(UNKNOWN, Reason.DOUBTFUL)
DONE = said(CLEARED, Reason.DONE)
LET_OFF = said(EXEMPT, Reason.EXEMPT_BY_OFFICE)


@pytest.mark.parametrize(
    ("part", "verdict", "reason"),
    [
        pytest.param(OWES, HELD, Reason.OWED, id="a held record holds"),
        pytest.param(DOUBT, UNKNOWN, Reason.DOUBTFUL, id="a doubtful record is unknown"),
        pytest.param(DONE, CLEARED, Reason.DONE, id="a done record clears"),
        pytest.param(LET_OFF, EXEMPT, Reason.EXEMPT_BY_OFFICE, id="an exempt record exempts"),
        pytest.param(silent(), CLEARED, Reason.NOTHING_OWED, id="no row clears where absence does"),
        pytest.param(silent(UNKNOWN), UNKNOWN, Reason.NO_ROW, id="no row is unknown where absence is"),
        pytest.param(silent(HELD), HELD, Reason.NOT_DONE, id="no row holds where a list names only the done"),
        pytest.param(silent(asked=False), UNKNOWN, Reason.NOT_ASKED, id="who was not asked about is unknown"),
        pytest.param(
            SourcePart(OWES.record, CLEARED, asked=False),
            HELD,
            Reason.OWED,
            id="a stored record speaks even before a new pull",
        ),
    ],
)
def test_what_one_source_states(part: SourcePart, verdict: Verdict, reason: Reason) -> None:
    assert of_source(part) == (verdict, reason)


@pytest.mark.parametrize(
    ("parts", "exempt", "verdict", "reason"),
    [
        pytest.param([silent(), silent()], False, CLEARED, Reason.NOTHING_OWED, id="nothing owed anywhere"),
        pytest.param([OWES, silent()], False, HELD, Reason.OWED, id="any held holds"),
        pytest.param([OWES, DOUBT], False, HELD, Reason.OWED, id="held beats doubt"),
        pytest.param([OWES, silent(asked=False)], False, HELD, Reason.OWED, id="held beats not asked"),
        pytest.param([silent(), silent(asked=False)], False, UNKNOWN, Reason.NOT_ASKED, id="half asked is unknown"),
        pytest.param([DONE, DOUBT], False, UNKNOWN, Reason.DOUBTFUL, id="doubt beats done"),
        pytest.param([LET_OFF, LET_OFF], False, EXEMPT, Reason.EXEMPT_BY_OFFICE, id="all exempt is exempt"),
        pytest.param([LET_OFF, silent()], False, CLEARED, Reason.NOTHING_OWED, id="exempt and cleared is cleared"),
        pytest.param([OWES, UNDONE], False, HELD, Reason.OWED, id="owing is the graver reason"),
        pytest.param([silent(UNKNOWN)], True, EXEMPT, Reason.EXEMPT_BY_ROSTER, id="the roster beats no row"),
        pytest.param([DOUBT], True, EXEMPT, Reason.EXEMPT_BY_ROSTER, id="the roster beats doubt"),
        pytest.param([silent(asked=False)], True, EXEMPT, Reason.EXEMPT_BY_ROSTER, id="the roster beats not asked"),
        pytest.param([silent(HELD)], True, EXEMPT, Reason.EXEMPT_BY_ROSTER, id="the roster beats held by no row"),
        pytest.param([OWES], True, HELD, Reason.OWED, id="the roster never beats held"),
        pytest.param([UNDONE], True, HELD, Reason.NOT_DONE, id="not even held for an act undone"),
        pytest.param([DONE], True, CLEARED, Reason.DONE, id="done stays done for who need not"),
    ],
)
def test_what_one_step_is(parts: list[SourcePart], exempt: bool, verdict: Verdict, reason: Reason) -> None:
    found = of_step(parts, exempt=exempt)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_only_the_obligations_behind_the_verdict_are_its_evidence() -> None:
    refund = said(CLEARED, Reason.REFUND_DUE, Obligation("fine", amount=Decimal(-3)))
    assert of_step([OWES, refund], exempt=False).evidence == (BOOK,)


PARTS = st.builds(
    lambda verdict, reason, absent, asked, there: SourcePart(
        Record("S1", verdict, reason) if there else None, absent, asked
    ),
    st.sampled_from(Verdict),
    st.sampled_from([Reason.OWED, Reason.DOUBTFUL, Reason.DONE, Reason.EXEMPT_BY_OFFICE]),
    st.sampled_from([CLEARED, UNKNOWN, HELD]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_sources_never_matters(parts: list[SourcePart], exempt: bool, random: Random) -> None:
    shuffled = parts[:]
    random.shuffle(shuffled)
    one, two = of_step(parts, exempt=exempt), of_step(shuffled, exempt=exempt)
    assert (one.verdict, one.reason) == (two.verdict, two.reason)


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_no_one_is_cleared_while_a_source_holds_doubts_or_was_not_asked(parts: list[SourcePart]) -> None:
    found = of_step(parts, exempt=False)
    verdicts = {of_source(part)[0] for part in parts}
    if found.verdict is CLEARED:
        assert not verdicts & {HELD, UNKNOWN}
    if HELD in verdicts:
        assert found.verdict is HELD


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_the_roster_lets_no_one_off_who_is_held(parts: list[SourcePart]) -> None:
    let_off = of_step(parts, exempt=True)
    assert (let_off.verdict is HELD) == any(part.record is not None and part.record.verdict is HELD for part in parts)
    assert let_off.verdict in (HELD, EXEMPT, CLEARED)


RULE = SourceRule(
    "loans", "library", Means.ITEMS, CLEARED, "loan", "", Decimal(0), Decimal(1), {}, ZONE, ZONE, b"question"
)
ROSTER = [f"S{i}" for i in range(6)]


def answer(rows: list[tuple[Any, ...]], stored: dict[str, Record], doubtful: dict[str, Any] | None = None) -> Any:
    """Plan an answer on stored records, for a roster of six whose findings follow from those records."""
    proofs = (Proof(ProofKind.END_REACHED, "here"),)
    snapshot = Snapshot(("student", "title", "reference"), rows, NOW, NOW, proofs)
    groups = group(snapshot)
    digests = {student: record.digest for student, record in stored.items()}
    keys = keys_to_resolve(groups, digests)
    resolved = ResolvedKeys({k: k for k in keys if k in ROSTER}, doubtful or {})
    compared = differences(RULE, groups, digests, resolved)
    touched = [
        AffectedStudent(s, EARLIER, False, of_step([SourcePart(stored.get(s), CLEARED, True)], exempt=False), None)
        for s in ROSTER
        if s in compared.changed or s in compared.vanished
    ]
    records = {("loans", s): r for s, r in stored.items()}
    new = reconcile.records_of(RULE, snapshot.fields, compared)
    return reconcile.plan("2019", 1, 1, RULE, NOW, compared, touched, new, records, {}, EARLIER)


def applied(plan: Any, stored: dict[str, Record]) -> dict[str, Record]:
    after = dict(stored)
    for change in plan.changes:
        if change.after is None:
            after.pop(change.student)
        else:
            after[change.student] = change.after
    return after | {record.student: record for record in plan.respelled}


ROWS = st.lists(
    st.tuples(st.sampled_from([*ROSTER, "X1", "", None]), st.sampled_from(["甲", "乙"]), st.sampled_from(["B1", "B2"])),
    max_size=12,
)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_same_rows_in_any_order_give_the_same_plan_and_then_nothing(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], random: Random
) -> None:
    stored = applied(answer(before, {}), {})
    shuffled = after[:]
    random.shuffle(shuffled)
    one, two = answer(after, stored), answer(shuffled, stored)
    assert (one.changes, one.findings, one.flips, one.digest) == (two.changes, two.findings, two.flips, two.digest)
    again = answer(after, applied(one, stored))
    assert again.empty
    assert not again.flips


@given(ROWS)
def test_everybody_with_a_row_is_held_and_no_one_else_is(rows: list[tuple[Any, ...]]) -> None:
    plan = answer(rows, {})
    assert {c.student for c in plan.changes if c.verdict_after is HELD} == {row[0] for row in rows if row[0] in ROSTER}
    assert plan.nameless == sum(1 for row in rows if not row[0])
    assert plan.unmatched_key_count == len({row[0] for row in rows if row[0] == "X1"})


def test_a_vanished_row_flips_from_held_to_cleared() -> None:
    stored = applied(answer([("S1", "甲", "B1")], {}), {})
    plan = answer([], stored)
    assert [(f.student, f.before, f.after) for f in plan.flips] == [("S1", HELD, CLEARED)]


def test_a_decision_that_counts_keeps_a_finding_from_flipping() -> None:
    person = AffectedStudent("S1", EARLIER, False, Finding(HELD, Reason.OWED), CLEARED)
    assert reconcile.flip_between(person, Finding(CLEARED, Reason.NOTHING_OWED), "library") is None


def test_a_doubtful_key_makes_its_suspects_unknown_and_is_listed() -> None:
    plan = answer([("1", "甲", "B1")], {}, {"1": (("S1", "S2"), "ambiguous")})
    assert {(c.student, c.verdict_after) for c in plan.changes} == {("S1", UNKNOWN), ("S2", UNKNOWN)}
    assert [(s.key, s.near) for s in plan.unmatched_keys] == [("1", "ambiguous")]


def test_doubtful_rows_cannot_clear_who_is_surely_held() -> None:
    plan = answer([("S1", "甲", "B1"), ("1", "乙", "B2")], {}, {"1": (("S1",), "leading_zero")})
    assert {(c.student, c.verdict_after) for c in plan.changes} == {("S1", HELD)}


def test_who_joined_after_the_last_pull_of_another_source_stays_unknown() -> None:
    compared = differences(RULE, {}, {}, ResolvedKeys({}))
    joined = AffectedStudent("S1", NOW - timedelta(hours=1), False, Finding(UNKNOWN, Reason.NOT_ASKED), None)
    other = {"fines": SourceAnswered(CLEARED, NOW - timedelta(hours=2))}
    plan = reconcile.plan("2019", 1, 1, RULE, NOW, compared, [joined], {}, {}, other, None)
    assert not plan.findings
    fresh = {"fines": SourceAnswered(CLEARED, NOW)}
    plan = reconcile.plan("2019", 1, 1, RULE, NOW, compared, [joined], {}, {}, fresh, None)
    assert [f.verdict for _, f in plan.findings] == [CLEARED]


CARD_OF_S2 = {"S1": (("S1", "S2"), "ambiguous")}


@given(st.permutations([("S1", "甲", "B1"), ("S1", "乙", "B2"), ("S2", "丙", "B3"), ("S3", "甲", "B4")]))
def test_a_contested_number_is_doubtful_for_both_on_every_comparison_in_any_order(rows: list[tuple[Any, ...]]) -> None:
    rows = [row for row in rows if row[0] != "S2"]
    stored = applied(answer([("S1", "甲", "B0")], {}), {})
    for _ in range(3):
        stored = applied(answer(rows, stored, CARD_OF_S2), stored)
        assert {s: r.verdict for s, r in stored.items()} == {"S1": UNKNOWN, "S2": UNKNOWN, "S3": HELD}
    assert answer(rows, stored, CARD_OF_S2).empty


def test_sure_rows_never_win_over_a_doubt_that_is_stored_already() -> None:
    rows: list[tuple[Any, ...]] = [("S1", "甲", "B1"), ("1", "乙", "B2")]
    doubtful = {"1": (("S1",), "leading_zero")}
    stored = applied(answer(rows, {}, doubtful), {})
    again = answer(rows, stored, doubtful)
    assert again.empty
    assert not again.changes


def compared(rows: list[tuple[Any, ...]], stored: dict[str, bytes], **more: Any) -> Answer:
    groups = group(Snapshot(("student", "title", "reference"), rows, NOW, NOW, ()))
    keys = keys_to_resolve(groups, stored)
    doubtful = more.pop("doubtful", {})
    return differences(RULE, groups, stored, ResolvedKeys({k: k for k in keys if k in ROSTER}, doubtful), **more)


def test_who_was_asked_later_is_left_alone_whatever_the_older_answer_states() -> None:
    later = frozenset(ROSTER)
    stored = {"S1": b"newer", "S2": b"newer"}
    rows: list[tuple[Any, ...]] = [("S1", "甲", "B1"), ("1", "乙", "B2"), ("S4", "丙", "B3")]
    doubtful = {"1": (("S3",), "leading_zero")}
    plain = compared(rows, stored, doubtful=doubtful, outside=frozenset({"S5"}))
    assert (set(plain.changed), set(plain.vanished)) == ({"S1", "S3", "S4", "S5"}, {"S2"})
    left_alone = compared(rows, stored, doubtful=doubtful, outside=frozenset({"S5"}), asked_later=later)
    assert (left_alone.changed, left_alone.vanished) == ({}, frozenset())


def test_what_another_source_means_by_no_row_decides_with_it() -> None:
    nothing = differences(RULE, {}, {}, ResolvedKeys({}))
    joined = AffectedStudent("S1", EARLIER, False, Finding(UNKNOWN, Reason.NOT_ASKED), None)
    for absent, verdict in ((CLEARED, CLEARED), (UNKNOWN, UNKNOWN), (HELD, HELD)):
        other = {"rooms": SourceAnswered(absent, NOW)}
        plan = reconcile.plan("2019", 1, 1, RULE, NOW, nothing, [joined], {}, {}, other, None)
        assert [f.verdict for _, f in plan.findings] == [verdict]


def test_a_key_longer_than_a_number_is_shortened_and_stays_its_own() -> None:
    one, two = (compared([("说" * 90 + end, "甲", "B1")], {}).unmatched_keys[0].key for end in "甲乙")
    assert one != two
    assert len(one) == len(two) == 64
    assert one.startswith("说" * 47 + "…")
    assert shown_key("9" * 64) == "9" * 64
    assert len(shown_key("9" * 65)) == 64
    assert shown_key("说" * 64) == "说" * 64
    assert shown_key("\ud800甲").startswith("?甲…")


def test_rows_without_a_key_and_doubtful_keys_are_among_the_unmatched() -> None:
    rows: list[tuple[Any, ...]] = [
        ("S1", "甲", "B1"),
        ("X", "乙", "B2"),
        (" x", "丙", "B3"),
        ("1", "丁", "B4"),
        (None, "", ""),
    ]
    found = compared(rows, {}, doubtful={"1": (("S2",), "leading_zero")}).unmatched
    assert {key: len(theirs) for key, theirs in found.items()} == {"X": 2, "1": 1, "": 1}
    assert {row[0] for row in rows} == {"S1", "X", " x", "1", None}


def test_each_finding_has_the_debts_of_its_own_student_as_evidence() -> None:
    plan = answer([("S1", "甲", "B1"), ("S2", "乙", "B2")], {})
    evidence = {student: [o.reference for o in finding.evidence] for student, finding in plan.findings}
    assert evidence == {"S1": ["B1"], "S2": ["B2"]}


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        pytest.param({"digest": b"new"}, False, id="another digest alone is no change"),
        pytest.param({"verdict": UNKNOWN}, True, id="another verdict"),
        pytest.param({"reason": Reason.NOT_DONE}, True, id="another reason"),
        pytest.param({"obligations": ()}, True, id="other obligations"),
        pytest.param({"doubt": "a doubtful key"}, True, id="another doubt"),
    ],
)
def test_a_record_changes_with_what_it_means(new: dict[str, Any], changes: bool) -> None:
    before = Record("S1", HELD, Reason.OWED, (BOOK,), "", b"old")
    after = replace(before, **new)
    changed, respelled = reconcile.changes_of(RULE, {"S1": after}, {("loans", "S1"): before}, {}, EARLIER)
    assert ([c.after for c in changed], respelled) == (([after], []) if changes else ([], [after]))


OWED = Record("S1", HELD, Reason.OWED, (BOOK,))
CLEAR = Record("S1", CLEARED, Reason.DONE)
DOUBTFUL = Record("S1", UNKNOWN, Reason.DOUBTFUL)


@pytest.mark.parametrize(
    ("before", "new", "kept"),
    [
        pytest.param(OWED, {"S1": None}, None, id="a held student without a row stays held"),
        pytest.param(OWED, {"S1": CLEAR}, None, id="a held student with a clear row stays held"),
        pytest.param(OWED, {"S1": DOUBTFUL}, None, id="a held student with a doubtful row stays held"),
        pytest.param(CLEAR, {"S1": OWED}, HELD, id="a debt holds"),
        pytest.param(None, {"S1": OWED}, HELD, id="a first debt holds"),
        pytest.param(CLEAR, {}, UNKNOWN, id="a clear student becomes unknown"),
        pytest.param(CLEAR, {"S1": None}, UNKNOWN, id="a clear student without a row becomes unknown"),
        pytest.param(None, {}, UNKNOWN, id="a student without a record becomes unknown"),
        pytest.param(None, {"S1": CLEAR}, UNKNOWN, id="a first clear row gives unknown"),
        pytest.param(DOUBTFUL, {}, None, id="an unknown student stays unknown"),
    ],
)
def test_an_unsettled_student_is_never_released(
    before: Record | None, new: dict[str, Record | None], kept: Verdict | None
) -> None:
    stored = {} if before is None else {("loans", "S1"): before}
    found = reconcile.kept_back(RULE, new, stored, ["S1"])
    assert {student: record and record.verdict for student, record in found.items()} == ({"S1": kept} if kept else {})


def test_only_keys_that_no_stored_record_has_are_looked_up() -> None:
    rows: list[tuple[Any, ...]] = [
        ("S1", "甲", "B1"),
        (" s1", "乙", "B2"),
        ("S2", "丙", "B3"),
        (" ", "", ""),
        (None, "", ""),
    ]
    groups = group(Snapshot(("student", "title", "reference"), rows, NOW, NOW, ()))
    assert keys_to_resolve(groups, {"S1": b"known"}) == {"S2"}


def test_so_many_unmatched_keys_are_listed_and_all_are_counted() -> None:
    more = LISTED_UNMATCHED + 1
    found = compared([(f"X{i}", "甲", "B1") for i in range(more)], {})
    assert (len(found.unmatched_keys), found.unmatched_key_count) == (LISTED_UNMATCHED, more)


def test_keys_with_a_match_hint_are_listed_before_all_others() -> None:
    rows: list[tuple[Any, ...]] = [*((f"X{i}", "甲", "B1") for i in range(LISTED_UNMATCHED)), ("Z", "乙", "B2")]
    groups = group(Snapshot(("student", "title", "reference"), rows, NOW, NOW, ()))
    found = differences(RULE, groups, {}, ResolvedKeys({}, near={"Z": ("one_character", "S1")}))
    assert (found.unmatched_keys[0].key, found.unmatched_keys[0].student) == ("Z", "S1")


def test_rows_that_differ_from_those_with_a_known_digest_get_their_own() -> None:
    first: list[tuple[Any, ...]] = [("S1", "甲", "B1")]
    resolved, known = ResolvedKeys({"S1": "S1"}), {"S1": (first, b"of one key")}
    one = differences(RULE, {"S1": first}, {}, resolved, fresh=known)
    two = differences(RULE, {"S1": first, " s1": [(" s1", "乙", "B2")]}, {}, resolved, fresh=known)
    assert one.changed["S1"].digest == b"of one key"
    assert two.changed["S1"].digest != b"of one key"


def test_a_plan_with_a_change_is_not_empty() -> None:
    assert not answer([("S1", "甲", "B1")], {}).empty


def test_a_student_that_becomes_clear_without_a_new_record_is_counted() -> None:
    nothing = differences(RULE, {}, {}, ResolvedKeys({}))
    joined = AffectedStudent("S1", EARLIER, False, Finding(UNKNOWN, Reason.NOT_ASKED), None)
    assert reconcile.plan("2019", 1, 1, RULE, NOW, nothing, [joined], {}, {}, {}, EARLIER).clears == 1
