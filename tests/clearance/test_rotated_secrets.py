"""Secrets that are replaced in their files while the schedule runs: the next use reads them, without a restart."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

from status_db.desk.store import DeskStore
from status_db.inbox.requests import Requests
from status_db.store.engine import open_writing
from tests.clearance.test_schedule_signals import scheduled
from tests.services.databases import fresh_database
from tests.services.mail_server import MailServer
from tests.services.tls_office import Certificate, certificate
from tests.services.university import University
from tests.services.webhook_server import Hooked, WebhookServer

pytestmark = pytest.mark.slow

COHORT = "2019"

#: The one row of the textbooks.
ROW = ("20151000001", "2018-2019-2", "12.00")

NOTIFY = """
[notify]
failing_after_tries = 1
digest_window = "10 s"

[notify.webhook]
url = "file:../.demo/hook-url"
secret = "file:../.demo/hook-secret"

[notify.mail]
host = "localhost"
port = {port}
authority = "{authority}"
sender = "clearance@example.edu.cn"
user = "clearance"
password = "file:../.demo/mail-password"
"""


class TextbookOffice:
    """The textbook office in a MariaDB, with an account of its own whose password changes."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._name = f"reader_{(url.database or '')[-12:]}"
        self._engine = create_engine(url, poolclass=NullPool)
        with self._engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE v_textbook_balance (XH varchar(20), XQ varchar(20), YE decimal(9,2))")
            )
            connection.execute(
                text("INSERT INTO v_textbook_balance VALUES (:a, :b, :c)"), dict(zip("abc", ROW, strict=True))
            )
            for at in ("localhost", "%"):
                connection.execute(text(f"CREATE USER '{self._name}'@'{at}'"))
                connection.execute(text(f"GRANT SELECT ON `{url.database}`.* TO '{self._name}'@'{at}'"))

    def set_password(self, password: str) -> None:
        """Have only this password be right from now on."""
        with self._engine.begin() as connection:
            for at in ("localhost", "%"):
                connection.execute(text(f"ALTER USER '{self._name}'@'{at}' IDENTIFIED BY '{password}'"))

    def url(self, password: str) -> str:
        """Return the address with a password."""
        return self._url.set(username=self._name, password=password).render_as_string(hide_password=False)

    def close(self) -> None:
        """Remove the account."""
        with self._engine.begin() as connection:
            for at in ("localhost", "%"):
                connection.execute(text(f"DROP USER '{self._name}'@'{at}'"))


@pytest.fixture
def office(mariadb_server: URL) -> Iterator[TextbookOffice]:
    with fresh_database(mariadb_server) as url:
        made = TextbookOffice(url)
        yield made
        made.close()


def put(university: University, name: str, value: str) -> None:
    (university.folder / ".demo" / name).write_text(f"{value}\n", encoding="utf-8")


def lay(
    university: University, office: TextbookOffice, hook: WebhookServer, mail: MailServer, shown: Certificate
) -> None:
    """Have the demo ask the office, and notify both servers; every secret is in a file of its own."""
    settings = university.config.read_text(encoding="utf-8")
    settings = settings.replace("sqlite:///../.demo/offices/textbook.sqlite", "file:../.demo/textbook-url")
    more = NOTIFY.format(port=mail.port, authority=shown.authority)
    university.config.write_text(settings + more, encoding="utf-8")
    office.set_password("old")
    put(university, "textbook-url", office.url("old"))
    put(university, "hook-url", hook.url)
    put(university, "hook-secret", "old hook secret")
    put(university, "mail-password", "old mail password")
    university.run("accounts", "add", "wang", "--name", "王", "--grant", "manage")
    university.run("accounts", "addresses", "wang", "--mail", "wang@example.edu.cn")


def signed_with(call: Hooked, secret: str) -> bool:
    stamp = call.headers["X-Clearance-Timestamp"]
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + call.body, hashlib.sha256).hexdigest()
    return call.headers["X-Clearance-Signature"] == f"sha256={mac}"


def test_a_running_schedule_reads_every_rotated_secret_again(
    university: University, office: TextbookOffice, tmp_path: Path
) -> None:
    shown = certificate(tmp_path, "localhost")
    with WebhookServer() as hook, MailServer(shown, user="clearance", password="old mail password") as mail:
        lay(university, office, hook, mail, shown)
        engine = open_writing(f"sqlite:///{university.folder / '.demo' / 'clearance-desk.db'}")
        requests = Requests(DeskStore(engine, university.folder / ".demo" / "ledger.key"))
        with scheduled(university) as running:
            running.until("notifications started")

            def ask(source: str) -> str:
                requests.ask_sync(COHORT, source, account="admin", now=datetime.now(UTC))
                running.until("request served")
                served = requests.last_syncs(COHORT, datetime(2000, 1, 1, tzinfo=UTC))[source]
                return str(served.outcome)

            def delivered() -> None:
                for _ in ("webhook", "mail"):
                    running.until("delivered")

            # The answer comes from a new place, so it waits; the office was reached.
            assert ask("textbooks") == "refused"
            assert ask("fees") == "done"
            office.set_password("new")
            assert ask("textbooks") == "failed"
            delivered()
            # Every secret is replaced: at its server, and in its file.
            put(university, "textbook-url", office.url("new"))
            university.offices.finance_password.write_text("new finance password", encoding="ascii")
            put(university, "hook-secret", "new hook secret")
            mail.password = "new mail password"
            put(university, "mail-password", "new mail password")
            assert ask("textbooks") == "refused"
            assert ask("fees") == "done"
            delivered()
        engine.dispose()
    for calls, event, secret in ((hook.calls[:-1], "source_failing", "old"), (hook.calls[-1:], "source_back", "new")):
        found = [call for call in calls if event in [one["event"] for one in call.json["events"]]]
        assert [signed_with(call, f"{secret} hook secret") for call in found] == [True]
    assert len(mail.to("wang@example.edu.cn")) >= 2
