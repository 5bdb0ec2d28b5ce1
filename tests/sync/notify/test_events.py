"""Each event: break what it watches, and exactly one message comes, whatever else happens before it is mended."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from clearance.notify.checks import enter_verified
from connectors.port import SourceUnavailable
from status_db import tables
from status_db.backups.making import make
from status_db.backups.manifest import databases
from status_db.model import ROSTER, RunState
from tests.cast import EVERYBODY, GEOLOGY_LOANS, LIN
from tests.services.webhook_server import WebhookServer
from tests.sync.notify.notified import WEBHOOK, Notified
from tests.world import COHORT, SETTINGS, World


def deaf(source: str) -> SourceUnavailable:
    return SourceUnavailable(f"{source} does not answer", "Try again.")


def season_goes_on(world: Notified) -> None:
    """Let a quarter of an hour pass, with all sources asked."""
    world.later(minutes=10)
    for name in world.sync.names():
        world.run(name)
    world.deliver()


def suspended(world: World) -> int:
    """Have a run be suspended: five held students, all released by one answer."""
    world.says["loans"] = [{**GEOLOGY_LOANS[0], "CARD": one.number, "BARCODE": one.number} for one in EVERYBODY]
    world.run("loans")
    world.says["loans"] = [{**GEOLOGY_LOANS[0], "CARD": "99999999"}]
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED, outcome
    assert outcome.run is not None
    return outcome.run


class TestSources:
    def test_a_source_that_dies_at_night_is_one_message_and_one_more_when_it_is_back(self, notified: Notified) -> None:
        notified.fails["loans"] = deaf("loans")
        for _ in range(30):
            season_goes_on(notified)
        assert [event["event"] for event in notified.hook.events()] == ["source_failing"]
        del notified.fails["loans"]
        for _ in range(10):
            season_goes_on(notified)
        assert [event["event"] for event in notified.hook.events()] == ["source_failing", "source_back"]

    def test_it_fails_with_the_third_try_and_not_before(self, notified: Notified) -> None:
        notified.fails["loans"] = deaf("loans")
        for tries in range(1, 4):
            notified.run("loans")
            notified.deliver()
            assert len(notified.hook.calls) == (tries == 3)
        assert notified.hook.events()[0]["data"]["tries"] == 3

    def test_a_source_asked_rarely_fails_when_the_time_is_over(self, notified: Notified) -> None:
        notified.fails["fees"] = deaf("fees")
        notified.run("fees")
        notified.deliver()
        assert notified.hook.calls == []
        notified.later(hours=2)
        notified.deliver()
        notified.deliver()
        assert [event["source"] for event in notified.hook.events()] == ["fees"]

    def test_a_second_failure_is_a_new_message(self, notified: Notified) -> None:
        for _ in range(2):
            notified.fails["loans"] = deaf("loans")
            for _ in range(4):
                notified.run("loans")
            notified.deliver()
            notified.later(minutes=6)
            del notified.fails["loans"]
            notified.run("loans")
            notified.deliver()
            notified.later(minutes=6)
        kinds = [event["event"] for event in notified.hook.events()]
        assert kinds == ["source_failing", "source_back"] * 2
        assert len(set(notified.hook.keys())) == 4

    def test_an_approval_of_an_earlier_answer_does_not_say_that_the_source_is_back(self, notified: Notified) -> None:
        run = suspended(notified)
        notified.fails["loans"] = deaf("loans")
        for _ in range(3):
            notified.run("loans")
        assert notified.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
        notified.deliver()
        assert "source_back" not in [event["event"] for event in notified.hook.events()]

    def test_out_of_date_data_are_one_message(self, notified: Notified) -> None:
        for _ in range(8):
            notified.later(hours=1)
            for name in (ROSTER, "fines", "fees", "checkouts"):
                notified.run(name)
            notified.deliver()
        events = notified.hook.events()
        assert [(event["event"], event["source"]) for event in events] == [("source_stale", "loans")]
        assert "out of date (as of 2019-05-25 08:" in events[0]["title"]


class TestRuns:
    def test_a_suspended_run_states_why_how_many_which_college_where_and_the_command(self, notified: Notified) -> None:
        run = suspended(notified)
        notified.deliver()
        notified.deliver()
        (event,) = notified.hook.events()
        assert event["event"] == "run_suspended"
        text = "\n".join((event["title"], *event["lines"]))
        assert "5 students" in text
        assert "all 5 held students would be" in text
        assert "资源学院: 3 from not cleared to cleared" in text
        assert f"clearance runs approve {run}" in text
        assert event["link"] == f"https://clearance.example.edu/runs/{run}"

    def test_no_message_of_a_group_names_a_student(self, notified: Notified) -> None:
        suspended(notified)
        notified.deliver()
        for one in EVERYBODY:
            assert one.name not in notified.hook.calls[0].body.decode()
            assert one.number not in notified.hook.calls[0].body.decode()

    def test_a_first_answer_that_waits_is_an_event_of_its_own(
        self, status_url: str, tmp_path: object, hook: WebhookServer
    ) -> None:
        strict = SETTINGS.replace('every = "15 min"\nfirst = "apply"', 'every = "15 min"', 1)
        with Notified(status_url, tmp_path, hook, settings=strict) as world:  # type: ignore[arg-type]
            world.says["loans"] = GEOLOGY_LOANS
            assert world.run_all()["loans"].state is RunState.SUSPENDED
            world.deliver()
            world.run("loans")
            world.deliver()
        assert [event["event"] for event in hook.events()] == ["first_answer"]

    def test_an_approval_about_to_lapse_is_reported_once(self, notified: Notified) -> None:
        run = suspended(notified)
        notified.deliver()
        notified.later(hours=59)
        notified.deliver()
        seen = [event for event in notified.hook.events() if event["event"] == "approval_lapses"]
        assert seen == []
        notified.later(hours=2)
        notified.deliver()
        notified.later(hours=2)
        notified.deliver()
        seen = [event for event in notified.hook.events() if event["event"] == "approval_lapses"]
        assert [event["data"]["run"] for event in seen] == [run]


class TestChecks:
    def test_a_failed_verify_is_one_message_until_a_sound_one(self, notified: Notified) -> None:
        def verify() -> None:
            report = notified.program.verified({})
            enter_verified(notified.program, [(COHORT, report)])
            notified.deliver()
            notified.later(minutes=6)

        def alter(verdict: str) -> None:
            with notified.engine.begin() as connection:
                own = (tables.status.c.student == LIN.number, tables.status.c.step == "library")
                connection.execute(update(tables.status).where(*own).values(verdict=verdict))

        verify()
        assert notified.hook.calls == []
        alter("held")
        verify()
        verify()
        assert [event["event"] for event in notified.hook.events()] == ["verify_failed"]
        alter("cleared")
        verify()
        alter("held")
        verify()
        assert [event["event"] for event in notified.hook.events()] == ["verify_failed"] * 2

    def test_a_backup_too_old_is_one_message(self, status_url: str, tmp_path: object, hook: WebhookServer) -> None:
        if status_url.startswith("postgresql"):
            pytest.skip("what is looked at is a folder")
        notify = WEBHOOK.replace("[notify]\n", '[notify]\nbackups = "backups"\n')
        with Notified(status_url, tmp_path, hook, notify) as world:  # type: ignore[arg-type]
            make(databases(world.settings.status_db), world.file.parent / "backups", now=world.now, program="0")
            world.deliver()
            assert hook.calls == []
            for _ in range(3):
                world.later(hours=27)
                world.deliver()
        (event,) = [event for event in hook.events() if event["event"] == "backup_old"]
        assert re.search(r"newest backup is of 2019-05-25 08:00", event["title"])


def test_what_comes_within_the_window_is_one_message(notified: Notified) -> None:
    for name in ("loans", "fines", "fees", "checkouts"):
        notified.fails[name] = deaf(name)
    for _ in range(3):
        notified.run("loans")
    notified.deliver()
    for _ in range(3):
        for name in ("fines", "fees", "checkouts"):
            notified.sync.run(name, by="test")
        notified.deliver()
    assert len(notified.hook.calls) == 1, "the window is still open"
    notified.later(minutes=5)
    notified.deliver()
    assert [len(call.json["events"]) for call in notified.hook.calls] == [1, 3]
    assert "and 2 more messages" in notified.hook.calls[1].json["subject"]


def test_without_a_channel_nothing_is_entered(world: World) -> None:
    world.run_all()
    suspended(world)
    with world.engine.connect() as connection:
        assert connection.execute(tables.outbox.select()).all() == []


def test_a_notice_and_its_cause_are_one_transaction(notified: Notified, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("power")

    before = notified.now
    monkeypatch.setattr("status_db.marks.leases.RunNotices.suspended", broken)
    with pytest.raises(RuntimeError):
        suspended(notified)
    with notified.engine.connect() as connection:
        states = connection.execute(tables.run.select().where(tables.run.c.began > before)).all()
    assert "suspended" not in [row.state for row in states]
    assert notified.now - before < timedelta(hours=1)
