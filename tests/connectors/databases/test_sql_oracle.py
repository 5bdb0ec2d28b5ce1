"""Oracle, through the real driver: against a listener that speaks its wire protocol, or against a real server.

ORACLE_TEST_URL names a real one; what needs the listener is then left out.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors import sql
from connectors.port import Connector, Question, SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from status_db.model import normalise_number
from tests.connectors.database_office import but_clocks
from tests.contract import COLUMNS, ConnectorContract, Ticking
from tests.oracle_listener.library import TABLES, everything, fill, reader_no
from tests.oracle_listener.sql import Rights, Schema, load
from tests.oracle_listener.wire import Account, Fault, OracleListener
from tests.services.oracle import WORD, Place, listener_alone, listening, oracle
from tests.services.university import ROOT, free_port

# Refused or reset, the driver leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

USERS = {
    "CLEARANCE": Account(WORD),
    "LOCKED": Account(WORD, "locked"),
    "EXPIRED": Account(WORD, "expired"),
    "GRACE": Account(WORD, "grace"),
    "TEN": Account(WORD, verifier="10g"),
}
QUERY = "SELECT number_ AS NUMBER_, title AS TITLE, barcode AS BARCODE FROM loans"


def ask(where: Place | OracleListener, query: str, columns: Mapping[str, str], **own: Any) -> sql.Sql:
    """Return a connector that asks there, with another account, password or service where they are given."""
    place = listening(where) if isinstance(where, OracleListener) else where
    told = {key: own.pop(key) for key in ("user", "word", "service") if key in own}
    settings = sql.Settings.model_validate({"url": f"env:NO_SUCH_NAME:-{place.address(**told)}", "query": query, **own})
    return sql.connect(settings, Question("loans", columns, Ticking()))


class OracleOffice:
    """A library's table in Oracle."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.secret = str(place.url.password)

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        self.place.refill(
            "LOANS", [{"NUMBER_": r["NUMBER"], "TITLE": r["TITLE"], "BARCODE": r["BARCODE"]} for r in rows]
        )

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        query = 'SELECT TRIM(NUMBER_) AS "NUMBER", TITLE, BARCODE FROM LOANS'
        return ask(self.place, query, columns)

    def out_of_reach(self) -> Connector:
        nowhere = Place(self.place.url.set(host="127.0.0.1", port=free_port()), self.place.owner)
        return ask(nowhere, QUERY, COLUMNS, connect_timeout="2 s")


@pytest.fixture
def loans(tmp_path: Path) -> Iterator[Place]:
    """A table of loans whose numbers are blank-padded."""
    tables = {"LOANS": {"NUMBER_": "CHAR(20)", "TITLE": "VARCHAR2(200)", "BARCODE": "VARCHAR2(40)"}}
    with oracle(tmp_path / "loans.sqlite", tables, {"LOANS": []}, USERS) as place:
        yield place


class TestOracle(ConnectorContract, of="sql", backend="Oracle"):
    @pytest.fixture
    def office(self, loans: Place) -> OracleOffice:
        return OracleOffice(loans)


COUNT = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Schema]:
    path = tmp_path_factory.mktemp("oracle") / "library.sqlite"
    return path, fill(path, COUNT)


@pytest.fixture
def wire(data: tuple[Path, Schema]) -> Iterator[OracleListener]:
    """A listener with a library in the manner of Huiwen's."""
    with OracleListener(*data, users=USERS) as server:
        yield server


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same library, in a real server where one is named."""
    path = tmp_path_factory.mktemp("oracle") / "library.sqlite"
    with oracle(path, TABLES, everything(COUNT), USERS) as place:
        yield place


LENT = {"student": "CERT_ID_F", "reference": "PROP_NO_F", "due": "NORM_RET_DATE"}
LENT_QUERY = "SELECT CERT_ID_F, PROP_NO_F, NORM_RET_DATE FROM LEND_LST"


def test_blank_padded_keys_match_students(library: Place) -> None:
    rows = ask(library, LENT_QUERY, LENT).pull().rows
    assert rows[0][0] != reader_no(0)
    assert normalise_number(rows[0][0]) in {reader_no(i) for i in range(COUNT)}


def test_dates_numbers_and_clobs_come_as_what_they_are(library: Place) -> None:
    query = """SELECT r.CERT_ID_F, r.CREATED, c.DEBT, r.NOTE FROM READER r
        JOIN READER_CERT c ON c.CERT_ID_F = r.CERT_ID_F WHERE r.NOTE IS NOT NULL"""
    columns = {"student": "CERT_ID_F", "due": "CREATED", "amount": "DEBT", "title": "NOTE"}
    row = ask(library, query, columns).pull().rows[-1]
    assert isinstance(row[1], datetime | date)
    assert isinstance(row[2], Decimal | float | int)
    assert isinstance(row[3], str)
    assert row[3].startswith("备注")


def test_every_digit_of_a_sum_is_kept(tmp_path: Path) -> None:
    tables = {"OWED": {"CARD": "CHAR(12)", "AMOUNT": "NUMBER(12,2)", "FEN": "NUMBER(18)"}}
    rows = {"OWED": [("20151001", 1234567890.1, 9007199254740993)]}
    columns = {"student": "CARD", "amount": "AMOUNT", "reference": "FEN"}
    with oracle(tmp_path / "owed.sqlite", tables, rows, USERS) as place:
        ((_, amount, fen),) = ask(place, "SELECT CARD, AMOUNT, FEN FROM OWED", columns).pull().rows
    assert amount == Decimal("1234567890.1")
    assert isinstance(amount, Decimal)
    assert fen == 9007199254740993


def test_values_are_bound(library: Place) -> None:
    query = LENT_QUERY + " WHERE TRIM(CERT_ID_F) = :student"
    connector = ask(library, LENT_QUERY, LENT, one=query)
    assert connector.pull_one(reader_no(0)).rows
    assert connector.pull_one("' OR 1 = 1 --").rows == []
    if library.wire is not None:
        assert reader_no(0) in str(next(done.binds for done in library.wire.executed if ":student" in done.sql))


@listener_alone
def test_gbk_in_a_database_that_believes_itself_ascii(tmp_path: Path) -> None:
    """Unless declared, it is refused with the fix; declared, it is text, and the keys match."""
    schema = Schema.of({"OLD": {"CARD": "CHAR(12)", "TITLE": "VARCHAR2(60)", "QTY": "NUMBER(6)"}}, "LIBSYS")
    path = tmp_path / "old.sqlite"
    load(path, schema, {"OLD": []})
    with closing(sqlite3.connect(path)) as file:
        file.execute("INSERT INTO OLD VALUES (CAST(? AS TEXT), ?, 3)", (b"20151001    ", "构造地质学".encode("gbk")))
        file.commit()
    columns = {"student": "CARD", "title": "TITLE", "amount": "QTY"}
    with OracleListener(path, schema, users=USERS) as server:
        with pytest.raises(SourceGarbled, match='bytes_as = "gbk"'):
            ask(server, "SELECT CARD, TITLE, QTY FROM OLD", columns).pull()
        (row,) = ask(server, "SELECT CARD, TITLE, QTY FROM OLD", columns, bytes_as="gbk").pull().rows
    assert normalise_number(row[0]) == "20151001"
    assert row[1] == "构造地质学"
    assert row[2] == 3


@listener_alone
def test_a_broken_letter_in_one_title_is_reported_with_its_row(tmp_path: Path) -> None:
    schema = Schema.of({"OLD": {"CARD": "CHAR(12)", "TITLE": "VARCHAR2(60)"}}, "LIBSYS")
    path = tmp_path / "old.sqlite"
    load(path, schema, {"OLD": []})
    with closing(sqlite3.connect(path)) as file:
        for number, title in (("20151001", "唐诗选".encode()), ("20151002", "构造".encode() + b"\xff")):
            file.execute("INSERT INTO OLD VALUES (?, ?)", (number.ljust(12), title))
        file.commit()
    with OracleListener(path, schema, users=USERS) as server:
        connector = ask(server, "SELECT CARD, TITLE FROM OLD", {"student": "CARD", "title": "TITLE"})
        snapshot = connector.pull()
    assert [row[1] for row in snapshot.rows] == ["唐诗选", "构造\ufffd"]
    assert snapshot.warnings == ("row 2, title: a letter could not be decoded",)


class TestRefused:
    @pytest.mark.parametrize(
        ("who", "fix_text"),
        [
            ({"word": "wrong"}, "password is wrong"),
            ({"user": "nobody", "word": "wrong"}, "password is wrong"),
            pytest.param({"user": "locked", "word": WORD}, "account is locked", marks=listener_alone),
            pytest.param({"user": "expired", "word": WORD}, "password has expired", marks=listener_alone),
            pytest.param({"user": "ten", "word": WORD}, "only a 10G password", marks=listener_alone),
            ({"service": "NOWHERE"}, "service_name in the url"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_each_refusal_has_its_own_way_out(self, library: Place, who: dict[str, str], fix_text: str) -> None:
        with pytest.raises(SourceRefused) as caught:
            ask(library, LENT_QUERY, LENT, **who).pull()
        assert fix_text in caught.value.fix_text
        assert str(library.url.password) not in str(caught.value)

    @listener_alone
    def test_a_server_too_old_for_the_thin_driver(self, data: tuple[Path, Schema]) -> None:
        with (
            OracleListener(*data, users=USERS, protocol_version=314) as server,
            pytest.raises(SourceRefused, match=r"older than 12\.1"),
        ):
            ask(server, LENT_QUERY, LENT).pull()

    def test_a_client_that_is_not_there(self, tmp_path: Path) -> None:
        """In a process of its own: a program is thin or thick for good."""
        code = f"""
from pathlib import Path
from connectors import sql
from connectors.port import Question, SourceRefused
from tests.contract import Ticking
url = "env:NONE:-oracle+oracledb://reader@127.0.0.1:1/?service_name=LIBSYS"
own = {{"url": url, "query": "SELECT 1 FROM DUAL", "oracle_client": {str(tmp_path)!r}}}
try:
    sql.connect(sql.Settings.model_validate(own), Question("loans", {{"student": "A"}}, Ticking())).pull()
except SourceRefused as error:
    print(error.fix_text)
"""
        said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert "Oracle's client library cannot be found" in said.stdout, said.stderr

    @listener_alone
    def test_a_password_about_to_expire_still_lets_in(self, library: Place) -> None:
        assert ask(library, LENT_QUERY, LENT, user="grace", word=WORD).pull().rows


class TestGarbled:
    @pytest.mark.parametrize(
        ("query", "fix_text"),
        [
            ("SELECT CERT_ID_F FROM LENT_LST", "write OWNER.NAME"),
            ("SELECT CERT_NO FROM LEND_LST", "no such column"),
            ("SELECT CERT_ID_F FROM LEND_LST WHERE CERT_ID_F = 5", "compare text with text"),
            ("SELECT CERT_ID_F FROM LEND_LST WHERE CHANGED > '2019/05/30 x'", "TO_DATE"),
        ],
    )
    def test_each_slip_has_its_own_way_out(self, library: Place, query: str, fix_text: str) -> None:
        with pytest.raises(SourceGarbled) as caught:
            ask(library, query, {"student": "CERT_ID_F"}).pull()
        assert fix_text in caught.value.fix_text

    @listener_alone
    def test_without_synonyms_the_owner_must_be_named(self, data: tuple[Path, Schema]) -> None:
        with OracleListener(*data, users=USERS, require_owner=True) as server:
            with pytest.raises(SourceGarbled, match=r"OWNER\.NAME"):
                ask(server, LENT_QUERY, LENT).pull()
            assert ask(server, LENT_QUERY.replace("FROM ", "FROM LIBSYS."), LENT).pull().rows


@listener_alone
class TestFaults:
    """Each fault is shown to have fired, and the next pull, without it, to be whole."""

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault("drop", rows=50, sql="LEND_LST"), SourceUnavailable),
            (Fault("drop", octets=100, sql="LEND_LST"), SourceUnavailable),
            (Fault("error", rows=50, code=1555, sql="LEND_LST"), SourceUnavailable),
            (Fault("error", rows=50, code=28, sql="LEND_LST"), SourceUnavailable),
            (Fault("error", rows=0, code=3113, sql="LEND_LST"), SourceUnavailable),
            (Fault("stall", rows=50, seconds=30, sql="LEND_LST"), SourceUnavailable),
            (Fault("drip", octets=50, seconds=0.05, sql="LEND_LST"), SourceUnavailable),
            (Fault("refuse", code=12516), SourceUnavailable),
            (Fault("silent", seconds=5), SourceUnavailable),
            (Fault("logon", code=1033), SourceUnavailable),
        ],
        ids=lambda value: f"{value.action}-{value.code}-{value.rows}" if isinstance(value, Fault) else "",
    )
    def test_a_broken_answer_is_no_answer_and_the_next_is_whole(
        self, wire: OracleListener, fault: Fault, kind: type[SourceError]
    ) -> None:
        fresh = copy(fault)
        if fault.rows or fault.action == "drip":
            # The count, which comes first, has but one row.
            fresh.times = 2
        wire.inject(fresh)
        connector = ask(wire, LENT_QUERY, LENT, timeout="1 s", connect_timeout="1 s")
        with pytest.raises(kind):
            connector.pull()
        assert fresh not in wire.faults, "the fault fired"
        assert len(connector.pull().rows) > 100

    def test_a_session_killed_in_the_middle(self, wire: OracleListener) -> None:
        connector = ask(wire, LENT_QUERY, LENT)

        def kill(_done: int, _expected: int | None) -> None:
            wire.kill_sessions()

        with pytest.raises(SourceUnavailable):
            connector.pull(kill)
        assert connector.pull().rows


class TestAnAccountThatCanWrite:
    @listener_alone
    @pytest.mark.parametrize(
        "rights",
        [
            Rights(system=("CREATE SESSION", "UPDATE ANY TABLE")),
            Rights(tables=(("LEND_LST", "DELETE"),)),
            Rights(by_role=(("CLERK", "LEND_LST", "INSERT"),)),
        ],
        ids=["any table", "one table", "through a role"],
    )
    def test_it_is_pointed_out_however_it_came_by_the_right(self, data: tuple[Path, Schema], rights: Rights) -> None:
        with OracleListener(*data, users={"CLEARANCE": Account(WORD, rights=rights)}) as server:
            (warning,) = but_clocks(ask(server, LENT_QUERY, LENT).check().warnings)
        assert warning.startswith("the account CLEARANCE can change the office's data")

    def test_who_owns_tables_can_write_them(self, data: tuple[Path, Schema], library: Place) -> None:
        if library.wire is None:
            (warning,) = but_clocks(ask(library, LENT_QUERY, LENT).check().warnings)
            assert "only read" in warning
            return
        with OracleListener(*data, users={"LIBSYS": Account(WORD)}) as server:
            (warning,) = but_clocks(ask(server, LENT_QUERY, LENT, user="libsys", word=WORD).check().warnings)
        assert "the account LIBSYS" in warning

    @listener_alone
    @pytest.mark.parametrize(
        "rights",
        [
            Rights(tables=(("LEND_LST", "SELECT"),), by_role=(("READERS", "READER", "SELECT"),)),
            Rights(told=False),
        ],
        ids=["may only read", "is not told its rights"],
    )
    def test_who_may_only_read_or_cannot_see_its_rights_passes_the_check(
        self, data: tuple[Path, Schema], rights: Rights
    ) -> None:
        with OracleListener(*data, users={"CLEARANCE": Account(WORD, rights=rights)}) as server:
            sample = ask(server, LENT_QUERY, LENT).check()
        assert but_clocks(sample.warnings) == []
        assert sample.row is not None
