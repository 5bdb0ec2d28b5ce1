"""Checks that a PostgreSQL role has no rights beyond those it is given here."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, text

from foundation.translation import N_, tr
from status_db.store import schema_version
from status_db.store.engine import store_errors
from status_db.store.schema_version import Part


def is_superuser(connection: Connection) -> bool:
    """Return whether this connection is a superuser's."""
    return bool(connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")).scalar_one())


def owns(connection: Connection, role: str, parts: Collection[Part]) -> bool:
    """Return whether a role owns the tables, is a member of their owner, or is a superuser."""
    owner = text(
        "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:names) "
        "AND pg_has_role(:role, tableowner, 'MEMBER') LIMIT 1"
    )
    names = [schema_version.version_table(part) for part in parts]
    return connection.execute(owner, {"role": role, "names": names}).first() is not None


#: Roles of the server itself: their members read or write regardless of the rights on a table.
_MIGHTY = (
    "pg_read_all_data", "pg_write_all_data", "pg_maintain", "pg_read_server_files", "pg_write_server_files",
    "pg_execute_server_program", "pg_signal_backend", "pg_create_subscription",
)  # fmt: skip


def may_too_much(connection: Connection, role: str, roles: Collection[str]) -> str:
    """Return that an attribute or a membership gives a role more than its rights on tables; empty without one."""
    attributes = text(
        "SELECT rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = :role"
    )
    named = ("CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS")
    found = connection.execute(attributes, {"role": role}).one()
    if has := [name for name, so in zip(named, found, strict=True) if so]:
        return tr("{role} has {attributes}, so rights on tables do not limit it.", role=role, attributes=", ".join(has))
    others = [*_MIGHTY, *(other for other in roles if other != role)]
    member = text(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(:others) AND pg_has_role(:role, oid, 'MEMBER') "
        "ORDER BY rolname"
    )
    of = connection.execute(member, {"others": others, "role": role}).scalars().all()
    if not of:
        return ""
    return tr("{role} is a member of {roles}, so rights on tables do not limit it.", role=role, roles=", ".join(of))


def warnings(engine: Engine) -> tuple[str, ...]:
    """Return warnings about excess rights of the role that reads the marks, unless it owns them. Raises StoreError."""
    if engine.dialect.name != "postgresql":
        return ()
    ask = text(
        "SELECT (SELECT pg_has_role(tableowner, 'MEMBER') FROM pg_tables WHERE tablename = 'version_marks' "
        "AND schemaname = current_schema()) AS owns, "
        "has_function_privilege('pg_catalog.lo_create(oid)', 'EXECUTE') AS lo, "
        "has_schema_privilege(current_schema(), 'CREATE') AS creates, current_schemas(false) AS path, "
        "EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE c LIKE 'search_path=%' AND "
        "s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) "
        # Or the connection itself names its schema.
        "OR (SELECT source = 'client' FROM pg_settings WHERE name = 'search_path') AS pinned"
    )
    with store_errors(engine), engine.connect() as connection:
        found = connection.execute(ask).one()
    if found.owns is not False:
        # The owner, which needs no granted rights; or there are no tables yet.
        return ()
    fix = tr("Run clearance db roles again; for statements that need a superuser, run clearance db roles --print")
    wrong = {
        N_("can store large objects, which no right on a table prevents"): found.lo,
        N_("can create tables beside the program's"): found.creates,
        N_("has a search_path of its own"): not found.pinned,
    }
    return tuple(
        tr("the status database's role {what}. {fix}.", what=tr(what), fix=fix) for what, so in wrong.items() if so
    )
