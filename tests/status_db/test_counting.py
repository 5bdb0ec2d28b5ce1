"""What counts as clear is said once in Python and once in SQL: on whatever stands in the tables, both say the same."""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from status_db import tables
from status_db.engine import writing
from status_db.model import State, Verdict, said_as_of
from tests.cast import MORNING, SUN
from tests.world import COHORT, World

NOW = MORNING + timedelta(days=3)
SYNCED = ("library", "finance", "dorm")
STEPS = (*SYNCED, "college_items")
KEYS = st.lists(st.sampled_from(["loan:B1", "loan:B2", "fee:1"]), max_size=2, unique=True).map(sorted)
VERDICTS = st.sampled_from(list(Verdict))

FINDING = st.fixed_dictionaries({"verdict": VERDICTS, "keys": KEYS, "run": st.sampled_from([None, 1, 2])})
DECISION = st.none() | st.fixed_dictionaries(
    {
        "verdict": st.sampled_from([Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT]),
        "answered_verdict": VERDICTS,
        "answered_keys": KEYS,
        "until": st.sampled_from([None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1)]),
    }
)
STEP = st.tuples(FINDING, DECISION)
REVIEW = st.none() | st.fixed_dictionaries(
    {
        "verdict": st.sampled_from([Verdict.CLEARED, Verdict.CLEARED, Verdict.HELD]),
        # Given on what stands, or on something that has moved since.
        "moved": st.sampled_from([None, None, *STEPS]),
        "issued": st.booleans(),
        # Of answers that were too old: which were accepted, and whether there was a newer one since.
        "accepts": st.just({})
        | st.dictionaries(st.sampled_from(["library", "finance"]), st.sampled_from(["last", "older"])),
    }
)
STUDENT = st.tuples(st.tuples(*[STEP] * len(STEPS)), REVIEW)
#: Mostly clear, so that reviews are open often enough to be told apart.
CLEARISH = st.tuples(
    st.tuples(
        *[st.tuples(FINDING.map(lambda f: {**f, "verdict": Verdict.CLEARED, "keys": []}), st.none() | DECISION)] * 4
    ),
    REVIEW,
)
#: All clear, and reviewed over answers that may be too old by now.
ACCEPTED = st.tuples(
    st.tuples(*[st.tuples(FINDING.map(lambda f: {**f, "verdict": Verdict.CLEARED, "keys": []}), st.none())] * 4),
    st.fixed_dictionaries(
        {
            "verdict": st.just(Verdict.CLEARED),
            "moved": st.none(),
            "issued": st.just(False),
            "accepts": st.fixed_dictionaries(
                {"library": st.sampled_from(["last", "older"]), "finance": st.just("last")}
            ),
        }
    ),
)


def store(world: World, students: list[Any], ages: dict[str, timedelta]) -> None:
    """Write students as they might stand after any history, each in a college of their own."""
    with writing(world.engine, COHORT) as connection:
        for table in (tables.certificate, tables.decision, tables.status, tables.student):
            connection.execute(delete(table))
        for source, age in ages.items():
            state = {"began": NOW - age, "ended": NOW - age, "fresh_for_seconds": 3600}
            where = tables.source_state.c.source == source
            connection.execute(tables.source_state.update().where(where).values(**state))
        for at, (steps, review) in enumerate(students):
            number = f"S{at:03}"
            person: dict[str, Any] = {
                "name": "x",
                "level": "undergraduate",
                "college": number,
                "class": "",
                "campus": "",
                "building": "",
            }
            person |= {"category": "毕业", "extra": {}, "flow": "undergraduate", "active": True, "joined_at": MORNING}
            connection.execute(insert(tables.student).values(cohort=COHORT, student=number, digest=b"", **person))
            footing: dict[str, str] = {}
            for step, (finding, decision) in zip(STEPS, steps, strict=True):
                reason = "awaiting_decision" if step == "college_items" else "owed"
                at_step = {"cohort": COHORT, "student": number, "step": step}
                found = {"verdict": finding["verdict"], "reason": reason, "evidence_keys": finding["keys"] or None}
                connection.execute(insert(tables.status).values(**at_step, **found, since=MORNING, run=finding["run"]))
                counts = 0
                if decision is not None:
                    decided = decide(connection, at_step, **decision)
                    counts = decided if decision["until"] is None or decision["until"] > NOW else 0
                footing[step] = f"{finding['run'] or 0}:{counts}"
            at_review = {"cohort": COHORT, "student": number, "step": "final_review"}
            waiting = {"verdict": "unknown", "reason": "awaiting_review", "since": MORNING}
            connection.execute(insert(tables.status).values(**at_review, **waiting))
            if review is not None:
                rests_on = footing | ({review["moved"]: "9:9"} if review["moved"] else {})
                given_on: dict[str, Any] = {"answered_verdict": Verdict.UNKNOWN, "answered_keys": [], "until": None}
                last = {"library": NOW - max(ages["loans"], ages["fines"]), "finance": NOW - ages["fees"]}
                accepts = {
                    step: said_as_of(last[step] if which == "last" else last[step] - timedelta(hours=1))
                    for step, which in review["accepts"].items()
                }
                given_on |= {"rests_on": rests_on, "accepts": accepts or None}
                decided = decide(connection, at_review, verdict=review["verdict"], **given_on)
                if review["issued"]:
                    issued = {"number": number, "kind": "毕业", "decision": decided, "issued_at": NOW, "issued_by": "x"}
                    issued |= {"collected": "self", "collector": ""}
                    connection.execute(insert(tables.certificate).values(cohort=COHORT, student=number, **issued))


def decide(connection: Any, at: dict[str, Any], **values: Any) -> int:
    common = {"author": "x", "reason": "r", "words": "", "note": "", "decided_at": MORNING, "entered_at": MORNING}
    made = insert(tables.decision).values(**at, **common, **values).returning(tables.decision.c.decision)
    number: int = connection.execute(made).scalar_one()
    return number


def test_python_and_sql_say_the_same_of_every_review(world: World) -> None:
    seen: set[State] = set()
    accepted: set[tuple[str, ...]] = set()
    world.run_all()

    @settings(max_examples=30, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(STUDENT | CLEARISH | ACCEPTED, min_size=6, max_size=10),
        st.fixed_dictionaries(
            {name: st.sampled_from([timedelta(minutes=5), timedelta(hours=2)]) for name in ("loans", "fees")}
        ),
    )
    def holds(students: list[Any], ages: dict[str, timedelta]) -> None:
        fresh = {"fines": timedelta(0), "checkouts": timedelta(0)}
        store(world, students, ages | fresh)
        counted = world.reader.overview(COHORT, NOW).by_college
        for at in range(len(students)):
            view = world.reader.student(COHORT, f"S{at:03}", NOW)
            assert view is not None
            for step in view.steps:
                state = step.at(NOW).state
                assert counted[view.college][step.step].by_state == {state: 1}, (view.student, step)
                seen.add(state)
                if step.step == "final_review" and step.waits_for and not step.issued and state is State.CLEARED:
                    accepted.add(step.waits_for)

    holds()
    assert accepted
    assert {State.OPEN, State.CLOSED, State.CLEARED, State.HELD} <= seen


def test_a_student_who_left_the_list_is_not_counted(world: World) -> None:
    world.run_all()
    world.says["roster"] = [row for row in world.says["roster"] if row["学号"] != SUN.number]
    world.run("roster")
    assert world.reader.overview(COHORT, world.now).students == 4
