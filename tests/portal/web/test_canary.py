"""Canaries: numbers of identity documents and secrets, marked, that must be found in no file, log, page or export.

They come in wherever they may: in columns beside those that are mapped, as passwords, in fields that are others'.
"""

import io
import json
import logging
import os
import sqlite3
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance.main import app as command_line
from portal.auth.sessions import form_token
from status_db.accounts.audit_log import Audit
from status_db.inbox.requests import Requests
from status_db.model import ROSTER, RunState
from tests.cast import EVERYBODY, GEOLOGY_LOANS, LIN, QIAN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import PASSWORD, enter, lin_objects, settle, token_in
from tests.portal.test_matrix import LINES, Door, address, objects_of
from tests.portal.whole import whole_app
from tests.world import World

#: Marked, and of the right length: the number of an identity document.
IDENTITY = "42011119990101987X"
WRONG_PASSWORD = "canary-wrong-password"
MISTYPED = "canary-typed-into-the-wrong-field"

#: What stands beside the mapped columns of a registrar's list and of an office's answer.
BESIDE = {"身份证号": IDENTITY, "SFZJH": IDENTITY, "备注": f"证件 {IDENTITY}"}


def within(data: bytes) -> Iterator[bytes]:
    """Give data, and whatever is packed in it: workbooks, archives, databases, compressed cells."""
    yield data
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield from within(packed.read(name))
    with suppress(zlib.error):
        yield zlib.decompress(data)


def of_file(file: Path) -> Iterator[bytes]:
    """Give a file's bytes and what is packed in them; of a database also each cell by itself."""
    data = file.read_bytes()
    yield from within(data)
    if data.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    for cell in row:
                        yield from within(cell if isinstance(cell, bytes) else str(cell).encode())


class Everything:
    """All that anybody could read afterwards, by where it lies."""

    def __init__(self, folder: Path, settings_file: Path) -> None:
        self._folder = folder
        self._settings_file = settings_file
        self.said: dict[str, list[bytes]] = {}

    def note(self, where: str, data: bytes | str) -> None:
        """Keep what was shown, printed or logged."""
        self.said.setdefault(where, []).extend(within(data if isinstance(data, bytes) else data.encode()))

    def where(self, secret: str) -> list[str]:
        """Return every place in which a secret stands."""
        found = {where for where, parts in self.said.items() if any(secret.encode() in part for part in parts)}
        for file in sorted(self._folder.rglob("*")):
            if file.is_file() and file != self._settings_file:
                found |= {str(file.name) for part in of_file(file) if secret.encode() in part}
        return sorted(found)


class Story:
    """The cast's world with canaries in it, lived through from sync to backup."""

    def __init__(self, world: World, everything: Everything, run: Callable[..., str]) -> None:
        self.world = world
        self.everything = everything
        self.run = run
        #: Name → what must be found nowhere.
        self.secrets = {"the password": PASSWORD, "a wrong password": WRONG_PASSWORD}

    def sync(self) -> None:
        """Sync everything, canaries beside it, up to a roster and a source that wait."""
        world = self.world
        world.says[ROSTER] = [{**person.listed(), **BESIDE} for person in EVERYBODY]
        settle(world)
        lin_objects(world)
        for name in ("loans", "fines", "fees", "checkouts"):
            world.says[name] = [{**row, **BESIDE} for row in world.says[name]]
            world.run(name)
        world.says["loans"] = [{**row, **BESIDE} for row in GEOLOGY_LOANS]
        world.run("loans")
        world.says["loans"] = [{**BESIDE, "CARD": "20990077", "TITLE": "书", "DUE": "", "BARCODE": "B9"}]
        waits = world.run("loans")
        assert waits.state is RunState.SUSPENDED
        world.says[ROSTER] = [{**world.says[ROSTER][0], "学号": "20990088"}]
        assert world.run(ROSTER).state is RunState.SUSPENDED
        self.suspended = waits.run

    def visit(self) -> None:
        """See every page, each as whoever may, in good times and bad."""
        world = self.world
        app = whole_app(world)
        # What breaks is answered, as it is to everybody.
        with TestClient(app, follow_redirects=True, raise_server_exceptions=False) as browser:
            for account in (LIN.number, "dean", "admin", "auditor", "librarian"):
                browser.cookies.clear()
                self._seen(enter(browser, account, WRONG_PASSWORD))
                world.later(minutes=31)
                self._seen(enter(browser, account))
                self.secrets[f"the session of {account}"] = browser.cookies["clearance"]
                self.secrets[f"a form of {account}"] = form_token(browser.cookies["clearance"])
                for line in LINES:
                    if line.method == "GET" and line.door in (Door.SESSION, Door.OPEN):
                        for thing in objects_of(line):
                            self._seen(browser.get(address(line, thing), params=line.query or None))
                self._seen(browser.get("/nowhere"))
                self._ask_the_api(browser, account)
            self._in_bad_times(browser)

    def _ask_the_api(self, browser: TestClient, account: str) -> None:
        secret, _ = give_token(self.world, account)
        self.secrets[f"the token of {account}"] = secret
        for line in LINES:
            if line.door is Door.TOKEN:
                for thing in objects_of(line):
                    self._seen(browser.get(address(line, thing), headers=bearing(secret)))
        self._seen(browser.get("/api/v1/students", params={"token": secret}, headers=bearing(secret)))
        self._seen(browser.get("/api/v1/students", params={secret: "1"}, headers=bearing(secret)))

    def _in_bad_times(self, browser: TestClient) -> None:
        """Have the marks fail, and a page break."""
        with self.world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE student RENAME TO gone")
        answer = browser.get("/")
        assert answer.status_code in (503, 200)
        self._seen(browser.get(f"/students/{LIN.number}"))
        with self.world.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO student")
        reader = browser.app.state.services.reader  # type: ignore[attr-defined]  # httpx types it as a bare callable
        kept, reader._engine = reader._engine, None
        enter(browser, "dean")
        broken = browser.get(f"/students/{QIAN.number}")
        assert broken.status_code == 500
        self._seen(broken)
        reader._engine = kept

    def _seen(self, answer: httpx.Response) -> None:
        """Note an answer without what is meant for this browser alone: its forms' token."""
        shown: str | bytes = answer.content
        if answer.headers.get("content-type", "").startswith(("text/", "application/json")):
            text = answer.text
            shown = text.replace(token_in(answer), "") if 'name="form_token"' in text else text
        self.everything.note(f"the page {answer.url.path}", shown)
        # Where it was sent on the way; what the cookie holds is the browser's own.
        for step in (*answer.history, answer):
            self.everything.note(
                "an answer's headers", "\n".join(v for k, v in step.headers.items() if k != "set-cookie")
            )

    def export(self, folder: Path) -> None:
        """Make every export there is, every list of the command line, and a backup."""
        spot = folder / "spot-check.xlsx"
        self.run("runs", "spot-check", str(self.suspended), "--xlsx", str(spot))
        assert spot.stat().st_size > 0
        for words in (
            ("status", LIN.number), ("sources",), ("unmatched",), ("runs", "list"), ("accounts", "list"),
            ("tokens", "list"), ("override", "list"), ("certificates", "list"), ("expect", "list"), ("verify",),
        ):  # fmt: skip
            self.run(*words, "--json")
            self.run(*words)
        self.run("runs", "show", str(self.suspended))
        self.run("backup", str(folder / "backups"))
        for line in Audit(self.world.desk).newest(1000):
            self.everything.note("the audit log", repr(line))
        for request in Requests(self.world.desk).waiting("2019"):
            self.everything.note("the requests", repr(request))


@pytest.fixture
def story(
    sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Story:
    """The world, lived through; what it logged is kept with the rest."""
    everything = Everything(tmp_path, sqlite_world.file)
    monkeypatch.setenv("STATUS_URL", sqlite_world.url)
    monkeypatch.setattr("clearance.context.clock_of", lambda _settings: sqlite_world.clock)
    # A command would set the logs up for itself, and what it logs would be seen by nobody here.
    monkeypatch.setattr("config.logs.configure", lambda *_: None)
    caplog.set_level(logging.WARNING)

    def run(*words: str) -> str:
        result = CliRunner().invoke(command_line, ["--config", str(sqlite_world.file), *words], env=dict(os.environ))
        assert result.exit_code == 0, result.output
        everything.note(f"the command {words[0]}", result.output)
        return result.output

    with structlog.testing.capture_logs() as logged:
        lived = Story(sqlite_world, everything, run)
        lived.sync()
        lived.visit()
        lived.export(tmp_path)
    for entry in logged:
        everything.note("the log", json.dumps(entry, default=_told, ensure_ascii=False))
    everything.note("other libraries' log", caplog.text)
    assert any(entry["log_level"] == "error" for entry in logged), "bad times leave a line"
    return lived


def _told(value: Any) -> str:
    """Write what a log line holds as the log does: an error with all its causes."""
    if isinstance(value, BaseException):
        return "".join(traceback.format_exception(value))
    return str(value)


def test_no_number_of_an_identity_document_and_no_secret_is_found_anywhere(story: Story) -> None:
    found = {name: story.everything.where(secret) for name, secret in story.secrets.items()}
    found["the number of an identity document"] = story.everything.where(IDENTITY)
    assert {name: places for name, places in found.items() if places} == {}
    # The search itself: what is there is found in a database, a workbook, the log and a page …
    seen = {"clearance.db", "clearance-desk.db", "spot-check.xlsx", f"the page /students/{LIN.number}"}
    assert seen <= set(story.everything.where(LIN.number))
    assert "the log" in story.everything.where("page broke")
    # … and in the compressed list of the run that waits, where alone this number stands.
    assert story.everything.where("20990088") == ["clearance.db", "marks.db"]


def test_what_is_typed_into_the_wrong_field_is_kept_nowhere(university: World, tmp_path: Path) -> None:
    """A password or a number of an identity document where the account's name belongs: it names nobody."""
    with (
        structlog.testing.capture_logs() as logged,
        TestClient(whole_app(university)) as browser,
    ):
        for typed in (MISTYPED, IDENTITY.lower()):
            assert enter(browser, typed, WRONG_PASSWORD).status_code == 401
        enter(browser, "dean")
        browser.get("/students", params={"number": IDENTITY})
    everything = Everything(tmp_path, university.file)
    everything.note("the log", json.dumps(logged, default=_told))
    for typed in (MISTYPED, IDENTITY.lower(), IDENTITY):
        assert everything.where(typed) == []
