"""The guard of an office's query: one SELECT that only reads, without calls that write, wait or leave the database.

It protects against mistakes and against copied queries. Against intent, only an account that can only read protects:
see `Backend.warnings`. The reasons are in docs/decisions/0017.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

from connectors.databases.statements.tokens import RULES, QueryCode, QueryRefused, QueryToken, TokenKind, tokens
from foundation.translation import tr

#: Functions that read or write files, reach other servers, wait, lock, or change a setting or a counter.
_CALLS = re.compile(
    # MySQL, MariaDB
    "load_file|sleep|benchmark|get_lock|release_lock|release_all_locks|is_free_lock|is_used_lock|sys_(exec|eval|get|set)|(master|source)_(pos|gtid)_wait|wait_for_executed_gtid_set|wait_until_sql_thread_after_gtids|lastval|nextval|setval|lo_.*|loread|lowrite|dblink.*|set_config|crosstab.*|connectby|ts_stat|ts_rewrite|(query|table|schema|database|cursor)_to_xml.*|postgres_fdw_.*|file_fdw_.*|xp_.*|sp_.*|sf_.*|openrowset|openquery|opendatasource|fn_(xe_file_target_read_file|get_audit_file|trace_gettable)|fn_(dblog|dump_dblog)|dm_os_(file_exists|enumerate_filesystem)|bfilename|httpuritype|dburitype|xdburitype|uritype|urifactory|load_extension|writefile|readfile|edit|fsdir|zipfile|fts3_tokenizer"
)
#: The only functions of PostgreSQL's own namespace that can be called: those that return information.
_INFORMATION = re.compile(
    "pg_(typeof|get_.*|size_pretty|size_bytes|.*_size|client_encoding|encoding_to_char|char_to_encoding|has_role"
    "|postmaster_start_time|conf_load_time|is_in_recovery|last_(wal|xact|committed).*|current_(wal|xact|snapshot).*"
    "|.*_is_visible|collation_for|describe_object|identify_object|timezone_.*|my_temp_schema|input_.*|index.*has_property)"
)
#: Packages of Oracle and Dameng; their functions can be called without brackets.
_PACKAGES = re.compile("dbms_.*|utl_.*|owa_.*|owa|apex_.*|htp|htf|ctx_.*|sdo_.*|ordsys|ctxsys|odci.*|kupp.*")
#: Parts of packages that only read a value; offices use them to shorten long texts.
_ALLOWED_PARTS = frozenset(
    f"dbms_lob.{part}" for part in ("substr", "getlength", "instr", "compare")
) | {"dbms_random.value", "utl_raw.cast_to_varchar2", "utl_raw.cast_to_nvarchar2"}  # fmt: skip

#: Words that begin a statement with changes, at the beginning or after the end of a query in brackets.
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "TRUNCATE", "CALL", "EXEC", "EXECUTE", "COPY"})
#: Words that begin a second statement on SQL Server, which needs no semicolon before it; they are reserved there.
_SECOND = frozenset({
    "EXEC", "EXECUTE", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "DROP", "ALTER", "CREATE", "GRANT",
    "REVOKE", "DENY", "BACKUP", "RESTORE", "SHUTDOWN", "KILL", "RECONFIGURE", "DBCC", "WAITFOR", "BULK", "USE",
    "SET", "DECLARE", "WHILE", "IF", "BEGIN", "PRINT", "RAISERROR", "COMMIT", "ROLLBACK", "SAVE", "OPEN",
    "CLOSE", "DEALLOCATE", "WRITETEXT", "UPDATETEXT",
})  # fmt: skip
_LOCKS = (
    "FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE", "LOCK IN SHARE MODE", "NEXT VALUE FOR",
    "PROCEDURE ANALYSE",
)  # fmt: skip
_HINTS = frozenset({"UPDLOCK", "XLOCK", "TABLOCK", "TABLOCKX", "HOLDLOCK", "SERIALIZABLE", "REPEATABLEREAD"})


def refuse(query: str, database: str, allows: Collection[str] = ()) -> None:
    """Raise QueryRefused unless the query is one SELECT that only reads, by the rules of this database.

    `allows` are functions that the source's table allows nevertheless.
    """
    allowed = {name.casefold() for name in allows}
    if why := next(_violations(tokens(query, database), database, allowed), ""):
        raise QueryRefused(QueryCode.NOT_READING, why)


def refuse_everywhere(query: str, allows: Collection[str] = ()) -> None:
    """Raise QueryRefused for a query that every database would refuse; the database is not known yet."""
    first: QueryRefused | None = None
    for database in RULES:
        try:
            refuse(query, database, allows)
        except QueryRefused as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _violations(found: Sequence[QueryToken], database: str, allows: set[str]) -> Iterator[str]:
    head = next((token for token in found if token.text != "("), None)
    if head is None or head.upper not in ("SELECT", "WITH"):
        yield tr("this is not a query: write one that begins with SELECT or WITH")
    yield from _extra_statements(found)
    yield from _writes_or_locks(found, database)
    yield from _forbidden_calls(found, allows)


def _extra_statements(found: Sequence[QueryToken]) -> Iterator[str]:
    depth = 0
    for token in found:
        if token.kind is not TokenKind.SYMBOL:
            continue
        if token.text == ";":
            yield tr("these are several statements: write one SELECT, without a semicolon inside")
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            break
    if depth:
        yield tr("the brackets of the query do not match: close each open one, and no other")


def _writes_or_locks(found: Sequence[QueryToken], database: str) -> Iterator[str]:
    upper = [token.upper for token in found]
    text = " ".join(upper)
    for at, word in enumerate(upper):
        before, behind = (found[at - 1].text if at else ""), (found[at + 1] if at + 1 < len(found) else None)
        begins = before == "(" or (before == ")" and "WITH" in upper)
        if word == "INTO":
            yield tr("INTO writes something, or locks the office's rows: remove it")
        elif word in _WRITES and begins and behind is not None and behind.kind in (TokenKind.WORD, TokenKind.NAME):
            yield tr("{word} changes the office's data: write a query that only reads", word=word)
        elif word in _SECOND and database == "mssql":
            yield tr("{word} begins another statement: write one SELECT", word=word)
        elif word in _HINTS and before in ("(", ","):
            yield tr("{word} locks the office's rows: remove it", word=word)
        elif word == "WITH" and behind is not None and behind.upper in ("FUNCTION", "PROCEDURE"):
            yield tr("WITH {word} contains a program of its own: have the office make it a view", word=behind.upper)
    for locks in _LOCKS:
        if re.search(rf"(?<!\S){locks}(?!\S)", text):
            yield tr("{locks} writes something, or locks the office's rows: remove it", locks=locks)


def _forbidden_calls(found: Sequence[QueryToken], allows: set[str]) -> Iterator[str]:
    for at, token in enumerate(found):
        if token.kind not in (TokenKind.WORD, TokenKind.NAME):
            continue
        behind = found[at + 1].text if at + 1 < len(found) else ""
        part = found[at + 2].text if at + 2 < len(found) and behind == "." else ""
        # In some databases another word can begin after a number sign or an at sign.
        for name in dict.fromkeys(map(_comparable_name, (token.text, *re.split(r"[#@]", token.text)))):
            called = name
            if _PACKAGES.fullmatch(name) and behind in (".", "("):
                called = f"{name}.{_comparable_name(part)}" if part else name
                if called in _ALLOWED_PARTS:
                    continue
            elif behind != "(" or not (
                _CALLS.fullmatch(name) or (name[:3] == "pg_" and not _INFORMATION.fullmatch(name))
            ):
                continue
            if allows.isdisjoint((called, name)):
                yield (
                    tr(
                        "{called} reaches beyond the rows of the query, or waits: remove it, or have the office make "
                        'a view. If it is a function of the office that only reads, write allows = ["{called}"]',
                        called=called,
                    )
                )
        if token.upper == "NEXTVAL" and at and found[at - 1].text == ".":
            yield tr("NEXTVAL changes a counter of the office: remove it")


def _comparable_name(name: str) -> str:
    """Return a name in a form for comparison, without case, width and accents."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return bare.casefold()
