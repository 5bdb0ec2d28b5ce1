"""Canaries in what is written: no secret is in a log, the audit log, a stored message or a traceback file, and no
student is named in a log.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from starlette.requests import Request
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance import failures
from clearance.main import app as command_line
from config import logs
from config.log_names import log_name
from config.settings import Log
from config.tables.portal import Auth
from config.tables.secrets import Origin
from connectors import sql
from connectors.port import Question, SourceError
from portal.web.faults import noted_path
from status_db import tables
from status_db.accounts.audit_log import Audit
from status_db.desk.key import DeskKey
from status_db.model import ROSTER
from status_db.sign_in.identity_numbers import Identities
from status_db.store.engine import reading
from tests.cast import EVERYBODY, LIN, QIAN
from tests.clearance.files.test_sheets import book
from tests.contract import Ticking
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import PASSWORD, enter
from tests.portal.desk.test_imports import HEAD, bring, confirm, row
from tests.portal.factors import allowed, digits_of, recovery_in, sealed_in, secret_in, send
from tests.portal.sheets import a_sheet
from tests.portal.signin.test_passwords import give_code, give_document, set_password
from tests.portal.whole import whole_app
from tests.world import World

WRONG, NEW, SOURCE = "canary-wrong-password", "canary-chosen-password-9", "canary-source-password"
DOCUMENT = "42011119990101987X"


class Lived:
    """What was done, what was written meanwhile, and what must not be in it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.log = ""
        self.stored = ""
        self.files = ""
        self.secrets = {
            "the password": PASSWORD, "a wrong password": WRONG, "a new password": NEW, "a source's password": SOURCE,
            "a document": DOCUMENT,
        }  # fmt: skip

    @property
    def key(self) -> DeskKey:
        return self.world.desk_key

    def browser(self, **auth: object) -> TestClient:
        self.world.settings = self.world.settings.model_copy(update={"auth": Auth.model_validate(auth)})
        return TestClient(
            whole_app(self.world), base_url="http://testserver", follow_redirects=True, raise_server_exceptions=False
        )

    def remember(self, browser: TestClient, what: str) -> None:
        self.secrets[f"the cookie {what}"] = browser.cookies["clearance"]

    def sign_in(self) -> None:
        """Right and wrong, with a code, a document, a second factor."""
        Identities(self.world.desk, self.key).keep({LIN.number: DOCUMENT})
        with self.browser(identity="forgotten") as browser:
            enter(browser, QIAN.number, WRONG)
            enter(browser, QIAN.number)
            self.remember(browser, "of Qian")
            browser.cookies.clear()
            give_document(browser, LIN.number, DOCUMENT)
            set_password(browser, NEW)
            self.remember(browser, "of Lin")
            browser.cookies.clear()
            codes = browser.app.state.services.codes  # type: ignore[attr-defined]  # httpx types it as a bare callable
            lasts = self.world.settings.auth.code_lasts
            code = codes.make(LIN.number, made_by="admin", now=self.world.now, lasts=lasts)
            self.secrets["a code"] = code
            give_code(browser, LIN.number, code)
        with self.browser(profile="strict") as browser:
            page = allowed(browser, self.world, "dean")
            secret = secret_in(page)
            self.secrets["a second factor"] = secret
            wrong = send(browser, page, "add-app", sealed=sealed_in(page), digits="000000")
            assert wrong.status_code == 401
            shown = send(browser, wrong, "add-app", sealed=sealed_in(wrong), digits=digits_of(secret, self.world))
            self.secrets |= {f"recovery code {number}": code for number, code in enumerate(recovery_in(shown))}
            assert browser.get("/overview").url.path == "/overview"
            self.remember(browser, "of the dean")

    def import_a_sheet(self) -> None:
        with self.browser() as browser:
            enter(browser, "librarian")
            page = bring(browser, book(HEAD, row(LIN), row(QIAN)))
            assert confirm(browser, page).status_code == 200
        a_sheet(self.world)

    def sync_in_vain(self) -> None:
        """Ask a database that is not there, by an address with a password, and a roster that names a student twice."""
        url = f"postgresql://sync:{SOURCE}@127.0.0.1:1/office"
        origin = Origin(self.folder, {"LOANS_URL": url})
        own = sql.Settings.model_validate({"url": "env:LOANS_URL", "query": "SELECT 1"}, context=origin)
        with pytest.raises(SourceError) as refused:
            sql.connect(own, Question("loans", {"student": "a"}, Ticking())).pull()
        self.world.fails["loans"] = refused.value
        assert self.world.run("loans").message
        self.world.says[ROSTER] = [*self.world.says[ROSTER], {**LIN.listed(), "姓名": "另一人"}]
        assert LIN.number in self.world.run(ROSTER).message

    def break_things(self) -> None:
        """Have a page and a command raise, with secrets and a student in the error."""
        secret, _ = give_token(self.world, "dean")
        self.secrets["a token"] = secret
        with self.browser() as browser:
            enter(browser, "dean")
            reader = browser.app.state.services.reader  # type: ignore[attr-defined]  # httpx types it as a bare callable
            reader.student = lambda _cohort, number, *_: int(f"about {number}")
            assert browser.get(f"/students/{LIN.number}").status_code == 500
            assert browser.get(f"/api/v1/students/{LIN.number}", headers=bearing(secret)).status_code == 500
        try:
            int(f"about {LIN.number}")
        except ValueError as error:
            failures.unexpected(error)

    def read_back(self, log: str) -> None:
        self.log = log
        with reading(self.world.engine) as connection:
            self.stored += "\n".join(map(repr, connection.execute(tables.run.select())))
        with reading(self.world.desk_engine) as connection:
            self.stored += "\n".join(map(repr, connection.execute(tables.request.select())))
        self.stored += "\n".join(map(repr, Audit(self.world.desk).newest(1000)))
        self.files = "\n".join(file.read_text(encoding="utf-8") for file in self.folder.glob("clearance-*.log"))


@pytest.fixture
def lived(university: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lived]:
    """Everything that is driven, with the log as a service writes it, at its most talkative."""
    made = Lived(university, tmp_path)
    out = io.StringIO()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stderr", out)
    made.key.of("serving")
    logs.configure(Log(format="json", level="debug"), made.key.log_key)
    made.sign_in()
    made.import_a_sheet()
    made.sync_in_vain()
    made.break_things()
    made.read_back(out.getvalue())
    yield made
    structlog.reset_defaults()


def test_no_secret_is_written_and_no_student_is_named_in_a_log(lived: Lived) -> None:
    places = {"the log": lived.log, "stored messages and the audit log": lived.stored, "traceback files": lived.files}
    found = [
        f"{what} in {place}" for what, word in lived.secrets.items() for place, text in places.items() if word in text
    ]
    assert found == []
    named = [
        word
        for person in EVERYBODY
        for word in (person.number, person.former, person.name)
        if word and (word in lived.log or word in lived.files)
    ]
    assert named == []
    # The search itself: each place is there, and the hash finds a student's lines.
    name = log_name(lived.key.of("log"), LIN.number)
    assert lived.log.count(name) >= 3
    assert name in lived.files
    assert LIN.number in lived.stored
    assert "127.0.0.1" in lived.stored
    assert all(len(word) >= 6 for word in lived.secrets.values())


def test_support_finds_a_students_lines_with_the_name_that_the_command_prints(
    lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("STATUS_URL", lived.world.url)
    said = CliRunner().invoke(command_line, ["--config", str(lived.world.file), "log-name", f" {LIN.number}"])
    assert said.exit_code == 0, said.output
    assert said.stdout.strip() in lived.log
    other = CliRunner().invoke(command_line, ["--config", str(lived.world.file), "log-name", "20990099"])
    assert other.stdout.strip() not in lived.log


def test_the_path_in_a_log_line_holds_no_number_however_short_and_no_token() -> None:
    scope = {"type": "http", "scheme": "http", "server": ("x", 80), "headers": [], "query_string": b""}
    for name, value, kept in (("number", "A1", "#~"), ("token", "s-e-c", "…")):
        path = noted_path(Request({**scope, "path": f"/there/{value}/on", "path_params": {name: value}}))
        assert value not in path
        assert path.startswith("/there/")
        assert path.endswith("/on")
        assert path.split("/")[2][0] in kept
