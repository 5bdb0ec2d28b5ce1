"""What people say about a suspended run, and what the sync makes of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from status_db.marks.approvals import Missing, VoteRefused
from status_db.model import ROSTER, RunState, Verdict, VoteKind
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LIN, SUN
from tests.world import COHORT, SETTINGS, World

STRICT = SETTINGS.replace(
    "[source.fines]", "[source.loans.guard]\noffice_first = true\ntwo_approve = true\n\n[source.fines]"
)

Make = Callable[[str], World]


def suspended(world: World) -> int:
    """Have thirty students hold books, and the library say that all but one are back; return the run that waits."""
    people = [{**SUN.listed(), "学号": f"2015{i:04}", "学院": ("资源学院", "地学院")[i % 2]} for i in range(30)]
    world.says[ROSTER] += people
    world.says["loans"] = [
        {"CARD": p["学号"], "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i, p in enumerate(people)
    ]
    world.run_all()
    world.says["loans"] = world.says["loans"][:1]
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED
    assert outcome.run is not None
    return outcome.run


def many(count: int) -> list[dict[str, str]]:
    """Return so many more rows of the registrar's list."""
    return [{**SUN.listed(), "学号": f"2016{i:04}", "一卡通": "", "原学号": ""} for i in range(count)]


def say(world: World, run: int, says: VoteKind, author: str) -> None:
    world.votes.record(run, says, author=author, now=world.now)


@pytest.fixture
def strict(status_url: str, tmp_path: Path) -> Iterator[World]:
    """A library whose runs need the office's word and two people."""
    with World(status_url, tmp_path, STRICT) as made:
        yield made


def test_an_approval_that_was_entered_elsewhere_is_carried_out(world: World) -> None:
    run = suspended(world)
    assert world.approvals.carry_out() == []
    say(world, run, VoteKind.APPROVE, "admin")
    (outcome,) = world.approvals.carry_out()
    assert (outcome.run, outcome.state) == (run, RunState.APPLIED)
    assert world.verdict("20150007", "library") is Verdict.CLEARED
    assert world.approvals.carry_out() == []


def test_a_rejection_is_carried_out_too_and_beats_an_approval(strict: World) -> None:
    run = suspended(strict)
    say(strict, run, VoteKind.APPROVE, "admin")
    say(strict, run, VoteKind.REJECT, "second")
    (outcome,) = strict.approvals.carry_out()
    assert outcome.state is RunState.REJECTED
    assert strict.verdict("20150007", "library") is Verdict.HELD


def test_where_the_settings_want_it_the_office_and_two_people_must_speak(strict: World) -> None:
    run = suspended(strict)
    for says, author in ((VoteKind.APPROVE, "admin"), (VoteKind.CONFIRM, "librarian")):
        say(strict, run, says, author)
        assert strict.approvals.carry_out() == []
    with pytest.raises(VoteRefused, match="another person is needed"):
        say(strict, run, VoteKind.APPROVE, "admin")
    say(strict, run, VoteKind.APPROVE, "second")
    assert [o.state for o in strict.approvals.carry_out()] == [RunState.APPLIED]


def test_a_vote_is_recorded_once_and_carried_out_when_enough_are_there(strict: World) -> None:
    run = suspended(strict)
    vote = strict.approvals.vote
    assert vote(run, VoteKind.APPROVE, author="admin", now=strict.now).missing == (
        Missing.OFFICE,
        Missing.SECOND_APPROVAL,
    )
    assert vote(run, VoteKind.APPROVE, author="admin", now=strict.now).missing == (
        Missing.OFFICE,
        Missing.SECOND_APPROVAL,
    )
    assert [o.author for o in strict.votes.of_run(run)] == ["admin"]
    assert vote(run, VoteKind.APPROVE, author="second", now=strict.now).missing == (Missing.OFFICE,)
    ended = vote(run, VoteKind.CONFIRM, author="librarian", now=strict.now).outcome
    assert ended is not None
    assert (ended.run, ended.state) == (run, RunState.APPLIED)
    with pytest.raises(VoteRefused, match="does not wait for a vote"):
        vote(run, VoteKind.REJECT, author="third", now=strict.now)


def test_a_vote_of_a_process_that_stopped_before_carrying_it_out_is_carried_out_when_given_again(world: World) -> None:
    run = suspended(world)
    say(world, run, VoteKind.REJECT, "admin")
    ended = world.approvals.vote(run, VoteKind.REJECT, author="admin", reason="x", now=world.now).outcome
    assert ended is not None
    assert ended.state is RunState.REJECTED


def test_a_vote_on_one_change_is_no_vote_on_another(world: World) -> None:
    """The approved run is judged again after the marks have moved, and waits again: no one has voted on that."""
    run = suspended(world)
    world.says["loans"] += [
        {"CARD": f"2015{i:04}", "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i in range(1, 30)
    ]
    world.says["loans"].append({"CARD": SUN.number, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B77"})
    say(world, run, VoteKind.APPROVE, "admin")
    world.later(minutes=1)
    # A recheck moves the source's base; the run's own answer then makes another change.
    world.sync.recheck("loans", SUN.number, by="test")
    (outcome,) = world.approvals.carry_out()
    assert outcome.state is RunState.SUSPENDED
    assert world.votes.of_run(run) == ()
    assert world.approvals.carry_out() == []


def test_a_run_that_has_come_to_another_change_is_not_approved_by_an_earlier_vote(world: World) -> None:
    """Between reading the votes and carrying it out, it may have come to wait for another change."""
    run = suspended(world)
    outcome = world.sync.approve(run, "loans", by="admin", voted_on=b"another change")
    assert (outcome.state, outcome.fault) == (RunState.SKIPPED, "not_waiting")
    assert world.verdict("20150007", "library") is Verdict.HELD
    found = world.reader.run(COHORT, run)
    assert found is not None
    assert found.state is RunState.SUSPENDED
    assert world.sync.approve(run, "loans", by="admin", voted_on=found.digest).state is RunState.APPLIED


def test_no_vote_is_possible_on_a_run_that_does_not_wait(world: World) -> None:
    run = suspended(world)
    say(world, run, VoteKind.REJECT, "admin")
    world.approvals.carry_out()
    with pytest.raises(VoteRefused, match="does not wait for a vote"):
        say(world, run, VoteKind.APPROVE, "admin")
    with pytest.raises(VoteRefused, match="there is no run 9999"):
        say(world, 9999, VoteKind.APPROVE, "admin")


def test_one_sees_whom_a_run_would_move_and_whom_to_look_up(world: World) -> None:
    run = suspended(world)
    seen = world.sync.look(run, "loans")
    assert seen is not None
    assert {(m.college, m.before, m.after, m.students) for m in seen.moved} == {
        ("资源学院", Verdict.HELD, Verdict.CLEARED, 14),
        ("地学院", Verdict.HELD, Verdict.CLEARED, 15),
    }
    assert seen.sample[0].evidence[0].title == "唐诗选"
    assert len(seen.spot_check) == 10
    assert {c.college for c in seen.spot_check} == {"资源学院", "地学院"}
    assert seen == world.sync.look(run, "loans"), "the same students each time one asks"


def test_a_first_answer_is_spot_checked_on_held_and_on_silent_students(status_url: str, tmp_path: Path) -> None:
    with World(status_url, tmp_path, SETTINGS.replace('first = "apply"', "")) as world:
        world.says["loans"] = [{"CARD": SUN.number, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B1"}]
        world.run(ROSTER)
        run = world.run("loans").run
        assert run is not None
        seen = world.sync.look(run, "loans")
    assert seen is not None
    said = {c.student: c.after for c in seen.spot_check}
    assert said[SUN.number] is Verdict.HELD
    assert len(said) == 5
    assert set(said.values()) == {Verdict.HELD, Verdict.CLEARED}


def test_a_run_that_does_not_wait_shows_nothing(world: World) -> None:
    suspended(world)
    assert world.sync.look(world.reader.runs(COHORT, "fines", 1)[0].run, "fines") is None


def test_who_joined_by_an_approved_list_is_unknown_until_each_source_is_asked_again(world: World) -> None:
    """What was asked while the list waited was compared with who was on the roster then."""
    listed = [p.listed() for p in EVERYBODY]
    world.says[ROSTER] = [row for row in listed if row["学号"] != SUN.number] + many(12)
    world.says["loans"] = [{"CARD": SUN.number, "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": "B1"}, GEOLOGY_LOAN]
    world.run_all()
    world.says[ROSTER] = listed
    run = world.run(ROSTER).run
    assert run is not None
    for name in ("loans", "fines", "fees"):
        world.run(name)
    say(world, run, VoteKind.APPROVE, "admin")
    assert [o.state for o in world.approvals.carry_out()] == [RunState.APPLIED]
    world.run("fines")
    assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN
    world.run("loans")
    assert world.verdict(SUN.number, "library") is Verdict.HELD


def test_an_approved_answer_states_nothing_of_who_has_joined_since_it_was_given(world: World) -> None:
    others = many(20)
    world.says[ROSTER] += others
    numbers = [p.number for p in EVERYBODY[:5]] + [row["学号"] for row in others]
    done = [{"学号": number, "清退状态": "已清退", "房间": "412"} for number in numbers]
    world.says["checkouts"] = [row for row in done if row["学号"] != SUN.number]
    world.run_all()
    world.says["checkouts"] = [row for row in done if row["学号"] in (LIN.number, SUN.number)]
    run = world.run("checkouts").run
    assert run is not None
    for listed in ([p for p in EVERYBODY if p is not SUN], EVERYBODY):
        world.says[ROSTER] = [p.listed() for p in listed] + others
        world.run(ROSTER)
    for state in (RunState.SUSPENDED, RunState.APPLIED):
        say(world, run, VoteKind.APPROVE, "admin")
        assert [o.state for o in world.approvals.carry_out()] == [state], "without Sun it is another change"
    assert world.verdict(SUN.number, "dorm") is Verdict.UNKNOWN
    world.run("checkouts")
    assert world.verdict(SUN.number, "dorm") is Verdict.CLEARED
