"""Oracle's and its driver's numbers: which pass by themselves, and for which somebody must do something."""

from collections.abc import Iterator

import pytest

from connectors.databases.base import Options
from connectors.databases.oracle import Oracle
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.connectors.database_office import ask as ask_there
from tests.connectors.databases.test_sql_kin import PATIENCE
from tests.connectors.databases.test_sql_oracle import LENT, LENT_QUERY, USERS, ask
from tests.oracle_listener.library import fill, reader_no
from tests.oracle_listener.wire import Fault, OracleListener
from tests.services.university import free_port

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


#: What the driver says of every connection that fails, before it says why.
UMBRELLA = "DPY-6005: cannot connect to database (CONNECTION_ID=x).\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OracleListener]:
    path = tmp_path_factory.mktemp("oracle") / "library.sqlite"
    with OracleListener(path, fill(path, 40), users=USERS) as made:
        yield made


@pytest.mark.parametrize("code", [18, 20, 40, 604, 1652, 2396, 4031, 12526, 12637])
def test_what_passes_by_itself_is_unavailable(server: OracleListener, code: int) -> None:
    server.inject(Fault("logon", code=code))
    with pytest.raises(SourceUnavailable, match=f"ORA-{code:05}"):
        ask(server, LENT_QUERY, LENT).pull()
    assert ask(server, LENT_QUERY, LENT).pull().rows


@pytest.mark.parametrize("code", [2399, 12504, 12638, 12650, 28040, 29024])
def test_what_somebody_must_change_is_refused(server: OracleListener, code: int) -> None:
    server.inject(Fault("logon", code=code))
    with pytest.raises(SourceRefused, match=f"ORA-{code:05}") as caught:
        ask(server, LENT_QUERY, LENT).pull()
    assert "mend" not in caught.value.fix_text
    assert caught.value.fix_text.endswith(".")


@pytest.mark.parametrize("code", [12526, 12504])
def test_the_listeners_own_refusal_is_sorted_likewise(server: OracleListener, code: int) -> None:
    server.inject(Fault("refuse", code=code))
    kind = SourceUnavailable if code == 12526 else SourceRefused
    with pytest.raises(kind, match=str(code)):
        ask(server, LENT_QUERY, LENT).pull()


def test_the_drivers_second_line_is_kept() -> None:
    url = f"oracle+oracledb://reader:word@127.0.0.1:{free_port()}/?service_name=LIBSYS"
    with pytest.raises(SourceUnavailable, match="Connection refused"):
        ask_there(url, LENT_QUERY, LENT, connect_timeout="2 s").pull()


@pytest.mark.parametrize(
    ("said", "kind", "fix"),
    [
        ("DPY-6010: connection lost while it was being made", SourceUnavailable, "next slot"),
        ("DPY-3007: feature is only supported in thick mode", SourceRefused, "oracle_client"),
        (
            f"{UMBRELLA}DPY-6006: The name on the server certificate does not match the expected value",
            SourceRefused,
            "certificate is for another name",
        ),
        (
            f"{UMBRELLA}[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1)",
            SourceRefused,
            "authority is not known here",
        ),
        (
            f"{UMBRELLA}[SSL: WRONG_VERSION_NUMBER] wrong version number",
            SourceRefused,
            "does not use TLS",
        ),
        (
            f"{UMBRELLA}[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol",
            SourceRefused,
            "no longer safe",
        ),
        (
            f"{UMBRELLA}[SSL: DH_KEY_TOO_SMALL] dh key too small",
            SourceRefused,
            "Diffie-Hellman",
        ),
        (
            f"{UMBRELLA}[Errno 111] Connection refused",
            SourceUnavailable,
            "",
        ),
        (
            "ORA-00604: error occurred at recursive SQL level 1\nORA-01017: invalid credential",
            SourceRefused,
            "password",
        ),
        ("ORA-00604: error occurred at recursive SQL level 1\nORA-20001: not from there", SourceUnavailable, ""),
        ("ORA-00904: invalid identifier\nHelp: https://docs.oracle.com/", SourceGarbled, "no such column"),
    ],
)
def test_a_number_that_represents_another_is_sorted_by_its_cause(said: str, kind: type[SourceError], fix: str) -> None:
    office = Oracle("lent", "oracle+oracledb://reader@office/", PATIENCE, Options())
    found = office.to_source_error(type("DatabaseError", (Exception,), {})(said))
    assert type(found) is kind
    assert fix in str(found)
    second = said.splitlines()[-1]
    assert "Help:" not in found.what
    assert second.startswith("Help:") or second[:40] in found.what


class TestAskedByNumber:
    def test_readers_with_padded_numbers_are_found(self, server: OracleListener) -> None:
        connector = ask(server, LENT_QUERY, LENT)
        whole = [str(row[0]).strip() for row in connector.pull().rows]
        number = whole[0]
        found = connector.pull_these([number, "20159999"]).rows
        assert [str(row[0]).strip() for row in found] == [number] * whole.count(number)
        assert connector.pull_these(["20159999"]).rows == []

    def test_the_question_is_one_of_numbers(self, server: OracleListener) -> None:
        before = len(server.executed)
        ask(server, LENT_QUERY, LENT).pull_these([reader_no(0)])
        asked = [done for done in server.executed[before:] if "REGEXP_LIKE" in done.sql]
        assert asked
        assert reader_no(0) in str(asked[-1].binds)
