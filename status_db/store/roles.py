"""The PostgreSQL roles: the server itself enforces what each process is allowed to do.

There are five, so that a compromised process can do no more than its role:

* sync writes the marks, and serves requests;
* operator enters decisions, certificates and their links, and reads the marks, for the desk's pages;
* desk writes for the staff pages: accounts, grants, sessions, requests, announcements, tokens; it does not read marks;
* students writes for the students' pages: students' own sessions, passwords, appeals and requests for a recheck; it
  sees no staff account (`status_db.store.desk_roles`);
* portal reads the marks, and nothing else.

None of them creates, alters or drops a table: the role that runs `db upgrade` owns all tables. The roles that write to
the audit log add and read its lines; none can change one. The sync's role removes rows for retention; the server does
not allow it to delete lines of the audit log from the last 180 days.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import ProgrammingError

from config.tables.secrets import schema_of
from foundation.translation import tr
from status_db import tables
from status_db.store import desk_roles, schema_version
from status_db.store.desk_roles import ADDED_TO, ALL
from status_db.store.engine import StoreError, open_writing, store_errors
from status_db.store.role_checks import is_superuser, may_too_much, owns
from status_db.store.schema_version import Part


@dataclass(frozen=True, slots=True)
class Roles:
    """The five roles' names; two of them can have the same name, and that role then has the rights of both."""

    sync: str
    desk: str
    portal: str
    operator: str
    students: str

    def names(self) -> tuple[str, ...]:
        """Return each name once."""
        return tuple(dict.fromkeys((self.sync, self.desk, self.portal, self.operator, self.students)))


#: The first version with the right to have a table analyzed.
_KNOWS_MAINTAIN = 170000


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _all_but_keys(table: Table) -> str:
    """Return every column outside the key: a change of these cannot move a row to another student."""
    return ", ".join(_quoted_name(column.name) for column in table.columns if not column.primary_key)


#: The rights of the sync and the commands beside it on each table of the marks, as their statements need them. Findings
#: are replaced and deleted; decisions and history only get new rows. A table that is not named is only read.
_SYNC_OF_MARKS = {
    tables.cohort: "SELECT, INSERT, UPDATE (name, revision)",
    tables.student: f"SELECT, INSERT, UPDATE ({_all_but_keys(tables.student)})",
    tables.alias: "SELECT, INSERT, DELETE",
    tables.source_state: f"SELECT, INSERT, UPDATE ({_all_but_keys(tables.source_state)})",
    tables.record: f"SELECT, INSERT, UPDATE ({_all_but_keys(tables.record)}), DELETE",
    tables.status: f"SELECT, INSERT, UPDATE ({_all_but_keys(tables.status)}), DELETE",
    tables.run: (
        "SELECT, INSERT, UPDATE (state, began, ended, message, fault, counts, proofs, plan_digest, decided_by, "
        "decided_at)"
    ),
    # A first ledger seals the existing rows; after that, rows are only added and deleted.
    tables.pending: "SELECT, INSERT, UPDATE (mac), DELETE",
    tables.applied_settings: f"SELECT, INSERT, UPDATE ({_all_but_keys(tables.applied_settings)})",
    tables.reversal: ADDED_TO,
    tables.approval_vote: "SELECT, INSERT, UPDATE (mac)",
    tables.expected_change: "SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_by, mac)",
    # The first link after an upgrade seals the rows from before it.
    tables.batch: "SELECT, UPDATE (mac)",
    tables.unmatched_key: "SELECT, INSERT, DELETE",
    tables.flip: ADDED_TO,
    tables.ledger: ADDED_TO,
    # For the end date of a decision.
    tables.decision: "SELECT, UPDATE (ended_at, mac)",
    tables.certificate: "SELECT, UPDATE (mac)",
    tables.outbox: (
        "SELECT, INSERT, UPDATE (key, due, tries, progress, claimed_by, claimed_until, delivered, failed), DELETE"
    ),
}

#: Written in bulk: they are analyzed at once, for the planner. The right also allows every lock.
_ANALYZED = (tables.student, tables.status, tables.alias, tables.record, tables.unmatched_key, tables.flip)

#: The rights of the operator on the marks, for decisions. Findings and the roster are not included.
_OPERATORS_OWN = {
    tables.cohort: "UPDATE (revision)",
    tables.batch: "INSERT, UPDATE (counts, undone_at, undone_by, undone_because, mac)",
    tables.expected_change: "UPDATE (mac)",
    tables.approval_vote: "UPDATE (mac)",
    tables.decision: "INSERT, UPDATE (withdrawn_at, withdrawn_by, mac)",
    tables.certificate: (
        "INSERT, UPDATE (collected, collector, collected_at, handed_over_by, revoked_at, revoked_by, revoked_because, "
        "mac)"
    ),
    tables.flip: "INSERT",
    tables.ledger: "INSERT",
    tables.outbox: "INSERT",
}


#: Every function that creates, reads or writes a large object, which no right on a table prevents.
_LARGE_OBJECTS = (
    "lo_close(integer)", "lo_creat(integer)", "lo_create(oid)", "lo_export(oid, text)", "lo_from_bytea(oid, bytea)",
    "lo_get(oid)", "lo_get(oid, bigint, integer)", "lo_import(text)", "lo_import(text, oid)",
    "lo_lseek(integer, integer, integer)", "lo_lseek64(integer, bigint, integer)", "lo_open(oid, integer)",
    "lo_put(oid, bigint, bytea)", "lo_tell(integer)", "lo_tell64(integer)", "lo_truncate(integer, integer)",
    "lo_truncate64(integer, bigint)", "lo_unlink(oid)", "loread(integer, integer)", "lowrite(integer, bytea)",
)  # fmt: skip

#: Every function that acquires a lock by number.
_ADVISORY = tuple(
    f"pg_{tries}advisory_{until}lock{shared}({key})"
    for tries in ("", "try_")
    for until in ("", "xact_")
    for shared in ("", "_shared")
    for key in ("bigint", "integer, integer")
)
#: The locks of writers: see `status_db.store.engine`.
_TURNS = ("pg_advisory_xact_lock(bigint)", "pg_advisory_xact_lock_shared(integer, integer)")
#: The locks of the tables' owner.
_OWNERS_TURNS = (*_TURNS, "pg_advisory_xact_lock(integer, integer)")


@dataclass(frozen=True, slots=True)
class Planned:
    """The statements for one database: those of the tables' owner, and those that only a superuser can run."""

    owners: tuple[str, ...]
    superusers: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Every statement, in order."""
        return self.owners + self.superusers


def statements(
    roles: Roles,
    parts: Collection[Part],
    database: str,
    schema: str,
    *,
    owner: str = "",
    analyzes: bool = True,
    owns_database: bool = True,
    pins_database: bool = True,
) -> Planned:
    """Return the statements that give each role the rights it needs in one database, and no others; repeatable.

    The database has these parts of the tables in this schema, owned by `owner`. From version 17 on, the server has a
    right to analyze tables of another owner. Where the tables' owner does not own the database, a superuser has to run
    the statements about the database. Without `pins_database`, connections name their schema themselves, and the
    database has other schemas for other institutions.
    """
    names = _quoted_name(database), _quoted_name(schema)
    owners = tuple(_statements(roles, parts, *names, analyzes=analyzes))
    path = (f"ALTER DATABASE {names[0]} SET search_path TO {names[1]}, pg_temp",) if pins_database else ()
    superusers = tuple(_superuser_statements(roles, *names, _quoted_name(owner) if owner else ""))
    return Planned(owners + path, superusers) if owns_database else Planned(owners, path + superusers)


def _superuser_statements(roles: Roles, database: str, schema: str, owner: str) -> Iterator[str]:
    # The database's own search_path has the same effect, unless a role has another one.
    for role in map(_quoted_name, roles.names()):
        yield f"ALTER ROLE {role} IN DATABASE {database} SET search_path TO {schema}, pg_temp"
    for function in (*_LARGE_OBJECTS, *_ADVISORY):
        yield f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC"
        for role in map(_quoted_name, roles.names()):
            yield f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM {role}"
    for role in map(_quoted_name, dict.fromkeys((roles.sync, roles.desk, roles.operator, roles.students))):
        for function in _TURNS:
            yield f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {role}"
    for function in _OWNERS_TURNS if owner else ():
        yield f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {owner}"


def _statements(roles: Roles, parts: Collection[Part], database: str, schema: str, *, analyzes: bool) -> Iterator[str]:
    # The default rights of all roles: to connect, to create tables that could hide the program's tables, and to use
    # every function.
    yield f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC"
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC"
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC"
    yield "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
    for role in map(_quoted_name, roles.names()):
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}"
        yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}"
        yield f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM {role}"
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM {role}"
    if "marks" in parts:
        yield from _marks_statements(roles, database, schema, analyzes=analyzes)
    if "desk" in parts:
        yield from _desk_statements(roles, database, schema)
    yield from _default_statements(roles, parts, schema)


def _entry_statements(part: Part, users: Iterable[str], database: str, schema: str) -> Iterator[str]:
    for role in dict.fromkeys(users):
        yield f"GRANT CONNECT ON DATABASE {database} TO {role}"
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        # Every process checks the version when it starts, and before it writes.
        yield f"GRANT SELECT ON {schema}.{_quoted_name(schema_version.version_table(part))} TO {role}"


def _marks_statements(roles: Roles, database: str, schema: str, *, analyzes: bool) -> Iterator[str]:
    sync, portal, operator = _quoted_name(roles.sync), _quoted_name(roles.portal), _quoted_name(roles.operator)
    yield from _entry_statements("marks", (sync, portal, operator), database, schema)
    # Bulk writes are staged in a temporary table.
    yield f"GRANT TEMPORARY ON DATABASE {database} TO {sync}"
    for table in tables.marks.sorted_tables:
        yield from _grant_statements(_SYNC_OF_MARKS.get(table, "SELECT"), table, schema, sync)
        yield from _grant_statements("SELECT", table, schema, portal)
        yield from _grant_statements("SELECT", table, schema, operator)
        if table in _OPERATORS_OWN:
            yield from _grant_statements(_OPERATORS_OWN[table], table, schema, operator)
        if analyzes and table in _ANALYZED:
            yield f"GRANT MAINTAIN ON {schema}.{_quoted_name(table.name)} TO {sync}"


def _desk_statements(roles: Roles, database: str, schema: str) -> Iterator[str]:
    sync, desk, students = _quoted_name(roles.sync), _quoted_name(roles.desk), _quoted_name(roles.students)
    yield from _entry_statements("desk", (sync, desk, students), database, schema)
    for table in tables.desk.sorted_tables:
        yield from _grant_statements(desk_roles.for_desk(table), table, schema, desk)
        yield from _grant_statements(desk_roles.for_sync(table), table, schema, sync)
        if table in desk_roles.STUDENTS_OWN:
            yield from _grant_statements(desk_roles.STUDENTS_OWN[table], table, schema, students)
    yield from desk_roles.policies(schema, desk, sync, students)


def _grant_statements(what: str, table: Table, schema: str, role: str) -> Iterator[str]:
    yield f"GRANT {what} ON {schema}.{_quoted_name(table.name)} TO {role}"
    counter = table.autoincrement_column
    if "INSERT" in what and counter is not None:
        yield f"GRANT USAGE ON SEQUENCE {schema}.{_quoted_name(f'{table.name}_{counter.name}_seq')} TO {role}"


def _default_statements(roles: Roles, parts: Collection[Part], schema: str) -> Iterator[str]:
    """Yield the rights on tables that an upgrade creates, until these statements are run again.

    Where marks and desk share a database, a new table may belong to either: then only the sync can write it.
    """
    readers = dict.fromkeys((roles.portal, roles.operator), "SELECT" if "marks" in parts else "")
    wanted = readers | {roles.sync: ALL if "marks" in parts else ""}
    if tuple(parts) == ("desk",):
        wanted[roles.desk] = ALL
    head = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}"
    for role in roles.names():
        yield f"{head} REVOKE ALL ON TABLES FROM {_quoted_name(role)}"
        yield f"{head} REVOKE ALL ON SEQUENCES FROM {_quoted_name(role)}"
    for role, what in wanted.items():
        if what:
            yield f"{head} GRANT {what} ON TABLES TO {_quoted_name(role)}"
        if what == ALL:
            yield f"{head} GRANT USAGE ON SEQUENCES TO {_quoted_name(role)}"


def planned(url: str, roles: Roles, parts: Collection[Part]) -> Planned:
    """Return the statements for the database at this address. Raises StoreError."""
    engine = _open_server(url)
    try:
        with store_errors(engine), engine.connect() as connection:
            return _read_plan(connection, roles, parts)
    finally:
        engine.dispose()


def apply(url: str, roles: Roles, parts: Collection[Part]) -> tuple[int, int]:
    """Run the statements in one transaction: as the owner of the tables, or all of them as a superuser.

    Returns how many were run, and how many are left to a superuser. Raises StoreError.
    """
    engine = _open_server(url)
    try:
        with store_errors(engine), engine.begin() as connection:
            missing = [role for role in roles.names() if not _role_exists(connection, role)]
            if missing:
                made = " ".join(f"CREATE ROLE {_quoted_name(role)} LOGIN;" for role in missing)
                raise StoreError(
                    tr(
                        "There is no role {missing}. Have the server's administrator run: {made}",
                        missing=", ".join(missing),
                        made=made,
                    )
                )
            if mighty := [role for role in roles.names() if owns(connection, role, parts)]:
                raise StoreError(
                    tr(
                        "{mighty} has all rights here: it owns the tables, or has the rights of their owner. Name "
                        "separate roles that are members of no other role.",
                        mighty=", ".join(mighty),
                    )
                )
            for role in roles.names():
                if why := may_too_much(connection, role, roles.names()):
                    raise StoreError(
                        tr("{why} Have the server's administrator revoke that, or name a separate role.", why=why)
                    )
            planned = _read_plan(connection, roles, parts)
            run = planned.all if is_superuser(connection) else planned.owners
            for statement in run:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            return len(run), len(planned.all) - len(run)
    except ProgrammingError as error:
        reported = str(error.orig).strip().splitlines()[0]
        fix_text = tr("Run `clearance db upgrade` first, and this as the role that ran it.")
        raise StoreError(
            tr("The rights could not be granted ({reported}). {fix}", reported=reported, fix=fix_text)
        ) from error
    finally:
        engine.dispose()


def _open_server(url: str) -> Engine:
    engine = open_writing(url)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        raise StoreError(
            tr("Only PostgreSQL has roles. For SQLite, set the permissions of its folder: see docs/running.md.")
        )
    return engine


def _read_plan(connection: Connection, roles: Roles, parts: Collection[Part]) -> Planned:
    database, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    owned = text("SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:names)")
    owner = (
        connection.execute(owned, {"names": [schema_version.version_table(part) for part in parts]}).scalars().first()
    )
    theirs = text(
        "SELECT pg_has_role(CAST(:owner AS name), datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()"
    )
    return statements(
        roles,
        parts,
        database,
        schema,
        owner=owner or "",
        analyzes=version >= _KNOWS_MAINTAIN,
        owns_database=owner is not None and bool(connection.execute(theirs, {"owner": owner}).scalar_one()),
        pins_database=not schema_of(connection.engine.url),
    )


def _role_exists(connection: Connection, role: str) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    return found.first() is not None
