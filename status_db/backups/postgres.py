"""A dump of a PostgreSQL database, made and restored by PostgreSQL's own programs.

`pg_dump` writes the custom format from a snapshot that this module exports, so that its row counts are of the same
moment. A restore is one transaction: `pg_restore` turns the dump into SQL, `psql` runs it, and the COMMIT is sent only
after the complete dump, when every table has its rows.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, column, func, inspect, make_url, select, table, text

from foundation.translation import tr
from status_db.backups.manifest import LEFT_OUT, BackedUpDatabase, BackupError, BackupMember, tables_of
from status_db.store.engine import OF_SCHEMA, VERSION_LOCK, open_reading, reading
from status_db.store.schema_version import Part, version_table

#: How long to wait for a table that another process has locked.
_LOCK_SECONDS = 30

_COPY = re.compile(rb'^COPY (?:"?[^".]+"?\.)?"?([a-z0-9_]+)"? \(.*\) FROM stdin;$')

#: A setting that newer programs write and an older server does not know; zero is its default.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;"


@dataclass(frozen=True, slots=True)
class Tools:
    """PostgreSQL's own programs: `pg_dump`, `pg_restore` and `psql`, of one version."""

    pg_dump: str
    pg_restore: str
    psql: str
    #: Their major version.
    major: int

    @classmethod
    def found(cls, folder: Path | None) -> "Tools":
        """Find them in the given folder, else on the PATH. Raises BackupError."""
        paths: dict[str, str] = {}
        for name in ("pg_dump", "pg_restore", "psql"):
            path = shutil.which(name, path=str(folder) if folder else None)
            if path is None:
                raise BackupError(
                    tr(
                        "{name} was not found {where}: PostgreSQL's own programs make and restore its dumps. Install "
                        "the client programs of your server's version (such as the package postgresql-client), or "
                        "name their folder as postgres_tools in [status_db].",
                        name=name,
                        where=tr("in {folder}", folder=folder) if folder else tr("on the PATH"),
                    )
                )
            paths[name] = path
        version = subprocess.run([paths["pg_dump"], "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - found above
        number = re.search(r"\) (\d+)", version)
        if number is None:
            raise BackupError(
                tr(
                    "{pg_dump} reports no version ({version}). Install PostgreSQL's client again.",
                    pg_dump=paths["pg_dump"],
                    version=version.strip(),
                )
            )
        return cls(**paths, major=int(number[1]))

    def refuse_older(self, server: int) -> None:
        """Raise BackupError when the server is newer than the programs, which do not know all its features."""
        if self.major < server:
            raise BackupError(
                tr(
                    "{pg_dump} has version {major}, but the server has {server}. Install the client programs of "
                    "version {server}, and name their folder as postgres_tools in [status_db].",
                    pg_dump=self.pg_dump,
                    major=self.major,
                    server=server,
                )
            )


@dataclass(frozen=True, slots=True)
class PostgresContent:
    """The contents of a database at one moment."""

    #: The server's version.
    server: str
    #: The schema of the tables; without tables, the schema for new ones.
    schema: str
    versions: dict[Part, str]
    rows: dict[str, int]

    @property
    def major(self) -> int:
        """The server's major version."""
        return int(re.split(r"\D", self.server)[0])


def read_contents(database: BackedUpDatabase) -> PostgresContent:
    """Return the current contents of the parts of a database. Raises StoreError."""
    engine = open_reading(database.url)
    try:
        with reading(engine) as connection:
            return _read_content(connection, database)
    finally:
        engine.dispose()


def _read_content(connection: Connection, database: BackedUpDatabase) -> PostgresContent:
    server = str(connection.execute(text("SHOW server_version")).scalar_one())
    first = version_table(database.parts[0])
    schema = connection.execute(
        text(
            "SELECT COALESCE((SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass(:name)),"
            " current_schema())"
        ),
        {"name": first},
    ).scalar_one()
    there = set(inspect(connection).get_table_names(schema))
    names = [name for name in tables_of(database.parts) if name in there]
    rows = {
        name: connection.execute(select(func.count()).select_from(table(name, schema=schema))).scalar_one()
        for name in names
    }
    versions: dict[Part, str] = {}
    for part in database.parts:
        name = version_table(part)
        if rows.get(name):
            versions[part] = connection.execute(
                select(column("version_num")).select_from(table(name, schema=schema))
            ).scalar_one()
    return PostgresContent(server, schema, versions, rows)


def dump(database: BackedUpDatabase, to: Path, tools: Tools) -> PostgresContent:
    """Dump one moment of a database into a file, and return the contents at that moment. Raises StoreError.

    Other tables of the same database are left alone.
    """
    engine = open_reading(database.url)
    try:
        with reading(engine) as connection:
            content = _read_content(connection, database)
            tools.refuse_older(content.major)
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            tables = [f'--table="{content.schema}"."{name}"' for name in content.rows]
            left_out = [
                f'--exclude-table-data="{content.schema}"."{name}"' for name in LEFT_OUT if name in content.rows
            ]
            with _connection_arguments(database) as (address, environ):
                _run_tool(
                    [
                        tools.pg_dump, "--format=custom", f"--file={to}", f"--snapshot={snapshot}", "--no-password",
                        f"--lock-wait-timeout={_LOCK_SECONDS}s", *tables, *left_out, f"--dbname={address}",
                    ],
                    environ,
                    tr("{database} could not be dumped", database=database.name),
                )  # fmt: skip
    finally:
        engine.dispose()
    rows = {name: 0 if name in LEFT_OUT else count for name, count in content.rows.items()}
    return PostgresContent(content.server, content.schema, content.versions, rows)


def rows_in(dumped: Path, tools: Tools) -> dict[str, int]:
    """Read a dump completely and return the row count of each table in it. Raises BackupError when it is damaged."""
    what = tr("{dumped} cannot be read as a dump", dumped=dumped)
    _run_tool([tools.pg_restore, "--list", str(dumped)], {}, what)
    found: Counter[str] = Counter()
    with _output_lines([tools.pg_restore, "--data-only", "--file=-", str(dumped)], what) as lines:
        inside = ""
        for line in lines:
            bare = line.rstrip(b"\n")
            if inside and bare == b"\\.":
                inside = ""
            elif inside:
                found[inside] += 1
            elif match := _COPY.fullmatch(bare):
                inside = match[1].decode()
                found[inside] += 0
    return dict(found)


def restore(member: BackupMember, dumped: Path, database: BackedUpDatabase, tools: Tools, *, grants: bool) -> None:
    """Replace the tables with those of a dump, in one transaction. Raises StoreError.

    After any failure before its end, the old tables stay. Writers wait meanwhile.
    """
    now = read_contents(database)
    tools.refuse_older(now.major)
    if now.schema != member.schema:
        raise BackupError(
            tr(
                'The backup\'s tables are in the schema "{schema}", but those of {database} are in '
                '"{own}". Change the search_path of that role so that it names the same schema first.',
                schema=member.schema,
                database=database.name,
                own=now.schema,
            )
        )
    what = tr("{database} could not be restored, and is unchanged", database=database.name)
    arguments = ["--file=-", "--no-owner", *(() if grants else ("--no-privileges",)), str(dumped)]
    with _connection_arguments(database) as (address, environ), tempfile.TemporaryFile() as errors:
        psql = subprocess.Popen(  # noqa: S603 - found by Tools
            [tools.psql, "--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-", address],
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            assert psql.stdin is not None  # noqa: S101 - a pipe was asked for
            try:
                psql.stdin.write(_sql_before(now.schema, tables_of(database.parts)).encode())
                with _output_lines([tools.pg_restore, *arguments], what) as lines:
                    for line in lines:
                        if line.rstrip() != _UNKNOWN_BEFORE_17:
                            psql.stdin.write(line)
                psql.stdin.write(_sql_after(member.schema, member.rows).encode())
                psql.stdin.close()
            except BrokenPipeError:
                # It has ended with an error, which is read below.
                pass
            ended = psql.wait()
        finally:
            _end_process(psql)
        if ended:
            errors.seek(0)
            raise BackupError(tr("{what}: {why}", what=what, why=_failure_text(errors.read(), environ)))


def _sql_before(schema: str, names: Iterable[str]) -> str:
    listed = ", ".join(f'"{schema}"."{name}"' for name in names)
    return (
        f"BEGIN;\nSET LOCAL lock_timeout = '{_LOCK_SECONDS}s';\n"
        f"SELECT pg_advisory_xact_lock({VERSION_LOCK}, {OF_SCHEMA});\n"
        f"DROP TABLE IF EXISTS {listed};\n"
    )


def _sql_after(schema: str, rows: Mapping[str, int]) -> str:
    # Counted before the end of the transaction, so that an incomplete table leaves the old one.
    checks = "".join(
        f'IF (SELECT count(*) FROM "{schema}"."{name}") <> {count} THEN '  # noqa: S608 - names by the manifest's pattern
        f"RAISE EXCEPTION 'the table {name} does not have its {count} rows'; END IF;\n"
        for name, count in rows.items()
    )
    return f"DO $check$ BEGIN\n{checks}END $check$;\nCOMMIT;\n"


@contextmanager
def _connection_arguments(database: BackedUpDatabase) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the address for a command line, without its password, and the environment with the password."""
    url = make_url(database.url)
    _, wanted = url.get_dialect()().create_connect_args(url)
    password = wanted.pop("password", None)
    yield make_conninfo(**wanted), {"PGPASSWORD": str(password)} if password else {}


def _run_tool(command: list[str], environ: dict[str, str], what: str) -> None:
    ended = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, check=False)  # noqa: S603 - found by Tools
    if ended.returncode:
        raise BackupError(tr("{what}: {why}", what=what, why=_failure_text(ended.stderr, environ)))


@contextmanager
def _output_lines(command: list[str], what: str) -> Iterator[IO[bytes]]:
    """Yield the lines that a program writes; raise BackupError at their end when the program failed."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603 - found by Tools
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            yield process.stdout
            ended = process.wait()
        finally:
            _end_process(process)
        if ended:
            errors.seek(0)
            raise BackupError(tr("{what}: {why}", what=what, why=_failure_text(errors.read(), {})))


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """End a program if it still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def _failure_text(output: bytes, environ: Mapping[str, str]) -> str:
    """Return the error output of a program, with the fix."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    words = "; ".join(lines[:3]) or tr("it was stopped, or could not write")
    if password := environ.get("PGPASSWORD"):
        words = words.replace(password, "***")
    if "No space" in words or "too large" in words or not lines:
        return tr("{words}. Free space there, then run this again.", words=words)
    if "role" in words and "does not exist" in words:
        return tr(
            "{words}. Create that role first, or restore with --without-grants and grant the rights again.", words=words
        )
    if "unsupported version" in words:
        return tr(
            "{words}. Install PostgreSQL's newer client programs, and name their folder as postgres_tools.", words=words
        )
    if "lock timeout" in words:
        return tr("{words}. Stop `clearance schedule` and `clearance serve`, then run this again.", words=words)
    if "password" in words or "authentication" in words:
        return tr("{words}. Check the password in [status_db].", words=words)
    return tr("{words}. Fix the reported error, then run this again.", words=words)
