"""Messages to people: class teachers' digests, and students whose step flips or whose appeal is answered."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.load import SettingsError
from status_db.accounts.accounts import Act, Grant
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeal_rows import AppealEvidence, AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.model import State, Verdict
from tests.cast import GEOLOGY_LOAN, LIN, POETRY_LOAN, QIAN, SUN
from tests.services.mail_server import MailServer
from tests.services.tls_office import Certificate
from tests.services.webhook_server import WebhookServer
from tests.sync.notify.notified import WEBHOOK, Notified
from tests.sync.notify.test_delivery import MAIL
from tests.world import COHORT, SETTINGS, World

#: Half past seven in Shanghai.
HALF_PAST_SEVEN = datetime(2019, 5, 26, 23, 30, tzinfo=UTC)

WITH_MAIL = SETTINGS.replace('former = "原学号"', 'former = "原学号"\nmail = "E-Mail"')


def notify(server: MailServer, shown: Certificate, more: str = "", students: str = "") -> str:
    own = WEBHOOK.replace("[notify]\n", f"[notify]\n{more}\n")
    return own + "events = []\n" + MAIL.format(port=server.port, authority=shown.authority) + students


@pytest.fixture
def server(shown: Certificate) -> Iterator[MailServer]:
    with MailServer(shown) as made:
        yield made


class TestClassTeachers:
    @pytest.fixture
    def school(
        self, status_url: str, tmp_path: Path, hook: WebhookServer, server: MailServer, shown: Certificate
    ) -> Iterator[Notified]:
        """A class teacher of two classes, and a dean of a college, both with addresses; two students owe books."""
        settings = notify(server, shown, 'class_digest = "30 7 * * *"')
        with Notified(status_url, tmp_path, hook, settings) as world:
            world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
            world.run_all()
            scope = {"class": (LIN.class_name,)}
            world.accounts.add("teacher", "班主任", None, grants=[Grant(Act.READ, None, scope)], now=world.now)
            college = {"college": (LIN.college,)}
            world.accounts.add("dean", "院长", None, grants=[Grant(Act.READ, None, college)], now=world.now)
            for account in ("teacher", "dean"):
                world.program.addresses.change(account, {"mail": f"{account}@example.edu.cn"})
            yield world

    def test_a_morning_brings_one_digest_of_those_still_open(self, school: Notified, server: MailServer) -> None:
        school.now = HALF_PAST_SEVEN - timedelta(minutes=30)
        school.run_all()
        school.now = HALF_PAST_SEVEN - timedelta(minutes=1)
        school.deliver()
        assert server.mails == []
        school.now = HALF_PAST_SEVEN
        for _ in range(5):
            school.deliver()
            school.later(minutes=10)
        (mail,) = server.mails
        text = mail.get_content()
        assert mail["To"] == "teacher@example.edu.cn"
        assert f"{LIN.class_name} {LIN.number} {LIN.name}: Library" in text
        assert QIAN.name not in text
        assert SUN.name not in text

    def test_each_morning_has_its_own(self, school: Notified, server: MailServer) -> None:
        for day in range(3):
            school.now = HALF_PAST_SEVEN + timedelta(days=day)
            school.deliver()
        assert len(server.to("teacher@example.edu.cn")) == 3

    def test_when_nobody_has_anything_to_do_there_is_no_mail(self, school: Notified, server: MailServer) -> None:
        school.says["loans"] = []
        school.run("loans")
        school.now = HALF_PAST_SEVEN
        school.deliver()
        assert server.mails == []
        assert [row.state for row in school.program.outboxes[1].listed(10)] == ["delivered"]

    def test_a_digest_that_is_hours_late_is_not_sent(self, school: Notified, server: MailServer) -> None:
        school.now = HALF_PAST_SEVEN + timedelta(hours=5)
        school.deliver()
        assert server.mails == []

    def test_no_group_gets_it(self, school: Notified, hook: WebhookServer) -> None:
        school.now = HALF_PAST_SEVEN
        school.deliver()
        assert hook.calls == []


class TestStudents:
    @pytest.fixture
    def school(
        self, status_url: str, tmp_path: Path, hook: WebhookServer, server: MailServer, shown: Certificate
    ) -> Iterator[Notified]:
        """A university whose roster has addresses, and that tells students."""
        settings = notify(server, shown, students='[notify.students]\nmail = "mail"\n')
        with Notified(status_url, tmp_path, hook, settings, settings=WITH_MAIL) as world:
            for row in world.says["roster"]:
                row["E-Mail"] = f"{row['学号']}@example.edu.cn" if row["学号"] != SUN.number else "keine"
            world.run_all()
            yield world

    def test_a_step_that_flips_is_one_mail_to_that_student(self, school: Notified, server: MailServer) -> None:
        school.deliver()
        assert server.mails == [], "the first results are no news"
        school.says["loans"] = [GEOLOGY_LOAN]
        school.run("loans")
        school.run("loans")
        school.deliver()
        (mail,) = server.mails
        assert mail["To"] == f"{LIN.number}@example.edu.cn"
        assert mail["Subject"] == "Library: cleared → not cleared"
        school.later(minutes=6)
        school.says["loans"] = []
        school.run("loans")
        school.deliver()
        assert server.mails[1]["Subject"] == "Library: not cleared → cleared"

    def test_a_decision_that_flips_a_step_is_a_mail_too(self, school: Notified, server: MailServer) -> None:
        school.says["loans"] = [GEOLOGY_LOAN]
        school.run("loans")
        school.deliver()
        school.later(minutes=6)
        asked = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还")
        school.decisions.enter(asked, "librarian", school.now)
        school.deliver()
        assert [mail["Subject"] for mail in server.mails] == [
            "Library: cleared → not cleared",
            "Library: not cleared → cleared",
        ]

    def test_an_answered_appeal_is_one_mail_without_the_answer(self, school: Notified, server: MailServer) -> None:
        raise_and_answer(school, Appeals(school.desk, notify_students=True))
        school.deliver()
        school.deliver()
        (mail,) = server.mails
        assert mail["Subject"] == "Library: your appeal is answered"
        assert "没有还" not in mail.get_content()

    def test_who_has_no_address_gets_none_and_stops_nobody(self, school: Notified, server: MailServer) -> None:
        school.says["loans"] = [{**GEOLOGY_LOAN, "CARD": SUN.number}, GEOLOGY_LOAN]
        school.run("loans")
        school.deliver()
        assert [mail["To"] for mail in server.mails] == [f"{LIN.number}@example.edu.cn"]
        assert school.program.outboxes[0].failed_since(school.now - timedelta(days=1)) == 0


def raise_and_answer(world: World, appeals: Appeals) -> None:
    seen = AppealEvidence(Verdict.HELD, State.HELD, "owed")
    raised = appeals.raise_(
        COHORT, LIN.number, "library", "", "还了", account=LIN.number, seen=seen, due=world.now, now=world.now, limit=5
    )
    appeals.answer(raised.appeal, AppealOutcome.EXPLAINED, "没有还", account="librarian", now=world.now)


def test_students_are_sent_nothing_by_default(
    status_url: str, tmp_path: Path, hook: WebhookServer, server: MailServer, shown: Certificate
) -> None:
    with Notified(status_url, tmp_path, hook, notify(server, shown)) as world:
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run("loans")
        world.deliver()
        assert world.program.outboxes[0].listed(10) == ()
    assert server.mails == []


def test_a_column_that_the_roster_lacks_is_a_mistake_with_the_fix(
    tmp_path: Path, hook: WebhookServer, server: MailServer, shown: Certificate
) -> None:
    settings = notify(server, shown, students='[notify.students]\nmail = "post"\n')
    with pytest.raises(SettingsError, match='"post" is not a mapped column'):
        Notified(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, hook, settings)
