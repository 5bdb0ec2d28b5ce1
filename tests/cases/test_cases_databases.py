"""What ends in a wrong clear where an office's database is asked, each case with its right answer."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors.databases import mysql
from connectors.databases.base import DatabaseTimeouts, Options
from connectors.port import AsksByNumber, ProofKind, SourceGarbled, SourceRefused
from status_db.model import RunState, Verdict
from tests.cases.databases_office import ASKS, Finance
from tests.cast import MORNING
from tests.connectors.database_office import ask
from tests.services.five_students import NUMBERS

INPUTS = Path(__file__).parent / "inputs"
A, B, C, D, E = NUMBERS
OWED = "INSERT INTO f VALUES ('2015150001', '学费', 5000), ('2015150002', '住宿费', 120)"
TABLE = "CREATE TABLE f (xh VARCHAR(30), xm VARCHAR(50), qf DECIMAL(10,2))"
HELD_TWO = [Verdict.HELD, Verdict.HELD, Verdict.CLEARED, Verdict.CLEARED, Verdict.CLEARED]
UNKNOWN = [Verdict.UNKNOWN] * 5

MakeOffice = Callable[..., Finance]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget afterwards what the program was given by the environment."""
    monkeypatch.setenv("STATUS_URL", "")
    monkeypatch.setenv("OFFICE_URL", "")


def asked_with(url: str, charset: str) -> str:
    """Return a MariaDB url with this charset, or with none."""
    plain = make_url(url).difference_update_query(["charset"])
    return (plain.update_query_dict({"charset": charset}) if charset else plain).render_as_string(hide_password=False)


@pytest.fixture
def at_mariadb(tmp_path: Path, mariadb_url: str, environ: None) -> MakeOffice:
    """A finance office in MariaDB."""
    return lambda source=ASKS: Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, mariadb_url, source)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def office(request: pytest.FixtureRequest, tmp_path: Path, environ: None) -> MakeOffice:
    """A finance office in each kind of database, its status database on SQLite."""
    url = f"sqlite:///{tmp_path / 'office.db'}"
    if request.param != "sqlite":
        url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url")

    def made(source: str = ASKS) -> Finance:
        return Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, url, source)

    return made


class TestBytes:
    def test_a_binary_key_is_refused_and_bytes_as_is_the_fix(
        self, status_url: str, tmp_path: Path, mariadb_url: str, environ: None
    ) -> None:
        finance = Finance(status_url, tmp_path, mariadb_url)
        finance.office(*INPUTS.joinpath("binary_key.sql").read_text(encoding="utf-8").split(";"))
        outcome = finance.sync()
        assert outcome.state is RunState.FAILED
        assert 'bytes_as = "utf-8"' in outcome.message
        assert finance.verdicts() == UNKNOWN
        finance.says(ASKS + 'bytes_as = "utf-8"')
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO

    @pytest.mark.parametrize("column", ["xh", "xm", "qf"])
    def test_bytes_are_no_text_in_any_column_and_in_any_database(self, office: MakeOffice, column: str) -> None:
        finance = office()
        finance.office(TABLE, OWED)
        dialect = finance.office_url.partition(":")[0].partition("+")[0]
        cast = {"sqlite": "CAST({0} AS BLOB)", "postgresql": "convert_to({0}::text, 'UTF8')"}.get(
            dialect, "CAST({0} AS BINARY)"
        )
        parts = ", ".join(f"{cast.format(c)} AS {c}" if c == column else c for c in ("xh", "xm", "qf"))
        asks = ASKS.replace("SELECT xh, xm, qf", f"SELECT {parts}".replace("::", "\\\\:\\\\:"))
        finance.says(asks)
        with pytest.raises(SourceGarbled, match=rf"column {column} .* has bytes.*bytes_as"):
            finance.connector().pull()
        finance.says(asks + 'bytes_as = "utf-8"')
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO

    def test_a_population_of_bytes_is_refused_too(self, at_mariadb: MakeOffice) -> None:
        finance = at_mariadb(ASKS + 'population = "SELECT CAST(xh AS BINARY) FROM f"')
        finance.office(TABLE, OWED)
        with pytest.raises(SourceGarbled, match="bytes_as"):
            finance.connector().pull()
        finance.says(ASKS + 'population = "SELECT CAST(xh AS BINARY) FROM f"\nbytes_as = "utf-8"')
        assert list(finance.connector().pull().population or ()) == [A, B]

    def test_a_fixed_length_of_bytes_is_no_part_of_the_number(self, at_mariadb: MakeOffice) -> None:
        finance = at_mariadb(ASKS + 'bytes_as = "utf-8"')
        finance.office("CREATE TABLE f (xh BINARY(20), xm VARCHAR(50), qf DECIMAL(10,2))", OWED)
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO


class TestLettersThatAConnectionCannotHold:
    @pytest.mark.parametrize("charset", ["latin1", "gbk", "big5", "utf8mb3", "ascii"])
    def test_a_charset_that_lacks_letters_of_the_columns_is_refused_by_name(
        self, at_mariadb: MakeOffice, charset: str
    ) -> None:
        finance = at_mariadb()
        finance.office(f"{TABLE} CHARACTER SET utf8mb4")
        finance.office("INSERT INTO f VALUES ('2015150001', '学费𠮷', 5000), ('２０１５１５０００２', '住宿费', 120)")
        finance.office_url = asked_with(finance.office_url, charset)
        outcome = finance.sync()
        assert outcome.state is RunState.FAILED
        assert f"charset={charset}" in outcome.message
        assert finance.verdicts() == UNKNOWN

    def test_without_a_charset_every_letter_arrives(self, at_mariadb: MakeOffice) -> None:
        finance = at_mariadb()
        finance.office(f"{TABLE} CHARACTER SET utf8mb4")
        finance.office("INSERT INTO f VALUES ('2015150001', '学费𠮷', 5000), ('２０１５１５０００２', '住宿费', 120)")
        finance.office_url = asked_with(finance.office_url, "")
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO

    def test_a_charset_that_holds_the_columns_letters_is_taken_and_proven(self, at_mariadb: MakeOffice) -> None:
        finance = at_mariadb()
        finance.office(f"{TABLE} CHARACTER SET gbk", OWED)
        finance.office_url = asked_with(finance.office_url, "gbk")
        proofs = {proof.kind: proof.detail for proof in finance.connector().pull().proofs}
        assert "gbk on the connection" in proofs[ProofKind.CHARSET_SANE]
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO

    @pytest.mark.parametrize(("columns", "truly"), [("latin1", "utf-8"), ("latin1", "gbk")])
    def test_text_that_was_read_as_latin_is_reported_and_not_called_sane(
        self, at_mariadb: MakeOffice, columns: str, truly: str
    ) -> None:
        finance = at_mariadb()
        finance.office(f"{TABLE} CHARACTER SET {columns}")
        finance.office(f"INSERT INTO f VALUES ('2015150001', UNHEX('{'学费住宿'.encode(truly).hex()}'), 5000)")
        snapshot = finance.connector().pull()
        assert [f"{truly}, but was read as Latin-1" in warning for warning in snapshot.warnings] == [True]
        assert ProofKind.CHARSET_SANE not in {proof.kind for proof in snapshot.proofs}

    def test_a_number_whose_letters_were_replaced_is_refused_where_it_fits_a_student(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE, OWED, "INSERT INTO f VALUES ('201515000?', '学费', 9), ('VIS?', '学费', 9)")
        outcome = finance.sync()
        assert outcome.state is RunState.FAILED
        assert "201515000?" in outcome.message

    def test_a_number_with_a_question_mark_that_fits_no_one_stops_nothing(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE, OWED, "INSERT INTO f VALUES ('VIS?', '学费', 9)")
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO


class TestOneBadCell:
    def test_a_broken_letter_in_a_title_is_replaced_and_reported_with_its_row(self, office: MakeOffice) -> None:
        finance = office()
        if finance.office_url.startswith("postgresql"):
            pytest.skip("PostgreSQL takes no text that is not in its charset")
        finance.office(TABLE, OWED)
        if finance.office_url.startswith("mysql"):
            # Its bytes come as they are where the connection's charset is the column's.
            finance.office(f"{TABLE.replace(' f ', ' g ')} CHARACTER SET latin1")
            finance.office("INSERT INTO g VALUES ('2015150001', 'fee', 5000), ('2015150002', 'café', 120)")
            finance.office(f"INSERT INTO g VALUES ('{C}', UNHEX('636166E981'), 7)")
            finance.office_url = asked_with(finance.office_url, "latin1")
        else:
            finance.office("CREATE TABLE g AS SELECT * FROM f")
            finance.office(f"INSERT INTO g VALUES ('{C}', CAST(X'E5ADA6FF' AS TEXT), 7)")
        finance.says(ASKS.replace("FROM f", "FROM g"))
        snapshot = finance.connector().pull()
        at = [row[0] for row in snapshot.rows].index(C) + 1
        assert snapshot.warnings == (f"row {at}, title: a letter could not be decoded",)
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts()[:3] == [Verdict.HELD] * 3

    def test_postgresql_that_converts_nothing_is_asked_for_bytes(self, postgres_server: URL, tmp_path: Path) -> None:
        """In SQL_ASCII text is bytes: refused until the settings say of which charset, and then one bad cell is one."""
        admin = create_engine(postgres_server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        name = f"ascii_{uuid4().hex[:12]}"
        with admin.connect() as connection:
            connection.execute(
                text(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
            )
        try:
            url = postgres_server.set(database=name).render_as_string(hide_password=False)
            finance = Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, url)
            finance.office_url += "?client_encoding=utf8" if "?" not in url else "&client_encoding=utf8"
            finance.office("CREATE TABLE f (xh TEXT, xm TEXT, qf DECIMAL(10,2))")
            good, bad = "学费".encode("gbk").hex(), "D1A7FF"
            for number, raw in ((A, good), (B, good), (C, bad)):
                finance.office(
                    f"INSERT INTO f VALUES ('{number}', convert_from(decode('{raw}', 'hex'), 'SQL_ASCII'), 9)"
                )
            finance.office_url = url
            with pytest.raises(SourceGarbled, match="bytes_as"):
                finance.connector().pull()
            finance.says(ASKS + 'bytes_as = "gbk"')
            snapshot = finance.connector().pull()
            assert snapshot.rows[0][1] == "学费"
            assert snapshot.warnings == ("row 3, title: a letter could not be decoded",)
        finally:
            with admin.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))

    def test_a_broken_letter_in_a_number_is_refused_with_its_row(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE, OWED, "INSERT INTO f VALUES ('2015\ufffd50003', '学费', 7)")
        outcome = finance.sync()
        assert outcome.state is RunState.FAILED
        assert "row 3, xh: a letter of the student number could not be decoded" in outcome.message

    def test_a_broken_letter_in_an_amount_makes_that_student_alone_doubtful(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE.replace("DECIMAL(10,2)", "VARCHAR(20)"))
        finance.office("INSERT INTO f VALUES ('2015150001', '学费', '5000'), ('2015150003', '学费', '1\ufffd')")
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts()[::2] == [Verdict.HELD, Verdict.UNKNOWN, Verdict.CLEARED]


class TestOwnLimit:
    @pytest.mark.parametrize("limit", ["LIMIT 2", "limit :most", "LIMIT 2 OFFSET 0", "LIMIT 1"])
    def test_an_answer_that_reaches_the_querys_own_limit_is_refused(self, office: MakeOffice, limit: str) -> None:
        finance = office(ASKS.replace("FROM f", f"FROM f {limit}") + "parameters = { most = 2 }")
        finance.office(TABLE, OWED, "INSERT INTO f VALUES ('2015150003', '学费', 1)")
        outcome = finance.sync()
        assert outcome.state is RunState.FAILED
        assert "its own" in outcome.message
        assert finance.verdicts() == UNKNOWN

    def test_an_answer_below_the_querys_own_limit_is_whole(self, office: MakeOffice) -> None:
        finance = office(ASKS.replace("FROM f", "FROM f LIMIT 3 -- LIMIT 1"))
        finance.office(TABLE, OWED)
        assert finance.sync().state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO

    def test_a_limit_within_a_part_of_the_query_proves_nothing(self, office: MakeOffice) -> None:
        finance = office(ASKS.replace("FROM f", "FROM (SELECT * FROM f LIMIT 5) p WHERE qf > 1000"))
        finance.office(TABLE, OWED)
        assert "in a part of it" in finance.sync().message
        assert finance.verdicts() == UNKNOWN

    def test_check_announces_it(self, office: MakeOffice) -> None:
        finance = office(ASKS.replace("FROM f", "FROM f LIMIT 1000"))
        finance.office(TABLE, OWED)
        assert [w for w in finance.connector().check().warnings if "its own LIMIT 1000" in w]
        said = finance.command("check", "fees")
        assert "its own LIMIT 1000" in " ".join(said.output.split())


class TestAskedByNumber:
    def rows(self, finance: Finance, *numbers: str) -> list[Any]:
        connector = finance.connector()
        assert isinstance(connector, AsksByNumber)
        return sorted((str(row[0]).strip(), row[1]) for row in connector.pull_these(numbers).rows)

    def test_the_students_asked_about_come_and_no_others(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE, OWED, "INSERT INTO f VALUES ('2015150003', '学费', 1)")
        assert self.rows(finance, A, C, D) == [(A, "学费"), (C, "学费")]
        assert self.rows(finance, D) == []

    @pytest.mark.parametrize(
        "spelled",
        [
            "２０１５１５０００１",
            " 2015150001  ",
            "2015150001\t",
            "2015150001.0",
            "2015150001 张一",
            "\u200b2015150001",
        ],
    )
    def test_a_number_that_the_office_spells_otherwise_is_found(self, office: MakeOffice, spelled: str) -> None:
        finance = office()
        finance.office(TABLE, f"INSERT INTO f VALUES ('{spelled}', '学费', 5000)")
        assert len(self.rows(finance, A)) == 1

    def test_numbers_kept_as_integers_or_padded_are_found(self, office: MakeOffice) -> None:
        for kind, stored in (("BIGINT", "15150005"), ("CHAR(20)", "'0015150005'"), ("DECIMAL(20,2)", "15150005")):
            finance = office()
            finance.office(TABLE.replace("VARCHAR(30)", kind), f"INSERT INTO f VALUES ({stored}, '学费', 5000)")
            assert len(self.rows(finance, E)) == 1, kind
            finance.office("DROP TABLE f")

    def test_more_students_than_are_bound_at_once(self, office: MakeOffice) -> None:
        finance = office()
        finance.office(TABLE, OWED)
        assert len(self.rows(finance, *(f"{number:010}" for number in range(2015149000, 2015150002)))) == 1

    def test_it_shows_the_same_proofs_and_the_population_of_those_asked_about(self, office: MakeOffice) -> None:
        finance = office(ASKS + 'population = "SELECT xh FROM f -- everybody"')
        finance.office(TABLE, OWED)
        connector = finance.connector()
        assert isinstance(connector, AsksByNumber)
        snapshot = connector.pull_these([B, D])
        assert {p.kind for p in snapshot.proofs} == {p.kind for p in connector.pull().proofs}
        assert list(snapshot.population or ()) == [B]

    def test_the_population_holds_those_of_every_statement(self, office: MakeOffice) -> None:
        finance = office(ASKS + 'population = "SELECT xh FROM f"')
        finance.office(TABLE, OWED)
        connector = finance.connector()
        assert isinstance(connector, AsksByNumber)
        others = [f"{number:010}" for number in range(1, 1200)]
        assert sorted(map(str, connector.pull_these([A, *others, B]).population or ())) == [A, B]

    def test_a_query_with_its_own_limit_is_read_whole(self, office: MakeOffice) -> None:
        finance = office(ASKS.replace("FROM f", "FROM f LIMIT 2"))
        finance.office(TABLE, OWED)
        with pytest.raises(SourceGarbled, match="its own LIMIT 2"):
            self.rows(finance, A)


AS_OF = ASKS + 'fresh_for = "26 h"\n'


class TestDataAsOf:
    """MORNING is 07:40 in Shanghai."""

    LOADED = TABLE[:-1] + ", loaded VARCHAR(40))"

    def loaded(self, office: MakeOffice, as_of: str, moment: str, *rows: str) -> Finance:
        finance = office(f"{AS_OF}as_of = {as_of}".replace("xm, qf FROM", "xm, qf, loaded FROM"))
        values = [f"('{number}', '学费', 9, '{moment}')" for number in rows or (A, B)]
        finance.office(self.LOADED, f"INSERT INTO f VALUES {', '.join(values)}")
        return finance

    @pytest.mark.parametrize("as_of", ['"loaded"', '"SELECT max(loaded) FROM f"'], ids=["column", "query"])
    def test_freshness_counts_from_the_sources_own_moment(
        self, status_url: str, office: MakeOffice, as_of: str
    ) -> None:
        moment = MORNING - timedelta(hours=25)
        finance = self.loaded(office, as_of, f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z")
        finance.status_url = status_url
        finance = Finance(status_url, finance.folder, finance.office_url, finance.file.read_text().split('"15 min"')[1])
        assert finance.sync(MORNING).state is RunState.APPLIED
        (step,) = finance.student(A, MORNING).steps
        assert step.as_of == moment
        assert not step.at(MORNING).stale
        assert step.at(MORNING + timedelta(hours=1)).stale
        assert finance.source().as_of == moment

    def test_the_same_rows_under_a_later_moment_are_fresher(self, office: MakeOffice) -> None:
        finance = self.loaded(office, '"loaded"', "2019-06-01 07:00")
        now = datetime(2019, 6, 1, 0, 0, tzinfo=UTC)
        assert finance.sync(now).state is RunState.APPLIED
        finance.office("UPDATE f SET loaded = '2019-06-02 07:00'")
        assert finance.sync(now + timedelta(days=1)).state is RunState.UNCHANGED
        assert finance.source().as_of == datetime(2019, 6, 1, 23, 0, tzinfo=UTC)

    def test_a_sheet_may_have_a_column_of_it_too(self, tmp_path: Path, environ: None) -> None:
        url = f"sqlite:///{tmp_path / 'clearance.db'}"
        source = ASKS.partition("columns")[2] + 'fresh_for = "26 h"\nas_of = "loaded"\npath = "fees.csv"'
        finance = Finance(url, tmp_path, url, f"columns{source}")
        settings = finance.file.read_text(encoding="utf-8")
        settings = settings.replace('connector = "sql"\nurl = "env:OFFICE_URL"', 'connector = "sheet"')
        finance.file.write_text(settings, encoding="utf-8")
        rows = f"{A},学费,5000,2019-06-01 06:00\n{B},学费,120,2019-06-01 07:00\n"
        (tmp_path / "fees.csv").write_text(f"xh,xm,qf,loaded\n{rows}", encoding="utf-8")
        now = datetime(2019, 6, 1, 0, 0, tzinfo=UTC)
        assert finance.sync(now).state is RunState.APPLIED
        assert finance.verdicts() == HELD_TWO
        assert finance.source().as_of == datetime(2019, 5, 31, 22, 0, tzinfo=UTC)

    def test_an_answer_without_rows_counts_from_when_it_was_asked(self, office: MakeOffice) -> None:
        finance = self.loaded(office, '"loaded"', "2019-06-01 07:00")
        finance.office("DELETE FROM f")
        now = datetime(2019, 6, 1, 0, 0, tzinfo=UTC)
        assert finance.sync(now).state is RunState.APPLIED
        assert finance.source().as_of == now

    def test_the_answer_is_as_old_as_its_oldest_row(self, office: MakeOffice) -> None:
        finance = self.loaded(office, '"loaded"', "2019-06-01 07:00")
        finance.office("UPDATE f SET loaded = '2019-05-20 07:00' WHERE xh = '2015150002'")
        finance.sync(datetime(2019, 6, 1, 0, 0, tzinfo=UTC))
        assert finance.source().as_of == datetime(2019, 5, 19, 23, 0, tzinfo=UTC)

    @pytest.mark.parametrize("as_of", ['"loaded"', '"SELECT loaded FROM f"'], ids=["column", "query"])
    @pytest.mark.parametrize("moment", ["2019-06-02 07:00", "yesterday", "", "2019-13-01"])
    def test_a_moment_in_the_future_or_unreadable_is_refused(self, office: MakeOffice, as_of: str, moment: str) -> None:
        finance = self.loaded(office, as_of, moment)
        outcome = finance.sync(datetime(2019, 6, 1, 0, 0, tzinfo=UTC))
        assert outcome.state is RunState.FAILED
        assert "as_of returns" in outcome.message
        assert finance.verdicts() == UNKNOWN

    @pytest.mark.parametrize(
        ("source", "why"),
        [
            (ASKS + 'as_of = "loaded"', "as_of: needs fresh_for"),
            (AS_OF + 'as_of = " "', "as_of: is blank"),
            (AS_OF + 'as_of = "SELECT 1; SELECT 2"', "as_of: write one SELECT"),
        ],
    )
    def test_what_cannot_work_is_a_mistake_of_the_settings(self, tmp_path: Path, source: str, why: str) -> None:
        url = f"sqlite:///{tmp_path / 'a.db'}"
        said = Finance(url, tmp_path, url, source).command("check")
        assert said.exit_code == 1
        assert why in " ".join(said.output.split())


class TestTls:
    def test_a_server_without_tls_is_named_as_the_cause(self, mariadb_url: str) -> None:
        with pytest.raises(SourceRefused, match="does not use TLS"):
            ask(make_url(mariadb_url).update_query_dict({"ssl_verify_cert": "true"})).pull()

    @pytest.mark.parametrize(
        ("said", "fix"),
        [
            ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "does not use TLS"),
            ("[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol (_ssl.c:1006)", "TLS 1.2"),
            ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", "TLS 1.2"),
            ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure", "ECDHE"),
            ("[SSL: DH_KEY_TOO_SMALL] dh key too small", "Diffie-Hellman"),
            (
                "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
                "ssl_ca in the url",
            ),
        ],
    )
    def test_each_failed_handshake_has_its_true_cause(self, said: str, fix: str) -> None:
        office = mysql.Mysql("fees", "mysql://office/", DatabaseTimeouts(timedelta(1), timedelta(1)), Options())
        error = type("OperationalError", (Exception,), {})(2003, f"Can't connect to MySQL server on 'office' ({said})")
        found = office.to_source_error(error)
        assert isinstance(found, SourceRefused)
        assert fix in str(found)


class TestAnOlderServer:
    def test_a_server_without_a_limit_of_time_is_asked_and_check_reports_it(
        self, at_mariadb: MakeOffice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server itself answers 1193 to a variable it does not know."""
        monkeypatch.setattr(mysql, "limits", lambda *_: ("SET SESSION no_such_variable = 90000",))
        finance = at_mariadb()
        finance.office(TABLE, OWED)
        assert finance.sync().state is RunState.APPLIED
        assert [w for w in finance.connector().check().warnings if "no time limit for a statement" in w]

    def test_a_server_without_read_only_transactions_is_asked_and_check_reports_it(
        self, at_mariadb: MakeOffice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server itself answers 1064 to words it does not know."""
        monkeypatch.setattr(mysql, "READ_ONLY", ", READ WITHOUT WRITING")
        finance = at_mariadb()
        finance.office(TABLE, OWED)
        assert finance.sync().state is RunState.APPLIED
        assert [w for w in finance.connector().check().warnings if "no read-only transaction" in w]

    @pytest.mark.parametrize("version", ["5.5.62-log", "5.6.40", "5.5.5-10.0.38-MariaDB", "8.0.36"])
    def test_a_version_that_a_proxy_makes_up_costs_no_limit(
        self, at_mariadb: MakeOffice, monkeypatch: pytest.MonkeyPatch, version: str
    ) -> None:
        tried = mysql.limits
        monkeypatch.setattr(mysql, "limits", lambda _, patience: tried(version, patience))
        finance = at_mariadb()
        finance.office(TABLE, OWED)
        assert not [w for w in finance.connector().check().warnings if "no limit of time" in w]
        assert finance.sync().state is RunState.APPLIED


class TestClocks:
    @pytest.mark.parametrize(("minutes", "warned"), [(0, 0), (1, 0), (-1, 0), (4, 1), (-4, 1), (480, 1)])
    def test_check_compares_the_databases_clock_with_ours(self, office: MakeOffice, minutes: int, warned: int) -> None:
        finance = office()
        finance.office(TABLE, OWED)
        program = finance.program(datetime.now(UTC) + timedelta(minutes=minutes))
        warnings = [w for w in program.connect("fees").check().warnings if "clock" in w]
        assert len(warnings) == (0 if finance.office_url.startswith("sqlite") else warned)
