"""Promise 10, process by process: each runs as itself with its own secrets in its environment, and with no other's."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from portal.auth.passwords import hash_password
from status_db.accounts.accounts import Accounts
from status_db.desk.store import DeskStore
from status_db.inbox.requests import Requests
from status_db.store.engine import open_writing
from status_db.store.migrate import upgrade
from status_db.store.roles import apply
from tests.browser.serving import ROOT, free_port, running
from tests.cast import LIN
from tests.four_roles import FourRoles
from tests.patience import PATIENCE
from tests.world import COHORT, SETTINGS

OWN = """
portal_url = "env:PORTAL_DB"
operator_url = "env:OPERATOR_DB"
desk_url = "env:DESK_DB"
"""
SOURCES = """
[source.loans]
step = "library"
connector = "sql"
url = "env:LIBRARY_URL"
query = "SELECT card, title FROM loans"
columns = { student = "card", title = "title" }
means = "items"
every = "15 min"
first = "apply"

[source.fees]
step = "finance"
connector = "sql"
url = "file:finance-url"
query = "SELECT no, owed FROM fees"
columns = { student = "no", amount = "owed" }
means = "balance"
every = "15 min"
first = "apply"

[source.checkouts]
step = "dorm"
connector = "memory"
means = "status"
every = "1 h"
first = "apply"
words = { done = ["已清退"] }
columns = { student = "学号", status = "清退状态" }

[portal]
public_url = "http://127.0.0.1:8000"
[auth.oidc]
issuer = "env:ISSUER"
client_id = "clearance"
client_secret = "env:OIDC_SECRET"
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A university on PostgreSQL whose four roles have what each needs, and the secrets that there are."""

    file: Path
    secrets: Mapping[str, str]

    def of(self, *names: str) -> dict[str, str]:
        """Return an environment with these secrets, and with nothing else that the program reads."""
        # What the interpreter and the libraries find their files by.
        plain = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**plain, "PYTHONUTF8": "1", **{name: self.secrets[name] for name in names}}

    def command(self, *words: str) -> list[str]:
        """Return a command of the program."""
        return [sys.executable, "-m", "clearance", "--config", str(self.file), *words]

    def run(self, environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words), cwd=ROOT, env=dict(environ), capture_output=True, text=True, timeout=PATIENCE
        )

    def serving(self, environ: Mapping[str, str], what: str) -> AbstractContextManager[str]:
        """Serve the pages or the desk, and give the address."""
        port = free_port()
        return running(self.command("serve", what, "--port", str(port)), environ, port)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The cast's university with one student, two offices in SQLite files, and a sign-in of its own."""
    for name, table in (("library", "loans (card TEXT, title TEXT)"), ("finance", "fees (no TEXT, owed TEXT)")):
        with closing(sqlite3.connect(tmp_path / f"{name}.db")) as office:
            office.execute(f"CREATE TABLE {table}")
    (tmp_path / "finance-url").write_text(f"sqlite:///{tmp_path / 'finance.db'}\n", encoding="utf-8")
    listed = ", ".join(f'"{key}" = "{value}"' for key, value in LIN.listed().items())
    text = SETTINGS.split("[source.loans]")[0]
    for old, new in (
        ('connector = "memory"\n', f'connector = "memory"\nrows = [{{ {listed} }}]\n'),
        ('url = "env:STATUS_URL"\n', f'url = "env:SYNC_DB"{OWN}'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    file = tmp_path / "clearance.toml"
    file.write_text(text + SOURCES, encoding="utf-8")
    return file


@pytest.fixture
def place(roles: FourRoles, postgres_url: str, file: Path) -> Place:
    """The same on PostgreSQL, whose four roles have what each needs; nothing is asked yet."""
    named = roles.named
    secrets = {
        "SYNC_DB": roles.url(postgres_url, named.sync),
        "PORTAL_DB": roles.url(postgres_url, named.portal),
        "OPERATOR_DB": roles.url(postgres_url, named.operator),
        "DESK_DB": roles.url(postgres_url, named.desk),
        "STUDENTS_DB": roles.url(postgres_url, named.students),
        "LIBRARY_URL": f"sqlite:///{file.parent / 'library.db'}",
        "ISSUER": "http://127.0.0.1:9",
        "OIDC_SECRET": "hidden-word",
    }
    upgrade(postgres_url, "marks")
    upgrade(postgres_url, "desk")
    apply(postgres_url, named, ("marks", "desk"))
    return Place(file, secrets)


#: What each needs; nothing else is in its environment.
SYNC, SCHEDULE = ("SYNC_DB", "LIBRARY_URL"), ("SYNC_DB", "DESK_DB", "LIBRARY_URL")
PAGES, DESK = ("PORTAL_DB", "DESK_DB", "ISSUER", "OIDC_SECRET"), ("OPERATOR_DB", "DESK_DB", "ISSUER", "OIDC_SECRET")


def give_lin_a_password(place: Place) -> None:
    """Make her account, as an administrator does at the desk."""
    desk = open_writing(place.secrets["DESK_DB"])
    store = DeskStore(desk, place.file.parent / "ledger.key")
    hashed = hash_password("a-long-enough-word")
    Accounts(store).add(LIN.number, LIN.name, hashed, student=LIN.number, now=datetime.now(UTC))
    desk.dispose()


def signed_in(address: str) -> str:
    """Sign Lin in and return her page."""
    with httpx.Client(base_url=address, follow_redirects=True) as browser:
        found = re.search(r'name="form_token" value="([^"]+)"', browser.get("/sign-in").text)
        assert found is not None
        form = {"account": LIN.number, "password": "a-long-enough-word", "form_token": found[1]}
        return browser.post("/sign-in", data=form).text


def test_every_process_works_with_its_own_secrets_alone(place: Place) -> None:
    synced = place.run(place.of(*SYNC), "sync")
    assert (synced.returncode, "Traceback" in synced.stderr) == (0, False), synced.stderr
    checked = place.run(place.of(*SYNC), "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert set(re.findall(r"answers (\w+):", checked.stdout)) == {"roster", "loans", "fees", "checkouts"}
    assert re.search(r"for `clearance serve pages`, .*: \[status_db\] portal_url: .* PORTAL_DB is", checked.stderr)
    give_lin_a_password(place)
    for_students = place.of(*PAGES) | {"DESK_DB": place.secrets["STUDENTS_DB"]}
    for environ, what, page in ((for_students, "pages", "/"), (place.of(*DESK), "desk", "/desk")):
        with place.serving(environ, what) as address:
            if what == "pages":
                assert LIN.name in signed_in(address)
            assert httpx.get(f"{address}/healthz").json() == {"ok": True, "marks": True, "desk": True}
            # Nobody has signed in: the page leads to where one does.
            assert httpx.get(address + page).status_code == 303, what
    asking = open_writing(place.secrets["DESK_DB"])
    Requests(asking).ask_recheck(
        COHORT, LIN.number, account=LIN.number, now=datetime.now(UTC), pause=timedelta(0), day_limit=9
    )
    asking.dispose()
    # The desk's tables by the sync's role.
    own = replace(place, secrets={**place.secrets, "DESK_DB": place.secrets["SYNC_DB"]})
    words, environ = own.command("schedule"), own.of(*SCHEDULE)
    with subprocess.Popen(words, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as schedule:
        assert schedule.stderr is not None
        said: list[str] = []
        for line in schedule.stderr:
            said.append(line)
            if "request" in line:
                break
        schedule.terminate()
        said += schedule.stderr.readlines()
        assert schedule.wait(PATIENCE) == 0, "".join(said)
    assert [line for line in said if "request served" in line and "outcome=done" in line] != []
    assert [line for line in said if "error" in line or "not stored" in line or "broke" in line] == []

    # One whose secret is missing is named with its key, and the others are asked.
    synced = place.run(place.of("SYNC_DB"), "sync")
    assert synced.returncode == 5
    assert (
        "[source.loans] url: the environment variable LIBRARY_URL is not set: set it" in synced.stdout + synced.stderr
    )
    assert re.search(r"unchanged +fees", synced.stdout)


@pytest.mark.parametrize(
    ("what", "needs"),
    [("sync", SYNC), ("schedule", SCHEDULE), ("serve pages", PAGES), ("serve desk", DESK)],
)
def test_what_is_missing_is_named_at_the_start_by_the_process_that_needs_it(
    file: Path, what: str, needs: tuple[str, ...]
) -> None:
    nothing = Place(file, {})
    ended = nothing.run(nothing.of(), *what.split())
    assert ended.returncode == 1
    # A source that cannot be asked stops nobody else.
    assert set(re.findall(r"variable\s+(\w+)\s+is\s+not\s+set", ended.stderr)) == {*needs} - {"LIBRARY_URL"}
    assert ended.stderr.count("set it before") == len(needs) - ("LIBRARY_URL" in needs)
