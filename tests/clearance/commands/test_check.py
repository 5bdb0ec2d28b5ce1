"""`clearance check` on a source that is set up wrongly: the fault by name, and the fix."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from clearance.services import Program
from clearance.settings_file import load_settings
from config.load import SettingsError
from connectors.port import Sample, SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.cases.databases_office import Finance
from tests.connectors.databases.test_sql_oracle import LENT_QUERY, USERS
from tests.oracle_listener.library import fill
from tests.oracle_listener.wire import OracleListener
from tests.services.one_answer import answering
from tests.services.oracle import WORD
from tests.services.university import free_port
from tests.world import SETTINGS

COLUMNS = 'columns = { student = "CARD", title = "TITLE" }'
LOANS = SETTINGS.split("[source.loans]")[1].split("[source.fines]")[0]


class Site:
    """One university's settings file with one source of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("STATUS_URL", f"sqlite:///{folder / 'status.db'}")

    def check(self, source: str, **environ: str) -> Sample:
        """Check a source that is set up with these lines."""
        for name, value in environ.items():
            self._monkeypatch.setenv(name, value)
        common = '\nstep = "library"\nmeans = "items"\nevery = "15 min"\n'
        file = self.folder / "clearance.toml"
        file.write_text(SETTINGS.replace(LOANS, f"{common}{source}\n\n"), encoding="utf-8")
        return Program(load_settings(file), "2019").connect("loans").check()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def fault(site: Site, kind: type[SourceError], source: str, **environ: str) -> str:
    """Return what is reported about a source that is set up wrongly, fault and fix."""
    with pytest.raises(kind) as caught:
        site.check(source, **environ)
    assert caught.value.fix_text.endswith(".")
    return str(caught.value)


def sql(query: str = "SELECT card AS CARD, title AS TITLE FROM loans", columns: str = COLUMNS, more: str = "") -> str:
    return f'connector = "sql"\nurl = "env:OFFICE_URL"\nquery = "{query}"\n{columns}\n{more}'


def filled(url: str) -> str:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE loans (card VARCHAR(20), title VARCHAR(50))"))
        connection.execute(text("INSERT INTO loans VALUES ('20151001', 'x')"))
    return url


class TestDatabases:
    def test_set_up_rightly_it_shows_a_row(self, site: Site, mariadb_url: str) -> None:
        assert site.check(sql(), OFFICE_URL=filled(mariadb_url)).row == {"student": "20151001", "title": "x"}

    @pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg"])
    def test_a_wrong_port(self, site: Site, scheme: str) -> None:
        url = f"{scheme}://reader@127.0.0.1:{free_port()}/library"
        said = fault(site, SourceUnavailable, sql(more='connect_timeout = "2 s"'), OFFICE_URL=url)
        assert "No server listens there" in said

    def test_a_wrong_host(self, site: Site) -> None:
        said = fault(
            site, SourceUnavailable, sql(more='connect_timeout = "2 s"'), OFFICE_URL="mysql+pymysql://r@no.invalid/x"
        )
        assert "no.invalid" in said

    def test_a_wrong_password(self, site: Site, mariadb_url: str) -> None:
        url = (
            make_url(mariadb_url).set(username="reader", password="not-the-word").render_as_string(hide_password=False)
        )
        said = fault(site, SourceRefused, sql(), OFFICE_URL=url)
        assert "name or the password is wrong" in said
        assert "not-the-word" not in said

    def test_a_database_that_is_not_there(self, site: Site, postgres_url: str) -> None:
        url = make_url(postgres_url).set(database="libary").render_as_string(hide_password=False)
        assert "libary" in fault(site, SourceRefused, sql(), OFFICE_URL=url)

    def test_a_view_that_is_not_there(self, site: Site, postgres_url: str) -> None:
        said = fault(site, SourceGarbled, sql("SELECT card FROM lones"), OFFICE_URL=postgres_url)
        assert "lones" in said
        assert "no such table or view" in said

    def test_a_column_that_is_not_there(self, site: Site, mariadb_url: str) -> None:
        said = fault(site, SourceGarbled, sql("SELECT crad AS CARD FROM loans"), OFFICE_URL=filled(mariadb_url))
        assert "crad" in said

    def test_a_mapping_to_a_column_that_the_query_has_not(self, site: Site, mariadb_url: str) -> None:
        said = fault(site, SourceGarbled, sql("SELECT card AS CARD FROM loans"), OFFICE_URL=filled(mariadb_url))
        assert 'no column "TITLE" (it has CARD)' in said
        assert "columns.title in [source.loans]" in said

    def test_a_file_that_is_not_there(self, site: Site, tmp_path: Path) -> None:
        assert "there is no file" in fault(site, SourceUnavailable, sql(), OFFICE_URL=f"sqlite:///{tmp_path / 'x.db'}")

    def test_a_driver_that_is_not_there(self, site: Site) -> None:
        assert "Install it" in fault(site, SourceRefused, sql(), OFFICE_URL="mssql+nothing://reader@host/db")


class TestOracle:
    @pytest.fixture
    def port(self, tmp_path: Path) -> Iterator[int]:
        with OracleListener(tmp_path / "library.sqlite", fill(tmp_path / "library.sqlite", 10), users=USERS) as server:
            yield server.port

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver leaves its socket
    @pytest.mark.parametrize(
        ("word", "service", "mend"),
        [(WORD, "LIBSIS", "check service_name"), ("wrong", "LIBSYS", "password is wrong")],
    )
    def test_a_wrong_service_and_a_wrong_password(
        self, site: Site, port: int, word: str, service: str, mend: str
    ) -> None:
        url = f"oracle+oracledb://clearance:{word}@127.0.0.1:{port}/?service_name={service}"
        assert mend in fault(site, SourceRefused, sql(LENT_QUERY), OFFICE_URL=url)


def rest(url: str, **more: str) -> str:
    keys = {"records": '"rows"', "total": '"total"', **more}
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return f'connector = "rest"\nurl = "{url}"\nretries = 0\n{COLUMNS}\n{lines}'


class TestApis:
    GOOD = b'{"total": 1, "rows": [{"CARD": "20151001", "TITLE": "x"}]}'

    @pytest.fixture
    def served(self) -> Iterator[Any]:
        with ExitStack() as stack:
            yield lambda body=self.GOOD, kind="application/json", status=200: stack.enter_context(
                answering(body, kind, status)
            )

    def test_set_up_rightly_it_shows_a_row(self, site: Site, served: Any) -> None:
        assert site.check(rest(served())).row == {"student": "20151001", "title": "x"}

    def test_a_wrong_port(self, site: Site) -> None:
        assert "no program listens on 127.0.0.1" in fault(
            site, SourceUnavailable, rest(f"http://127.0.0.1:{free_port()}/")
        )

    def test_a_wrong_path(self, site: Site, served: Any) -> None:
        assert "Check url" in fault(site, SourceRefused, rest(served(b"{}", status=404)))

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_wrong_token(self, site: Site, served: Any, status: int) -> None:
        source = rest(served(b"{}", status=status), auth='{ kind = "bearer", token = "env:OFFICE_TOKEN" }')
        said = fault(site, SourceRefused, source, OFFICE_TOKEN="not-the-word")
        assert "name, password and rights" in said
        assert "not-the-word" not in said

    def test_a_login_page(self, site: Site, served: Any) -> None:
        assert "login page" in fault(site, SourceRefused, rest(served(b"<html>", "text/html")))

    def test_a_wrong_place_of_the_records(self, site: Site, served: Any) -> None:
        assert "Correct records in [source.loans]" in fault(site, SourceGarbled, rest(served(), records='"data.rows"'))

    def test_a_wrong_place_of_the_total(self, site: Site, served: Any) -> None:
        assert "Correct total in [source.loans]" in fault(site, SourceGarbled, rest(served(), total='"count"'))

    def test_a_wrong_column(self, site: Site, served: Any) -> None:
        body = b'{"total": 1, "rows": [{"card_no": "20151001", "TITLE": "x"}]}'
        assert "columns.student in [source.loans]" in fault(site, SourceGarbled, rest(served(body)))

    def test_a_failure_that_comes_as_a_success(self, site: Site, served: Any) -> None:
        source = rest(served(b'{"code": 403, "msg": "no right"}'), ok='{ path = "code", equals = [0], reason = "msg" }')
        assert "no right" in fault(site, SourceRefused, source)


class TestLists:
    def listed(self, path: Path) -> Path:
        book = openpyxl.Workbook()
        book.worksheets[0].title = "名单"
        book.worksheets[0].append(["CARD", "TITLE"])
        book.worksheets[0].append(["20151001", "x"])
        book.save(path)
        book.close()
        return path

    def sheet(self, path: Path, more: str = "", columns: str = COLUMNS) -> str:
        return f'connector = "sheet"\npath = "{path}"\n{columns}\n{more}'

    def test_set_up_rightly_it_shows_a_row(self, site: Site, tmp_path: Path) -> None:
        assert site.check(self.sheet(self.listed(tmp_path / "a.xlsx"))).row == {"student": "20151001", "title": "x"}

    def test_a_wrong_path(self, site: Site, tmp_path: Path) -> None:
        assert "does not exist" in fault(site, SourceUnavailable, self.sheet(tmp_path / "b.xlsx"))

    def test_a_wrong_worksheet(self, site: Site, tmp_path: Path) -> None:
        said = fault(site, SourceGarbled, self.sheet(self.listed(tmp_path / "a.xlsx"), 'sheet = "Sheet1"'))
        assert "(名单)" in said

    def test_a_wrong_column(self, site: Site, tmp_path: Path) -> None:
        columns = 'columns = { student = "学号" }'
        said = fault(site, SourceGarbled, self.sheet(self.listed(tmp_path / "a.xlsx"), columns=columns))
        assert "found: CARD, TITLE" in said

    def test_a_wrong_kind_of_file(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "a.xls").write_bytes(b"%PDF-1.4")
        assert "it is a PDF document" in fault(site, SourceGarbled, self.sheet(tmp_path / "a.xls"))


class TestSettings:
    def test_an_address_that_no_one_has_set(self, site: Site) -> None:
        assert "the environment variable OFFICE_URL is not set" in fault(site, SourceRefused, sql())

    def test_a_connector_that_is_not_there(self, site: Site) -> None:
        with pytest.raises(SettingsError, match='there is no connector "sqll"'):
            site.check(sql().replace('"sql"', '"sqll"'), OFFICE_URL="sqlite:///x.db")

    def test_a_query_that_is_none(self, site: Site) -> None:
        with pytest.raises(SettingsError, match="begins with SELECT"):
            site.check(sql("DELETE FROM loans"), OFFICE_URL="sqlite:///x.db")


class TestExitCodes:
    @pytest.mark.parametrize(
        ("office", "code"),
        [("missing.db", 5), ("empty.db", 1)],
        ids=["nobody answers", "the answer makes no sense"],
    )
    def test_check_plan_and_sync_end_alike(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, office: str, code: int
    ) -> None:
        monkeypatch.setenv("STATUS_URL", "")
        monkeypatch.setenv("OFFICE_URL", "")
        (tmp_path / "empty.db").touch()
        finance = Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, f"sqlite:///{tmp_path / office}")
        assert finance.command("sync", "roster").exit_code == 0
        for command in ("check", "plan", "sync"):
            ended = finance.command(command, "fees")
            assert ended.exit_code == code, f"{command}: {ended.output}"
