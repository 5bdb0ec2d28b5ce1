"""Real databases as the offices that connectors ask."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from connectors import rest
from connectors.http import client
from tests.connectors.database_office import DatabaseOffice
from tests.contract import ROWS

#: MariaDB, over each of its drivers that is there; mysqlclient is an extra.
MARIADB = ["mariadb", *(["mariadb over mysqlclient"] if find_spec("MySQLdb") else [])]


def address(request: pytest.FixtureRequest) -> str:
    """Return the url of an empty database of the kind that the fixture's parameter names."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    mariadb = make_url(request.getfixturevalue("mariadb_url"))
    if request.param.endswith("mysqlclient"):
        mariadb = mariadb.set(drivername="mysql+mysqldb")
    return mariadb.render_as_string(hide_password=False)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses a connector would have made; none is made."""
    made: list[float] = []

    class Patient(client.OfficeClient):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._pause = made.append

    monkeypatch.setattr(rest, "OfficeClient", Patient)
    return made


@pytest.fixture(params=MARIADB)
def mysql(request: pytest.FixtureRequest) -> str:
    """An empty MariaDB database, over each of its drivers that is there."""
    return address(request)


@pytest.fixture(params=["postgresql", *MARIADB])
def served(request: pytest.FixtureRequest) -> str:
    """An empty database on each server, over each driver that is there."""
    return address(request)


@pytest.fixture(params=["sqlite", "postgresql", *MARIADB])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseOffice:
    """A filled library on each database."""
    url = f"sqlite:///{tmp_path / 'library.db'}" if request.param == "sqlite" else address(request)
    made = DatabaseOffice(url, url)
    made.fill(ROWS)
    return made
