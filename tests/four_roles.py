"""Four roles of a real PostgreSQL, made for one test and dropped after it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from status_db.store.roles import Roles


@dataclass(frozen=True, slots=True)
class FourRoles:
    """The roles' names, and their password."""

    named: Roles
    word: str

    def url(self, owners: str, role: str) -> str:
        """Return where a role connects to the database whose owner's address this is."""
        return make_url(owners).set(username=role, password=self.word).render_as_string(hide_password=False)

    def engine(self, owners: str, role: str) -> Engine:
        """Return an engine of a role, without any default of ours."""
        return create_engine(self.url(owners, role), poolclass=NullPool)


@contextmanager
def four_roles(server: URL) -> Iterator[FourRoles]:
    """Make four roles on a server, and drop them: their database has to be gone by then."""
    mark, word = secrets.token_hex(4), secrets.token_hex(8)
    made = Roles(f"sync-{mark}", f"desk-{mark}", f"portal-{mark}", f"operator-{mark}", f"students-{mark}")
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in made.names():
            connection.exec_driver_sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{word}'")
    yield FourRoles(made, word)
    with engine.connect() as connection:
        for name in made.names():
            connection.exec_driver_sql(f'DROP ROLE "{name}"')
    engine.dispose()
