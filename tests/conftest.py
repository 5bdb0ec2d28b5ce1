"""What every test may ask for: servers for the session, a fresh database for each test, and a world to sync."""

import gc
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import structlog
from hypothesis import HealthCheck, is_hypothesis_test, settings
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import URL
from structlog.dev import ConsoleRenderer, plain_traceback

import tests.compiling
import tests.hashing  # noqa: F401 - both make the same work cheaper
from tests import sizes, soaking
from tests.browser.browsers import MISSING, chromium_path, launched
from tests.four_roles import FourRoles, four_roles
from tests.services import databases
from tests.world import World

# Times are measured in benchmarks, not in tests; a busy machine is no failure.
# What nobody has configured draws tracebacks with all local variables, which takes most of a second each.
ConsoleRenderer.get_active().exception_formatter = plain_traceback

#: Give it the number that a failed test has printed.
SEED_VARIABLE = "CLEARANCE_TEST_SEED"

settings.register_profile(
    "ours",
    deadline=None,
    print_blob=True,
    max_examples=sizes.times(sizes.EXAMPLES),
    # It measures time: a busy machine generates inputs slowly.
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ours")


def pytest_configure(config: pytest.Config) -> None:
    """Have what tests write lie in memory, where there is room: what is durable is seen in the calls, not on a disk."""
    # Tests expect English, whatever the locale of the person that runs them.
    os.environ["CLEARANCE_LANG"] = "en"
    if sizes.MINUTES:
        config.pluginmanager.register(soaking.Soaking())
    if databases.MEMORY is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(databases.MEMORY))


def pytest_collection_finish() -> None:
    """Have the collector pass over what was imported, and come less often: it takes an eighth of the time otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


#: Files whose tests compute and no more: `make check` runs them.
PURE = (
    "config/test_log_names.py", "config/test_logs.py", "config/test_settings.py", "config/test_providers.py",
    "config/test_timetable.py",
    "connectors/http/test_join.py", "connectors/test_memory.py", "connectors/http/test_worker_pool.py",
    "portal/present/test_charts.py", "portal/present/test_opening_hours.py", "portal/desk/test_numbers.py",
    "status_db/test_model.py",
    "sync/rule/test_guard.py", "sync/plan/test_snapshot_codec.py", "sync/rule/test_reconcile.py",
    "sync/rule/test_records.py",
    "test_glossary.py", "test_site.py",
)  # fmt: skip

_HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file that `make check` runs nothing of."""
    if config.option.markexpr != "pure" or collection_path.suffix != ".py":
        return None
    return collection_path.name.startswith("test_") and not _is_pure(collection_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the pure ones and the properties, and begin with what takes long: no one waits for the last one alone."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.property)
        if _is_pure(item.path):
            item.add_marker(pytest.mark.pure)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _is_pure(file: Path) -> bool:
    return file.is_relative_to(_HERE) and file.relative_to(_HERE).as_posix() in PURE


#: What a pure test never does, as Python's audit events name it.
_OUTSIDE = {"sqlite3.connect", "socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.posix_spawn"}
_inside = False


def _refuse_outside(event: str, _arguments: tuple[object, ...]) -> None:
    if _inside and event in _OUTSIDE:
        raise RuntimeError(f"a pure test asks for {event}: take its file out of PURE in tests/conftest.py")


sys.addaudithook(_refuse_outside)


@pytest.fixture(autouse=True)
def _keep_pure(request: pytest.FixtureRequest) -> Iterator[None]:
    """See that who is called pure is."""
    global _inside  # noqa: PLW0603 - an audit hook is the whole process's, and stays
    _inside = request.node.get_closest_marker("pure") is not None
    yield
    _inside = False


@pytest.fixture(autouse=True)
def logs_as_they_are() -> Iterator[None]:
    """Leave no log settings behind: a command that ran in this process has set its own."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL server."""
    with databases.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_tools(postgres_server: URL) -> Path:
    """The folder of PostgreSQL's own programs, for that server."""
    return databases.postgres_tools(postgres_server)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[URL]:
    """A MariaDB server."""
    with databases.mariadb_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with databases.fresh_database(postgres_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def roles(postgres_server: URL) -> Iterator[FourRoles]:
    """Four roles of that server, for one test. Whoever needs a database for them names it behind them."""
    with four_roles(postgres_server) as made:
        yield made


@pytest.fixture(scope="module")
def durable_postgres_server() -> Iterator[URL]:
    """A PostgreSQL server as it is installed: it waits for the disk."""
    with databases.carried_postgres() as server:
        yield server.url


@pytest.fixture
def mariadb_url(mariadb_server: URL) -> Iterator[str]:
    """An empty MariaDB database."""
    with databases.fresh_database(mariadb_server) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def status_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A status database without tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'clearance.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def world(status_url: str, tmp_path: Path) -> Iterator[World]:
    """The cast's university on both databases, nothing asked yet."""
    with World(status_url, tmp_path) as made:
        yield made


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[World]:
    """The cast's university on SQLite alone, for what does not depend on the database."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser, one for each worker.

    `CLEARANCE_TEST_CHROMIUM` names it where it is not on the path; without one its tests are skipped, or
    fail where `CLEARANCE_TEST_REQUIRE_BROWSER` is set.
    """
    if chromium_path() is None:
        if os.environ.get("CLEARANCE_TEST_REQUIRE_BROWSER"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        yield browser
        browser.close()


@pytest.fixture
def chance() -> Random:
    """Return this test's chance; its seed is printed, and shown with a failure."""
    seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(10**9))
    print(f"{SEED_VARIABLE}={seed}")  # noqa: T201 - shown by pytest with a failure
    return Random(seed)
