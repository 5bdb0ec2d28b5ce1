"""What `check` finds before opening day, on settings and systems that are wrong in one way each."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clearance.opening_checks import columns, deployment, machine, public_pages, season, sign_in
from clearance.services import Program
from clearance.settings_file import load_settings
from connectors.port import Sample
from status_db.store.migrate import upgrade
from tests.services.small import SETTINGS

TODAY = datetime(2027, 5, 20, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _offices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOANS_URL", "http://127.0.0.1:9/loans")
    monkeypatch.setenv("STATUS_URL", f"sqlite:///{tmp_path / 'status.db'}")


def program(folder: Path, settings: str = SETTINGS, more: str = "") -> Program:
    file = folder / "clearance.toml"
    file.write_text(settings + more, encoding="utf-8")
    return Program(load_settings(file), "2019", lambda: TODAY)


def windows(opens: str, closes: str, more: str = "") -> str:
    line = f'name = "2019届"\nwindows.undergraduate = {{ opens = {opens}, closes = {closes} }}\n{more}'
    return SETTINGS.replace('name = "2019届"\n', line)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (windows("2027-05-25", "2027-06-06"), ""),
        (windows("2026-05-25", "2026-06-06"), "closed on 2026-06-06"),
        (windows("2027-05-10", "2027-06-06", "rehearsal = true\n"), "Remove rehearsal to open"),
        (windows("2027-05-25", "2027-06-06", "rehearsal = true\n"), ""),
        (windows("2027-05-25", "2027-06-06").replace("windows.under", "windows.post"), "undergraduate has no window"),
        (windows("2027-05-25", "2027-06-06").replace("windows.under", "windows.post"), "no flow has the level postgr"),
    ],
)
def test_the_windows_are_compared_with_today_and_with_the_flows(tmp_path: Path, settings: str, found: str) -> None:
    lines = " ".join(season.warnings(program(tmp_path, settings)))
    assert found in lines
    assert bool(found) == bool(lines)


def sample(**cells: object) -> Sample:
    return Sample("here", tuple(cells), cells, rows=[tuple(cells.values())] * 6)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"student": "2015001", "amount": "12.50", "title": "学费"}, ""),
        ({"student": "张一", "amount": "12.50", "title": "学费"}, "looks like names of people"),
        ({"student": "110101199001011234", "amount": "1", "title": "x"}, "looks like numbers of identity documents"),
        ({"student": "2015001", "amount": "2027-05-30", "title": "x"}, "looks like dates"),
        ({"student": "2015001", "amount": "450000", "title": "x"}, 'set unit = "fen"'),
        ({"student": "2015001", "amount": "4500", "title": "x"}, ""),
    ],
)
def test_a_column_that_looks_like_anothers_is_named(tmp_path: Path, cells: dict[str, object], found: str) -> None:
    lines = " ".join(columns.warnings(program(tmp_path).settings, "fines", sample(**cells)))
    assert found in lines
    assert bool(found) == bool(lines)


def test_too_little_room_is_named_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = program(tmp_path)
    monkeypatch.setattr(machine, "_LEAST_ROOM", 0)
    assert not [line for line in machine.warnings(here) if "free" in line]
    monkeypatch.setattr(machine, "_LEAST_ROOM", 2**60)
    assert str(tmp_path) in next(line for line in machine.warnings(here) if "free" in line)


def test_a_zone_that_is_not_the_institutions_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS.replace('name = "山海大学"', 'name = "山海大学"\ntimezone = "Pacific/Kiritimati"')
    assert "set-timezone Pacific/Kiritimati" in " ".join(machine.warnings(program(tmp_path, settings)))


def test_missing_programs_for_backups_are_named(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUS_URL", postgres_url)
    upgrade(postgres_url, "marks")
    settings = SETTINGS.replace("[status_db]", '[status_db]\npostgres_tools = "nowhere"')
    here = program(tmp_path, settings)
    assert "pg_dump was not found" in " ".join(machine.warnings(here))
    here.close()


class _Answers(BaseHTTPRequestHandler):
    status, body = 200, b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int = 200, body: bytes = b"{}") -> Iterator[str]:
    handler = type("Handler", (_Answers,), {"status": status, "body": body})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def portal(url: str) -> str:
    return f'\n[portal]\npublic_url = "{url}"\nproxies = ["127.0.0.1"]\n'


def test_public_pages_that_answer_are_no_warning(tmp_path: Path) -> None:
    with answering() as url:
        assert list(public_pages.warnings(program(tmp_path, more=portal(url)))) == []


def test_public_pages_that_fail_or_are_not_there_are_named(tmp_path: Path) -> None:
    with answering(502) as url:
        assert "status 502" in " ".join(public_pages.warnings(program(tmp_path, more=portal(url))))
    assert "does not answer" in " ".join(public_pages.warnings(program(tmp_path, more=portal(url))))


def test_the_end_of_a_certificate_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_pages, "_certificate_end", lambda *_: TODAY + timedelta(days=3))
    lines = " ".join(public_pages.warnings(program(tmp_path, more=portal("https://localhost:9"))))
    assert "ends on 2027-05-23" in lines
    assert isinstance(ssl.create_default_context(), ssl.SSLContext)


REFUSES = b"""<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">
<cas:authenticationFailure code="%s">x</cas:authenticationFailure></cas:serviceResponse>"""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (REFUSES % b"INVALID_TICKET", ""),
        (REFUSES % b"INVALID_SERVICE", "Register the service"),
        (b"<!doctype html><html></html>", "does not answer as a CAS server: it is a web page"),
    ],
)
def test_a_cas_server_is_asked_about_a_ticket_that_nobody_has(tmp_path: Path, body: bytes, found: str) -> None:
    with answering(body=body) as url:
        more = f'{portal("https://leave.example.edu.cn")}\n[auth.cas]\nurl = "{url}/cas"\n'
        lines = " ".join(sign_in.warnings(program(tmp_path, more=more)))
    assert found in lines
    assert bool(found) == bool(lines)


def test_providers_that_cannot_be_reached_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET", "x")
    more = (
        f"{portal('https://leave.example.edu.cn')}\n[auth.oidc]\n"
        'issuer = "http://127.0.0.1:9"\nclient_id = "c"\nclient_secret = "env:OIDC_SECRET"\n'
        '[auth.ldap]\nurl = "ldap://127.0.0.1:9"\nbase = "dc=x"\n'
    )
    lines = list(sign_in.warnings(program(tmp_path, more=more)))
    assert len(lines) == 2
    assert "connection refused" in lines[0]


def test_an_env_file_that_everybody_reads_is_named(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    (etc / "sync").mkdir(parents=True)
    (etc / "sync" / "env").write_text("X=1")
    (etc / "sync" / "env").chmod(0o644)
    lines = " ".join(deployment.warnings(program(tmp_path), etc))
    assert f"chmod 640 {etc / 'sync' / 'env'}" in lines
    assert f"{etc / 'clearance.toml'} is missing" in lines
