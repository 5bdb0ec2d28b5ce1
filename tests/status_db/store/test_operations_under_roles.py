"""Notifications, pauses, rechecks and metrics, each by the role of a real PostgreSQL whose process does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from clearance.notify.assembly import delivery_and_watch
from clearance.services import Program
from clearance.web import application
from config.load import load
from config.settings import Settings
from connectors import memory
from connectors.port import SourceUnavailable
from status_db.accounts.addresses import NotifyAddresses
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk.store import DeskStore
from status_db.inbox.appeal_rows import AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import Requests
from status_db.model import RunState
from status_db.queries.runs import RunReader
from status_db.store.engine import open_writing
from status_db.store.roles import apply
from sync.notify.deliver import Delivery
from sync.notify.watch import Watch
from sync.service.gate import SourceGate
from sync.service.inbox import Serving
from sync.service.metrics import Measured, Queue, SyncMetrics
from tests.cast import LIN, ZHAO
from tests.four_roles import FourRoles
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import enter, lin_objects, settle, token_in
from tests.services.webhook_server import WebhookServer
from tests.status_db.store.test_work_under_roles import hand_over
from tests.sync.notify.notified import Notified
from tests.world import COHORT, serving_of


@dataclass
class Operated:
    """A university on PostgreSQL that notifies a webhook, and its roles."""

    world: Notified
    roles: FourRoles
    hook: WebhookServer

    def url(self, role: str) -> str:
        """Return where a role connects."""
        return self.roles.url(self.world.url, role)

    def settings(self, url: str, **more: str) -> Settings:
        """Return the settings as the process of a role reads them."""
        environ = {"STATUS_URL": url, "HOOK_URL": self.hook.url, "HOOK_SECRET": "a secret of two", **more}
        return load(self.world.file, {"memory": memory.Settings}.get, environ)


@pytest.fixture
def operated(roles: FourRoles, postgres_url: str, tmp_path: Path) -> Iterator[Operated]:
    with WebhookServer() as hook, Notified(postgres_url, tmp_path, hook) as world:
        settle(world)
        apply(world.url, roles.named, ("marks", "desk"))
        yield Operated(world, roles, hook)


@dataclass
class Scheduled:
    """What the schedule does, by the role of the sync alone."""

    operated: Operated
    program: Program
    engine: Engine

    @property
    def parts(self) -> tuple[Delivery, Watch]:
        """The delivery and the watch."""
        return delivery_and_watch(self.program)

    def deliver(self) -> list[str]:
        """Look, deliver, and return the events of the webhook."""
        delivery, watch = self.parts
        watch.look()
        delivery.run()
        self.operated.world.later(minutes=6)
        return [event["event"] for event in self.operated.hook.events()]


@pytest.fixture
def scheduled(operated: Operated) -> Iterator[Scheduled]:
    world = operated.world
    program = Program(operated.settings(operated.url(operated.roles.named.sync)), COHORT, world.clock)
    world.engine.dispose()
    world.engine = open_writing(operated.url(operated.roles.named.sync))
    for writer in (world.sync, world.votes):
        hand_over(writer, world.engine)
    yield Scheduled(operated, program, world.engine)
    program.close()


def test_the_sync_enters_delivers_records_and_prunes_what_people_are_notified_of(scheduled: Scheduled) -> None:
    world = scheduled.operated.world
    world.fails["loans"] = SourceUnavailable("nobody is there", "Wait.")
    for _ in range(3):
        assert world.run("loans").state is RunState.FAILED
    assert scheduled.deliver() == ["source_failing"]
    world.fails.clear()
    world.run("loans")
    assert scheduled.deliver() == ["source_failing", "source_back"]
    world.later(hours=9)
    assert "source_stale" in scheduled.deliver()
    assert Audit(world.desk).newest(event=AuditEvent.NOTIFIED)
    world.later(days=400)
    assert sum(box.prune(world.now) for box in scheduled.program.outboxes) >= 2


def test_the_desks_role_enters_an_answered_appeal_and_the_sync_delivers_it(scheduled: Scheduled) -> None:
    operated, world = scheduled.operated, scheduled.operated.world
    raised = lin_objects(world)
    desk = open_writing(operated.url(operated.roles.named.desk))
    appeals = Appeals(DeskStore(desk, world.settings.status_db.ledger_key_file), notify_students=True)
    appeals.answer(raised.appeal, AppealOutcome.EXPLAINED, "没有还", account="librarian", now=world.now)
    desk.dispose()
    _, of_desk = scheduled.program.outboxes
    assert [row.notice.event for row in of_desk.listed(10)] == ["appeal_answered"]
    scheduled.deliver()
    # No channel reaches students here, so it is closed with the reason.
    assert [row.state for row in of_desk.listed(10)] != ["waits"]


def test_a_pause_by_the_desks_role_holds_the_schedule_and_its_end_releases_it(scheduled: Scheduled) -> None:
    operated, world = scheduled.operated, scheduled.operated.world
    program = scheduled.program
    assert isinstance(program.gate, SourceGate)
    with staff_pages(operated) as browser:
        enter(browser, "admin")
        posted = {"form_token": token_in(browser.get("/sources")), "reason": "the library moves"}
        assert browser.post("/sources/loans/pause", data=posted).status_code == 200
        wait = program.gate.wait(COHORT, "loans", world.now)
        assert wait is not None
        assert wait.code == "paused"
        pauses = Pauses(program.desk)
        assert pauses.current()["loans"].reason == "the library moves"
        posted = {"form_token": token_in(browser.get("/sources"))}
        assert browser.post("/sources/loans/resume", data=posted).status_code == 200
        assert program.gate.wait(COHORT, "loans", world.now) is None
        posted = {"form_token": token_in(browser.get("/sources"))}
        assert browser.post("/sources/loans/sync", data=posted).status_code == 200
    assert serving_by(scheduled).serve() == 1


def test_addresses_are_entered_by_the_desks_role_and_read_by_the_sync(scheduled: Scheduled) -> None:
    operated = scheduled.operated
    with staff_pages(operated) as browser:
        enter(browser, "admin")
        posted = {"form_token": token_in(browser.get("/own")), "mail": "", "wecom": "Guan", "dingtalk": ""}
        assert browser.post("/own/addresses", data=posted).status_code == 200
        assert browser.post("/own/addresses", data=posted | {"wecom": "GuanLi"}).status_code == 200
    assert scheduled.program.addresses.of("admin") == NotifyAddresses(wecom="GuanLi")


def test_rechecks_of_a_student_and_of_an_offices_program_are_asked_and_served(scheduled: Scheduled) -> None:
    operated, world = scheduled.operated, scheduled.operated.world
    students = operated.settings(
        operated.url(operated.roles.named.portal),
        CLEARANCE__STATUS_DB__DESK_URL="env:DESK_URL",
        DESK_URL=operated.url(operated.roles.named.students),
    )
    with browsing(application(students, clock=world.clock, staff=False)) as browser:
        enter(browser, LIN.number)
        posted = {"form_token": token_in(browser.get("/own"))}
        assert browser.post("/recheck", data=posted).status_code == 200
    secret, _ = give_token(world, "librarian", recheck=["loans"])
    with staff_pages(operated) as browser:
        body = {"student": ZHAO.number, "source": "loans"}
        assert browser.post("/api/v1/recheck", json=body, headers=bearing(secret)).status_code == 202
    assert serving_by(scheduled).serve() == 2
    assert Requests(world.desk).waiting(COHORT) == ()


def test_the_metrics_are_read_by_the_syncs_role(scheduled: Scheduled) -> None:
    world, program = scheduled.operated.world, scheduled.program
    requests = Requests(program.desk)
    measured = Measured(
        program.reader, RunReader(program.reading), (COHORT,), Pauses(program.desk).current, world.clock, world.now,
        {
            "requests": lambda now: Queue(*requests.queue(now)),
            "notices": lambda now: Queue(*program.outboxes[0].queue(now)),
            "desk": lambda now: Queue(*program.outboxes[1].queue(now)),
        },
    )  # fmt: skip
    text = generate_latest(SyncMetrics(lambda: {"": measured}).registry()).decode()
    assert 'clearance_database_up{database="marks"} 1.0' in text
    assert 'clearance_database_up{database="desk"} 1.0' in text


def staff_pages(operated: Operated) -> TestClient:
    """Return the staff pages by their roles: the operator's on the marks, the desk's on the accounts."""
    named = operated.roles.named
    settings = operated.settings(
        operated.url(named.operator),
        CLEARANCE__STATUS_DB__OPERATOR_URL="env:OPERATOR_URL",
        OPERATOR_URL=operated.url(named.operator),
        CLEARANCE__STATUS_DB__DESK_URL="env:DESK_URL",
        DESK_URL=operated.url(named.desk),
        CLEARANCE__AUTH__SECOND_FACTOR="off",
    )
    return browsing(application(settings, clock=operated.world.clock, students=False))


def browsing(app: Starlette) -> TestClient:
    """Return a browser of the pages at their public address."""
    return TestClient(app, base_url="https://clearance.example.edu", follow_redirects=True)


def serving_by(scheduled: Scheduled) -> Serving:
    """Return what serves requests, by the role of the sync in both databases."""
    return serving_of(scheduled.operated.world, scheduled.program.desk)
