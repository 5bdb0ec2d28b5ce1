"""What an office's database is never sent: by the words of a query, as that very database reads them."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, StaticPool

from config.tables.secrets import DatabaseUrl, Origin
from connectors import huiwen, interlib_views, koha, sql
from connectors.databases.statements.query_guard import refuse, refuse_everywhere
from connectors.databases.statements.tokens import RULES, QueryRefused, TokenKind, tokens
from connectors.port import Question, SourceRefused
from tests.contract import Ticking

ROOT = Path(__file__).parents[3]

#: Refused by every database.
EVERYWHERE = """
DELETE FROM loans
UPDATE loans SET title = 'x'
INSERT INTO loans VALUES (1)
TRUNCATE TABLE loans
DROP TABLE loans
CALL wipe()
EXEC wipe
COPY loans TO '/tmp/x'
ATTACH DATABASE '/tmp/x' AS x
PRAGMA writable_schema = 1
LOAD DATA INFILE '/etc/passwd' INTO TABLE loans
DO SLEEP(5)
SET @x = 1
EXPLAIN ANALYZE DELETE FROM loans
VALUES (1)
SELECT 1; DELETE FROM loans
SELECT 1;; SELECT 2
SELECT 1 /* ; */ ; SELECT 2
SELECT 1) q; DELETE FROM loans; SELECT * FROM (SELECT 1
SELECT 1) q UNION SELECT * FROM (SELECT password FROM users
SELECT (1
SELECT * INTO copied FROM loans
SELECT * FROM loans INTO OUTFILE '/tmp/loans'
SELECT * FROM loans INTO DUMPFILE '/tmp/loans'
SELECT title INTO @title FROM loans
SELECT * FROM loans FOR UPDATE
SELECT * FROM loans FOR /* us */ UPDATE
SELECT * FROM loans FOR NO KEY UPDATE
SELECT * FROM loans FOR SHARE
SELECT * FROM loans FOR KEY SHARE
SELECT * FROM loans LOCK IN SHARE MODE
SELECT * FROM (SELECT * FROM loans FOR UPDATE) q
WITH gone AS (DELETE FROM loans RETURNING *) SELECT * FROM gone
WITH gone AS MATERIALIZED (UPDATE loans SET title = '' RETURNING *) SELECT * FROM gone
WITH made AS (INSERT INTO loans VALUES (1) RETURNING *) SELECT * FROM made
WITH a AS (SELECT 1) DELETE FROM loans
WITH a AS (SELECT 1) UPDATE loans SET title = 'x'
WITH FUNCTION f RETURN NUMBER IS BEGIN RETURN 1; END; SELECT f FROM dual
SELECT LOAD_FILE('/etc/passwd')
SELECT load_file ( '/etc/passwd' )
SELECT LOAD_FILE/**/('/etc/passwd')
SELECT SLEEP(5)
SELECT sléep(5)
SELECT BENCHMARK(100000000, MD5('x'))
SELECT GET_LOCK('x', 10)
SELECT IS_FREE_LOCK('x')
SELECT MASTER_POS_WAIT('x', 4)
SELECT sys_exec('id')
SELECT * FROM loans PROCEDURE ANALYSE()
SELECT pg_sleep(5)
SELECT pg_sleep_for('5 s')
SELECT PG_CATALOG.PG_SLEEP(5)
SELECT "pg_sleep"(5)
SELECT pg_catalog."pg_read_file"('/etc/passwd')
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_binary_file('/etc/passwd')
SELECT * FROM pg_ls_dir('/')
SELECT * FROM pg_stat_file('/etc/passwd')
SELECT lo_import('/etc/passwd')
SELECT lo_export(1, '/tmp/x')
SELECT lo_from_bytea(0, 'x')
SELECT lowrite(0, 'x')
SELECT dblink('host=x', 'DELETE FROM loans')
SELECT dblink_exec('DELETE FROM loans')
SELECT set_config('row_security', 'off', false)
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_xact_lock(1)
SELECT pg_terminate_backend(1)
SELECT pg_reload_conf()
SELECT pg_notify('x', 'y')
SELECT pg_switch_wal()
SELECT query_to_xml('DELETE FROM loans', true, true, '')
SELECT table_to_xml('loans', true, true, '')
SELECT nextval('loans_id_seq')
SELECT setval('loans_id_seq', 1)
SELECT NEXT VALUE FOR loan_numbers
SELECT loan_numbers.NEXTVAL FROM dual
SELECT xp_cmdshell('dir')
SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'SELECT 1')
SELECT * FROM OPENQUERY(other, 'DELETE FROM loans')
SELECT * FROM OPENDATASOURCE('SQLNCLI', 'x').library.dbo.loans
SELECT * FROM loans WITH (UPDLOCK)
SELECT * FROM loans WITH (NOLOCK, XLOCK)
SELECT UTL_HTTP.REQUEST('http://x') FROM dual
SELECT utl_inaddr.get_host_address FROM dual
SELECT UTL_FILE.FOPEN('x', 'y', 'w') FROM dual
SELECT SYS.DBMS_LOCK.SLEEP(5) FROM dual
SELECT "DBMS_LDAP".INIT('x', 389) FROM dual
SELECT DBMS_XMLGEN.GETXML('SELECT 1 FROM dual') FROM dual
SELECT HTTPURITYPE('http://x').GETCLOB() FROM dual
SELECT BFILENAME('X', 'y') FROM dual
SELECT load_extension('/tmp/x.so')
SELECT writefile('/tmp/x', 'y')
SELECT readfile('/etc/passwd')
SELECT edit('x')
""".strip().splitlines()

#: Refused by one, whatever others would take it for.
BY_ITS_RULES: dict[str, list[str]] = {
    "mysql": [
        "SELECT 1 /*! , LOAD_FILE('/etc/passwd') */",
        "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */",
        "SELECT 1 /*M! , SLEEP(5) */",
        "SELECT 'a\\' , SLEEP(5), '",
        "SELECT 'a\\'', SLEEP(5) -- '",
        'SELECT "a\\" , SLEEP(5), "',
        "SELECT 1 --SLEEP(5)",
        "SELECT 1 # '\n, SLEEP(5) # '",
        "SELECT 1 /* /* */, SLEEP(5) -- */",
        "SELECT 1 /* /*/, SLEEP(5) /* */",
        "SELECT 1 /* /*/ INTO OUTFILE '/tmp/x' /* */",
        "SELECT 1 `a` , SLEEP(5) AS `b`",
        "SELECT `SLEEP`(5)",
        "SELECT a#b\n(SLEEP(5))",
        "SELECT 1 -- \r, SLEEP(5)",
    ],
    "postgresql": [
        "SELECT $$'$$, pg_sleep(5), $$'$$",
        "SELECT $a$ $b$ $a$, pg_sleep(5), '$a$'",
        "SELECT 1$$'$$, pg_sleep(5), $$'$$",
        "SELECT E'\\'', pg_sleep(5), E'\\''",
        "SELECT 'a\\', pg_sleep(5), '\\'",
        "SELECT 1 # pg_sleep(5)",
        "SELECT 'a\\'', pg_sleep(5) --'",
        "SELECT 1 /* /* */ ' */ */ , pg_sleep(5) -- '",
        "SELECT 1 /* /* */ */ , pg_sleep(5)",
        "SELECT 1 --\n, pg_sleep(5)",
        "SELECT 1 /* ' */, pg_sleep(5) /* ' */",
        "SELECT 1pg_sleep(5)",
        "SELECT U&'a', pg_sleep(5)",
        'SELECT U&"pg\\005fsleep"(5)',
        "SELECT u&\"pg!005fsleep\" UESCAPE '!' (5)",
        "SELECT $$ never ends",
        "SELECT 'never ends",
        "SELECT 1 /* never ends",
    ],
    "sqlite": [
        "SELECT [a'], load_extension('x'), [b']",
        "SELECT `a'`, load_extension('x'), `b'`",
        "SELECT 1 /* /* */, load_extension('x') /* */",
        "SELECT 1 /* /*/, load_extension('x') /* */",
        "SELECT 'a\\', load_extension('x'), '\\'",
        "SELECT [load_extension]('x')",
        "SELECT 1 -- '\n, load_extension('x') -- '",
    ],
    "mssql": [
        "SELECT 1 EXEC xp_cmdshell 'dir'",
        "SELECT 1 DELETE FROM loans",
        "SELECT 1 WAITFOR DELAY '0:0:5'",
        "SELECT [a]]'], 1 SHUTDOWN SELECT [']",
        "SELECT 1 /* /* */ */ EXECUTE wipe",
        "SELECT * FROM master..[xp_dirtree]('x')",
    ],
    "oracle": [
        "SELECT 1 /* /*/, UTL_HTTP.REQUEST('x') /* */ FROM dual",
        "SELECT q'[']', UTL_HTTP.REQUEST(q'[']') FROM dual",
        "SELECT q'!'!', DBMS_LOCK.SLEEP(5), '!' FROM dual",
        "SELECT 1q'[']', UTL_HTTP.REQUEST('x'), '' FROM dual",
    ],
    "dm": ["SELECT q'[']', UTL_HTTP.REQUEST(q'[']') FROM dual", "SELECT SP_SET_PARA_VALUE(1, 'x', 1)"],
}

#: Odd, and only read.
ACCEPTED: dict[str, list[str]] = {
    "mysql": [
        "SELECT 'it''s' AS `update`, \"DELETE FROM x\" -- INTO OUTFILE\n FROM loans # SLEEP(5)",
        "SELECT REPLACE(title, 'a', 'b'), INSERT(title, 1, 2, 'x'), TRUNCATE(1.5, 0) FROM loans",
        "SELECT @n := @n + 1 AS n, t.* FROM loans t, (SELECT @n := 0) r",
        "SELECT sleep, benchmark FROM habits",
        "SELECT 1 -- a remark\n+ 1",
        "SELECT 'C:\\\\temp' AS place",
    ],
    "postgresql": [
        'SELECT $$it\'s; DELETE$$::text AS a, title AS "pg_sleep" FROM loans',
        "SELECT E'a\\nb', update, insert, replace(title, 'a', 'b') FROM loans",
        "SELECT pg_last_xact_replay_timestamp()",
        "SELECT a #> '{b}', c ? 'd' FROM loans WHERE e @> '{}' /* one /* within */ another */",
        "SELECT E'it\\'s' AS a FROM loans",
        "SELECT pg_typeof(1), pg_table_size('loans')",
        "(SELECT 1) UNION ALL (SELECT 2)",
    ],
    "sqlite": ['SELECT [from], `to`, "x" FROM loans -- ; DELETE', "SELECT '/*', 1, '*/' FROM loans"],
    "mssql": [
        "SELECT TOP 100 PERCENT [order], [a]]b] FROM dbo.loans WITH (NOLOCK) WHERE CASE WHEN 1 = 1 THEN 1 END = 1",
        "SELECT #t.x FROM #t",
    ],
    "oracle": [
        "SELECT /*+ INDEX(l) */ q'[it's; DROP]' AS a, DBMS_LOB.SUBSTR(note, 4000, 1) FROM lend_lst l",
        "SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DD') FROM dual",
    ],
    "dm": ["SELECT TO_CHAR(SYSDATE, 'YYYY-MM-DD') FROM dual"],
}


def _cases() -> Iterator[tuple[str, str]]:
    for database in RULES:
        yield from ((database, query) for query in (*EVERYWHERE, *BY_ITS_RULES[database]))


@pytest.mark.parametrize(("database", "query"), list(_cases()))
def test_a_hostile_query_is_refused(database: str, query: str) -> None:
    with pytest.raises(QueryRefused):
        refuse(query, database)


@pytest.mark.parametrize(("database", "query"), [(d, q) for d, queries in ACCEPTED.items() for q in queries])
def test_an_odd_query_that_only_reads_is_accepted(database: str, query: str) -> None:
    refuse(query, database)
    refuse_everywhere(query)


def test_a_database_that_nothing_is_known_about_is_sent_what_all_read_alike() -> None:
    refuse("SELECT 'it''s' AS a, \"b\" FROM loans -- a remark\n WHERE c = 1 /* ; */", "informix")
    with pytest.raises(QueryRefused, match="has two meanings"):
        refuse("SELECT 1 # 2", "informix")


def test_a_function_of_the_offices_own_may_be_allowed_by_name() -> None:
    with pytest.raises(QueryRefused, match=re.escape('write allows = ["sp_days"]')):
        refuse("SELECT SP_DAYS(due) FROM loans", "dm")
    refuse("SELECT SP_DAYS(due) FROM loans", "dm", ["sp_days"])
    refuse("SELECT DBMS_DAYS.LEFT(due) FROM loans", "oracle", ["dbms_days.left"])
    with pytest.raises(QueryRefused):
        refuse("SELECT DBMS_DAYS.OTHER(due), SLEEP(1) FROM loans", "oracle", ["dbms_days.other"])


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A real database of each kind."""
    if request.param == "sqlite":
        create_engine(found := f"sqlite:///{tmp_path / 'office.db'}", poolclass=NullPool).connect().close()
        return found
    named: str = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url")
    return named


def test_the_connector_sends_none_of_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the real connector on a real server: what the settings let pass is refused before it connects."""
    sent: list[object] = []
    monkeypatch.setattr(sql, "reading", lambda *asked: sent.append(asked))
    database = make_url(url).get_backend_name()
    hostile = [*EVERYWHERE, *BY_ITS_RULES[{"mariadb": "mysql"}.get(database, database)]]
    assert len(hostile) > 60

    def pull(as_of: str = "", **queries: str) -> None:
        kept = {"url": DatabaseUrl("env:URL", Origin(Path(), {"URL": url})), "query": "SELECT n FROM loans", **queries}
        question = Question("loans", {"student": "n"}, Ticking(), as_of=as_of)
        sql.connect(sql.Settings.model_validate(kept), question).pull()

    for query in hostile:
        for key in ("query", "population", "one", "fingerprint", "as_of"):
            with pytest.raises((SourceRefused, ValidationError)) as caught:
                pull(**{key: query})
            assert isinstance(caught.value, ValidationError) or "the query is not sent" in str(caught.value), query
    assert sent == []


def _written_queries() -> Iterator[str]:
    for document in (*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("config/*.toml")):
        text = document.read_text(encoding="utf-8")
        yield from re.findall(r'(?:query|population|one|fingerprint|as_of) = """(.+?)"""', text, re.DOTALL)
        yield from re.findall(r'(?:query|population|one|fingerprint|as_of) = "(SELECT[^"]+|WITH[^"]+)"', text)


def test_every_query_of_the_documents_is_accepted() -> None:
    written = list(_written_queries())
    assert len(written) > 10
    for query in written:
        refuse_everywhere(query)


@pytest.mark.parametrize(
    ("module", "asks"),
    [(koha, "loans"), (koha, "fines"), *((m, asks) for m in (huiwen, interlib_views) for asks in ("loans", "debts"))],
)
def test_every_query_of_a_preset_is_accepted(module: ModuleType, asks: str) -> None:
    own = module.Settings.model_validate({"url": "env:URL", "asks": asks})
    asked = module.connect(own, Question("loans", {"student": "n"}, Ticking()))._settings
    for query in (asked.query, asked.population, asked.one):
        assert query.startswith("SELECT")
        for database in RULES:
            refuse(query, database)


#: What mixtures are made of: each is a remark, a quote or an escape to somebody; and a call that nobody may run unseen.
PIECES = st.sampled_from([
    "'", '"', "`", "''", '""', "\\", "\\'", "--", "-- ", "#", "/*", "*/", "/*!", "/*/", "/*+", "$$", "$a$", "$1$", "[",
    "]", "]]", "\n", " ", "a", "E'", "e'", "N'", "q'[", "]'", "1", ", canary()", ", canary()", "AS b",
])  # fmt: skip
MIXTURES = st.lists(PIECES, min_size=1, max_size=8).map("".join)
#: Beginnings and ends that belong together, so that many mixtures are whole.
WRAPPED = st.tuples(
    st.sampled_from([
        ("'", "'"), ('"', '"'), ("`", "`"), ("-- ", "\n"), ("--", "\n"), ("#", "\n"), ("/*", "*/"), ("$$", "$$"),
        ("$a$", "$a$"), ("E'", "'"), ("[", "]"), ("/*", "*/*/"), (", '", "'"), (", $$", "$$"), (", E'", "'"),
    ]),
    MIXTURES,
).map(lambda made: f"{made[0][0]}{made[1]}{made[0][1]}")  # fmt: skip
TRIED = st.one_of(WRAPPED, st.tuples(WRAPPED, MIXTURES, WRAPPED).map("".join), MIXTURES)

_CANARY = {
    "postgresql": "CREATE FUNCTION canary() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it sang''; END'",
    "mysql": (
        "CREATE FUNCTION canary() RETURNS INT BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it sang'; RETURN 1; END"
    ),
}


def _sing() -> int:
    raise RuntimeError("it sang")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A real database with a function that fails, and reports it, wherever it is called."""
    made = create_engine(url, poolclass=StaticPool)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", lambda raw, _record: raw.create_function("canary", 0, _sing))
    else:
        with made.begin() as connection:
            connection.exec_driver_sql(_CANARY[made.dialect.name])
    yield made
    made.dispose()


def _answer(engine: Engine, query: str) -> list[object] | str:
    """Return the one row that the server gives, or what it reports instead."""
    # Colons and percent signs are none of these mixtures: what is written is what is sent.
    try:
        with engine.connect() as connection:
            return list(connection.exec_driver_sql(query).one())
    except DBAPIError as error:
        return str(error.orig).replace("user-defined function raised exception", "it sang")


@pytest.mark.slow
@given(mixture=TRIED)
@settings(suppress_health_check=list(HealthCheck))
def test_what_is_called_a_remark_or_a_text_here_is_one_for_the_server(engine: Engine, mixture: str) -> None:
    try:
        found = tokens(f"SELECT 1 {mixture}\n+ 1", engine.dialect.name)
    except QueryRefused:
        # It is refused, and never sent.
        return
    inside = found[2:-2]
    answer = _answer(engine, f"SELECT 1 {mixture}\n+ 1")
    if not inside:
        # All of it is called remarks: the server sees nothing between the two either.
        assert answer == [2]
    if not any(token.text.startswith("canary") for token in inside):
        # No word here is the function's name: the server calls it nowhere, and so it sees no more words than we do.
        assert "it sang" not in answer
    if len(inside) == 1 and inside[0].kind is TokenKind.TEXT:
        # One text and remarks: what follows is not part of the text.
        row = _answer(engine, f"SELECT {mixture}\n, 7")
        assert isinstance(row, str) or row[1:] == [7]


def test_the_canary_is_heard(engine: Engine) -> None:
    assert "it sang" in _answer(engine, "SELECT 1 AS a /* */, canary()\n+ 1")
