"""What counts as clear is written once in Python and once in SQL: on every state of the tables, both agree."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from portal.present.headline import is_clear
from status_db import tables
from status_db.effective.visible import everything
from status_db.model import FIRST_FINDING, Reason, State, StepKind, Verdict, as_of_text
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.queries.named_students import NamedStudents
from status_db.store.engine import writing
from tests import sizes
from tests.cast import MORNING, SUN
from tests.world import COHORT, SETTINGS, World

NOW = MORNING + timedelta(days=3)
#: A postgraduate has a review before the last one, and a step that sources decide for others alone.
TWO_REVIEWS = SETTINGS.replace(
    """{ step = "dorm" },
  { step = "final_review", kind = "review" },""",
    """{ step = "dorm", kind = "manual" },
  { step = "school_check", kind = "review", after = ["library", "dorm"] },
  { step = "final_review", kind = "review" },""",
).replace(
    "[[flow]]", '[[step]]\nkey = "school_check"\ntitle = "研究生院"\noffice = { name = "研究生院" }\n\n[[flow]]', 1
)
#: Flow → the kind of each step before the last review. Nobody has configured the last of them.
KINDS = {
    "undergraduate": {
        "library": StepKind.SYNCED, "finance": StepKind.SYNCED, "dorm": StepKind.SYNCED,
        "college_items": StepKind.MANUAL,
    },
    "postgraduate": {
        "library": StepKind.SYNCED, "finance": StepKind.SYNCED, "dorm": StepKind.MANUAL,
        "college_items": StepKind.MANUAL, "school_check": StepKind.REVIEW,
    },
    "renamed": {},
}  # fmt: skip
STEPS = ("library", "finance", "dorm", "college_items")
#: Of no flow at all, and of one flow alone.
ELSEWHERE = ("textbook", "school_check", "final_review")
KEYS = st.lists(st.sampled_from(["loan:B1", "loan:B2", "fee:1"]), max_size=2, unique=True).map(sorted)
VERDICTS = st.sampled_from(list(Verdict))

#: A finding or a decision, column by column.
Found: TypeAlias = st.SearchStrategy[dict[str, Any]]

#: What the table may hold for a step: nothing, what a source found, or what stands there before anybody has decided.
FOUND = st.fixed_dictionaries(
    {"verdict": VERDICTS, "reason": st.just("owed"), "keys": KEYS, "run": st.sampled_from([None, 1, 2])}
)
FIRST: Found = st.sampled_from(["awaiting_decision", "awaiting_review", "not_asked"]).map(
    lambda reason: {"verdict": Verdict.UNKNOWN, "reason": reason, "keys": [], "run": None}
)
FINDING = st.one_of(FOUND, FOUND, FIRST, st.none())
CLEAR = FOUND.map(lambda found: {**found, "verdict": Verdict.CLEARED, "keys": []})
DECISION = st.none() | st.fixed_dictionaries(
    {
        "verdict": st.sampled_from([Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT]),
        "answered_verdict": VERDICTS,
        "answered_keys": KEYS,
        "until": st.sampled_from([None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1)]),
    }
)
#: An operator has passed it, for good.
PASSED: Found = st.just(
    {"verdict": Verdict.CLEARED, "answered_verdict": Verdict.UNKNOWN, "answered_keys": [], "until": None}
)
REVIEW = st.none() | st.fixed_dictionaries(
    {
        "verdict": st.sampled_from([Verdict.CLEARED, Verdict.CLEARED, Verdict.HELD]),
        # Given on what stands, on something that has moved since, or when the flow did not have that step.
        "moved": st.sampled_from([None, None, None, *STEPS, "school_check"]),
        "knew": st.sampled_from([True, True, False]),
        "issued": st.booleans(),
        # Of answers that were too old: which were accepted, and whether there was a newer one since.
        "accepts": st.just({})
        | st.dictionaries(st.sampled_from(["library", "finance"]), st.sampled_from(["last", "older"])),
    }
)
FLOWS = st.sampled_from(["undergraduate", "undergraduate", "postgraduate", "postgraduate", "renamed"])
OTHERS = st.lists(st.tuples(st.sampled_from(ELSEWHERE), FOUND), max_size=2, unique_by=lambda one: one[0])
CHECK = st.none() | st.sampled_from([Verdict.CLEARED, Verdict.CLEARED, Verdict.HELD])
STUDENT = st.tuples(FLOWS, st.tuples(*[st.tuples(FINDING, DECISION)] * 4), OTHERS, CHECK, REVIEW)
#: Mostly clear, so that reviews are open often enough to be told apart.
CLEARISH = st.tuples(
    FLOWS,
    st.tuples(*[st.tuples(CLEAR, st.none() | DECISION)] * 2, *[st.tuples(CLEAR | st.none(), PASSED)] * 2),
    OTHERS,
    CHECK,
    REVIEW,
)
#: All clear, and reviewed over answers that may be too old by now.
ACCEPTED = st.tuples(
    st.sampled_from(["undergraduate", "postgraduate"]),
    st.tuples(*[st.tuples(CLEAR, st.none())] * 2, *[st.tuples(CLEAR, PASSED)] * 2),
    st.just([]),
    st.just(Verdict.CLEARED),
    st.fixed_dictionaries(
        {
            "verdict": st.just(Verdict.CLEARED),
            "moved": st.none(),
            "knew": st.just(True),
            "issued": st.just(False),
            "accepts": st.fixed_dictionaries(
                {"library": st.sampled_from(["last", "older"]), "finance": st.just("last")}
            ),
        }
    ),
)


@pytest.fixture
def world(status_url: str, tmp_path: Path) -> Iterator[World]:
    """The cast's university with two reviews for postgraduates."""
    with World(status_url, tmp_path, TWO_REVIEWS) as made:
        yield made


def store(world: World, students: list[Any], ages: dict[str, timedelta]) -> None:
    """Write students as they might stand after any history, each in a college of their own."""
    with writing(world.engine, COHORT) as connection:
        for table in (tables.certificate, tables.decision, tables.status, tables.student):
            connection.execute(delete(table))
        for source, age in ages.items():
            state = {"began": NOW - age, "ended": NOW - age, "fresh_for_seconds": 3600}
            where = tables.source_state.c.source == source
            connection.execute(tables.source_state.update().where(where).values(**state))
        for at, (flow, steps, others, check, review) in enumerate(students):
            number = f"S{at:03}"
            person: dict[str, Any] = {
                "name": "x",
                "level": "undergraduate",
                "college": number,
                "class": "",
                "campus": "",
                "building": "",
            }
            person |= {"category": "毕业", "extra": {}, "flow": flow, "active": True, "joined_at": MORNING}
            connection.execute(insert(tables.student).values(cohort=COHORT, student=number, digest=b"", **person))
            version_tag: dict[str, str] = {}
            for step, (finding, decision) in zip(STEPS, steps, strict=True):
                at_step = {"cohort": COHORT, "student": number, "step": step}
                find(connection, at_step, finding)
                counts = 0
                if decision is not None:
                    decided = decide(connection, at_step, **decision)
                    counts = decided if decision["until"] is None or decision["until"] > NOW else 0
                kind = KINDS[flow].get(step, StepKind.SYNCED)
                own = finding is not None and kind is StepKind.SYNCED and not finding["reason"].startswith("awaiting")
                version_tag[step] = f"{(finding['run'] if own else 0) or 0}:{counts}"
            for step, finding in others:
                find(connection, {"cohort": COHORT, "student": number, "step": step}, finding)
            given_on: dict[str, Any] = {"answered_verdict": Verdict.UNKNOWN, "answered_keys": [], "until": None}
            if check is not None:
                at_check = {"cohort": COHORT, "student": number, "step": "school_check"}
                checked = decide(connection, at_check, verdict=check, **given_on, reviewed_versions=dict(version_tag))
                version_tag["school_check"] = f"0:{checked}"
            if review is not None:
                reviewed_versions = version_tag | ({review["moved"]: "9:9"} if review["moved"] else {})
                if not review["knew"]:
                    del reviewed_versions["dorm"]
                last = {"library": NOW - max(ages["loans"], ages["fines"]), "finance": NOW - ages["fees"]}
                accepts = {
                    step: as_of_text(last[step] if which == "last" else last[step] - timedelta(hours=1))
                    for step, which in review["accepts"].items()
                }
                given_on |= {"reviewed_versions": reviewed_versions, "accepts": accepts or None}
                at_review = {"cohort": COHORT, "student": number, "step": "final_review"}
                decided = decide(connection, at_review, verdict=review["verdict"], **given_on)
                if review["issued"]:
                    issued = {"number": number, "kind": "毕业", "decision": decided, "issued_at": NOW, "issued_by": "x"}
                    issued |= {"collected": "self", "collector": ""}
                    connection.execute(insert(tables.certificate).values(cohort=COHORT, student=number, **issued))


def find(connection: Any, at: dict[str, Any], finding: dict[str, Any] | None) -> None:
    if finding is not None:
        found = {name: finding[name] for name in ("verdict", "reason", "run")}
        found |= {"evidence_keys": finding["keys"] or None, "since": NOW - timedelta(days=1)}
        connection.execute(insert(tables.status).values(**at, **found))


def decide(connection: Any, at: dict[str, Any], **values: Any) -> int:
    common = {"author": "x", "reason": "r", "words": "", "note": "", "decided_at": MORNING, "entered_at": MORNING}
    made = insert(tables.decision).values(**at, **common, **values).returning(tables.decision.c.decision)
    number: int = connection.execute(made).scalar_one()
    return number


@pytest.mark.property
def test_python_and_sql_say_the_same_of_every_review(world: World) -> None:
    seen: set[tuple[str, State]] = set()
    accepted: set[tuple[str, ...]] = set()
    never: set[tuple[str, StepKind]] = set()
    lists, named = Lists(world.engine, world.settings), NamedStudents(world.engine, world.settings)
    world.run_all()

    @settings(max_examples=sizes.times(20), suppress_health_check=list(HealthCheck))
    @given(
        st.lists(STUDENT | CLEARISH | ACCEPTED, min_size=9, max_size=15),
        st.fixed_dictionaries(
            {name: st.sampled_from([timedelta(minutes=5), timedelta(hours=2)]) for name in ("loans", "fees")}
        ),
    )
    def holds(students: list[Any], ages: dict[str, timedelta]) -> None:
        fresh = {"fines": timedelta(0), "checkouts": timedelta(0)}
        store(world, students, ages | fresh)
        visibility = everything(world.settings, COHORT)
        counted = world.reader.overview(COHORT, NOW).by_college
        clear, open_ = (
            {one.student: one for one in lists.leaf(visibility, Filter(wanted), NOW, 100).rows}
            for wanted in (ListSelection.CLEAR, ListSelection.NOT_CLEAR)
        )
        views = named.students(COHORT, [f"S{at:03}" for at in range(len(students))], NOW)
        for at, (flow, steps, *_) in enumerate(students):
            view = views[f"S{at:03}"]
            # Every step of the flow as the settings have it, and no other.
            assert {s.step: s.kind for s in view.steps if s.step != "final_review"} == KINDS[flow]
            assert set(counted.get(view.college, {})) == {step.step for step in view.steps}
            assert (view.student in clear, view.student in open_) == (
                is_clear(view, NOW),
                bool(view.steps) and not is_clear(view, NOW),
            )
            for step in view.steps:
                state = step.at(NOW).state
                assert counted[view.college][step.step].by_state == {state: 1}, (view.student, step)
                seen.add((step.step, state))
                if step.step == "final_review" and step.waits_for and not step.issued and state is State.CLEARED:
                    accepted.add(step.waits_for)
                found = dict(zip(STEPS, steps, strict=True)).get(step.step, (None, None))
                if found == (None, None) and step.kind is not StepKind.REVIEW:
                    assert (step.finding, step.since) == (FIRST_FINDING[step.kind], MORNING)
                    assert not step.counts_as_clear(NOW)
                    never.add((flow, step.kind))

    found_never = {(flow, kind) for flow in KINDS for kind in KINDS[flow].values() if kind is not StepKind.REVIEW}
    reviewed = {State.OPEN, State.CLOSED, State.CLEARED, State.HELD}
    every_review = {(step, state) for step in ("final_review", "school_check") for state in reviewed}
    for _ in range(10):
        # Twenty by chance may leave out what is rare: then some more.
        holds()
        if accepted and never >= found_never and seen >= every_review:
            break
    assert accepted
    assert never >= found_never
    assert seen >= every_review


def test_since_when_is_the_same_in_lists_and_in_sql(world: World) -> None:
    world.run_all()
    found = {"verdict": Verdict.HELD, "reason": Reason.OWED, "keys": [], "run": 1}
    waits: dict[str, Any] = {"verdict": Verdict.UNKNOWN, "reason": Reason.AWAITING_DECISION, "keys": [], "run": None}
    steps = [(None, None)] * 2
    students: list[Any] = [
        ("undergraduate", (*steps, (one, None), (None, None)), [], None, None) for one in (found, None, waits, found)
    ] + [("postgraduate", (*steps, (one, None), (None, None)), [], None, None) for one in (found, None, waits)]
    store(world, students, {})
    chosen = Filter(ListSelection.ALL, "dorm", order=Order.SINCE)
    lists, visibility = Lists(world.engine, world.settings), everything(world.settings, COHORT)
    # Those of whom nothing is found have waited since they joined; each page begins where the one before ends.
    first = lists.leaf(visibility, chosen, NOW, 3)
    second = lists.leaf(visibility, chosen, NOW, 10, after=first.rows[-1].key)
    listed = [one.student for one in (*first.rows, *second.rows)]
    assert listed == ["S001", "S002", "S004", "S005", "S000", "S003", "S006"]
    for one in (*first.rows, *second.rows):
        assert one.key[0] == next(s for s in one.steps if s.step == "dorm").since.isoformat()


def test_a_student_who_left_the_list_is_not_counted(world: World) -> None:
    world.run_all()
    world.says["roster"] = [row for row in world.says["roster"] if row["学号"] != SUN.number]
    world.run("roster")
    assert world.reader.overview(COHORT, world.now).students == 4
