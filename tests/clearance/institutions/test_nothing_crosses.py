"""Nothing of one institution reaches another: rows, locks, accounts, sessions, tokens, tickets."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from httpx import Response
from sqlalchemy import Engine, inspect, text
from starlette.testclient import TestClient

from clearance import web
from clearance.context import GlobalOptions
from clearance.institution_programs import program_of
from clearance.settings_file import INSTITUTIONS_VARIABLE
from config.processes import Process
from foundation.acting import acting_for
from status_db.sign_in.used_tickets import Tickets
from status_db.store.engine import writing
from tests.compiling import create_engine
from tests.patience import PATIENCE, until
from tests.services.institutions import STUDENT, Installation

PKU, THU = "pku.example.edu.cn", "thu.example.edu.cn"
#: Whether a session of this database waits for a lock.
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'")


def options(two: Installation) -> GlobalOptions:
    return GlobalOptions(None, None, verbose=False, institutions=two.folder)


def test_each_schema_has_its_own_rows_about_the_same_number(two: Installation) -> None:
    engine = create_engine(two.url)
    with closing(engine.connect()) as connection:
        names = {
            key: connection.execute(text(f'SELECT name FROM "{key}".student')).scalars().all() for key in ("pku", "thu")
        }
        assert names == {"pku": ["pku学生"], "thu": ["thu学生"]}
        assert inspect(connection).get_table_names("public") == []
    engine.dispose()


def test_a_command_of_one_sees_nothing_of_the_other(two: Installation) -> None:
    assert "thu" not in (shown := two.run("pku", "status", STUDENT))
    assert "pku的书" in shown
    two.run("pku", "accounts", "add", "wang", "--name", "王", "--grant", "read")
    two.run("thu", "accounts", "add", "wang", "--name", "汪", "--grant", "read")
    two.run("thu", "accounts", "deactivate", "wang")
    assert "汪" not in two.run("pku", "accounts", "list")
    assert two.run("pku", "verify")
    assert two.run("thu", "verify")


def test_a_change_of_one_office_changes_one_institution(two: Installation) -> None:
    two.write("pku", name="新")
    engine = create_engine(f"sqlite:///{two.folder}/pku/library.db")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM loans"))
    engine.dispose()
    two.run("pku", "sync", code=0)
    assert "pku的书" not in two.run("pku", "status", STUDENT)
    assert "thu的书" in two.run("thu", "status", STUDENT)


class TestLocks:
    @pytest.fixture
    def engines(self, two: Installation) -> Iterator[tuple[Engine, Engine]]:
        programs = []
        for key in ("pku", "thu"):
            with acting_for(key):
                programs.append(program_of(options(two), key, Process.SYNC).first)
        yield programs[0].writing, programs[1].writing
        for program in programs:
            program.close()

    def test_a_writer_of_one_does_not_wait_for_a_writer_of_the_other(self, engines: tuple[Engine, Engine]) -> None:
        """The cohorts have the same key, so that only the schema tells their locks apart."""
        with writing(engines[0], "2019"):
            _within_patience(lambda: _write(engines[1]))

    def test_a_writer_of_one_waits_for_another_writer_of_the_same(self, engines: tuple[Engine, Engine]) -> None:
        entered = threading.Event()

        def enter() -> None:
            _write(engines[0])
            entered.set()

        other = threading.Thread(target=enter, daemon=True)
        with writing(engines[0], "2019"), engines[1].connect() as looking:
            # In one transaction, it would see the same sessions each time.
            looking.execution_options(isolation_level="AUTOCOMMIT")
            other.start()
            until(lambda: bool(looking.execute(_WAITING).scalar()))
            assert not entered.is_set()
        other.join(PATIENCE)
        assert entered.is_set()

    def test_an_upgrade_of_one_does_not_wait_for_a_writer_of_the_other(
        self, engines: tuple[Engine, Engine], two: Installation
    ) -> None:
        with writing(engines[0], "2019"):
            two.run("thu", "db", "upgrade")


def _write(engine: Engine) -> None:
    with writing(engine, "2019"):
        pass


def _within_patience(work: object) -> None:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    thread.join(PATIENCE / 2)
    assert not thread.is_alive()


class TestPages:
    @pytest.fixture
    def site(self, two: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
        monkeypatch.setenv(INSTITUTIONS_VARIABLE, str(two.folder))
        monkeypatch.delenv("CLEARANCE_INSTITUTION", raising=False)
        for key in ("pku", "thu"):
            two.run(key, "accounts", "add", "wang", "--name", f"{key}老师", "--grant", "read")
        with TestClient(web.both(apart=False), follow_redirects=False) as client:
            yield client

    @staticmethod
    def post(site: TestClient, host: str, path: str, **words: str) -> Response:
        """Send the form of a page of a host, without cookies from before."""
        site.cookies.clear()
        page = site.get(path, headers={"host": host})
        words["form_token"] = re.findall(r'name="form_token" value="([^"]+)"', page.text)[0]
        cookie = f"clearance={page.cookies['clearance']}"
        site.cookies.clear()
        headers = {"host": host, "origin": f"http://{host}", "cookie": cookie}
        answer: Response = site.post(path, headers=headers, data=words)
        site.cookies.clear()
        return answer

    def test_a_session_of_one_host_is_unknown_at_the_other(self, site: TestClient, two: Installation) -> None:
        code = two.run("pku", "accounts", "password", "wang").split()[-1]
        made = self.post(site, PKU, "/first-password", account="wang", code=code)
        assert made.status_code == 303, made.text
        cookie = f"clearance={made.cookies['clearance']}"
        mine = site.get("/own", headers={"host": PKU, "cookie": cookie})
        theirs = site.get("/own", headers={"host": THU, "cookie": cookie})
        assert not mine.headers.get("location", "").startswith("/sign-in")
        assert (theirs.status_code, theirs.headers["location"][:8]) == (303, "/sign-in")

    def test_a_code_of_one_is_wrong_at_the_other(self, site: TestClient, two: Installation) -> None:
        code = two.run("pku", "accounts", "password", "wang").split()[-1]
        assert self.post(site, THU, "/first-password", account="wang", code=code).status_code != 303
        assert self.post(site, PKU, "/first-password", account="wang", code=code).status_code == 303

    def test_a_token_of_one_api_is_refused_by_the_other(self, site: TestClient, two: Installation) -> None:
        token = two.run("pku", "tokens", "create", "app", "--as", "wang").split()[-1]
        path = f"/api/v1/students/{STUDENT}"
        mine = site.get(path, headers={"host": PKU, "authorization": f"Bearer {token}"})
        theirs = site.get(path, headers={"host": THU, "authorization": f"Bearer {token}"})
        assert (mine.status_code, theirs.status_code) == (200, 401)
        assert "pku学生" in mine.text

    def test_a_ticket_is_used_up_for_one_institution_alone(self, two: Installation) -> None:
        """Each asks its own CAS server, whose tickets mean nothing elsewhere."""
        used = []
        for key in ("pku", "thu", "pku"):
            with acting_for(key):
                program = program_of(options(two), key, Process.SYNC).first
            used.append(Tickets(program.desk).use(b"ST-1", program.clock()))
            program.close()
        assert used == [True, True, False]

    def test_an_unknown_host_gets_a_page_that_names_no_institution(self, site: TestClient) -> None:
        for host in ("fudan.example.edu.cn", "127.0.0.1", f"{PKU}.evil.example", f"x@{PKU}", ""):
            answer = site.get("/sign-in", headers={"host": host})
            assert answer.status_code == 421, host
            assert "大学" not in answer.text
            assert "set-cookie" not in answer.headers

    def test_a_port_capitals_and_a_last_dot_name_the_same_host(self, site: TestClient) -> None:
        for host in (f"{PKU}:8443", PKU.upper(), f"{PKU}.", f"{PKU}.:80"):
            assert "pku 大学" in site.get("/sign-in", headers={"host": host}).text

    def test_a_forwarded_host_does_not_choose_the_institution(self, site: TestClient) -> None:
        answer = site.get("/sign-in", headers={"host": PKU, "x-forwarded-host": THU})
        assert "pku 大学" in answer.text

    def test_health_checks_by_address_name_no_institution(self, site: TestClient) -> None:
        answer = site.get("/readyz", headers={"host": "10.0.0.7:8000"})
        assert answer.json() == {"ok": True, "institutions": 2, "served": 2, "responding": 2, "unusable_settings": 0}
        assert site.get("/livez", headers={"host": "10.0.0.7"}).text == "ok\n"
