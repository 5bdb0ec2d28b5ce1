"""The database's roles: who may do what on PostgreSQL, said by the server itself.

Four of them, so that a process that is taken can do no more than its role:

* sync writes the marks, and serves requests;
* operator enters decisions, certificates and their links, and reads the marks: the desk's pages;
* desk writes what the pages write: accounts, sessions, requests, announcements, tokens; it does not even read marks;
* portal reads the marks, and nothing else.

None of them makes, alters or drops a table: that is the role's that runs `db upgrade`, which owns them all. Lines of
the audit log are added and read by who writes there; nobody changes one. The sync's role removes what retention lets
go; of the audit log the server lets it delete no line of the last 180 days.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import ProgrammingError

from config.retention import SHORTEST_AUDIT
from status_db import tables, versions
from status_db.engine import StoreError, open_writing, store_errors
from status_db.versions import Part


@dataclass(frozen=True, slots=True)
class Roles:
    """What the four are called; one name may stand for two of them, and then it may do what both may."""

    sync: str
    desk: str
    portal: str
    operator: str

    def names(self) -> tuple[str, ...]:
        """Return each name once."""
        return tuple(dict.fromkeys((self.sync, self.desk, self.portal, self.operator)))


#: What is found anew is deleted; what was ever said or done stays.
_EMPTIED = (tables.alias, tables.record, tables.status, tables.stranger, tables.pending)

#: The first version with the right to have a table analyzed.
_KNOWS_MAINTAIN = 170000

_ADDED_TO = "SELECT, INSERT"
_WRITTEN = "SELECT, INSERT, UPDATE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"
_EMPTIED_HERE = "SELECT, DELETE"

#: Of the desk's tables, what the sync and the commands beside it need.
_SYNCS_OWN = {
    # Whose word a decision is, and whether it may be.
    tables.account: "SELECT, DELETE, UPDATE (identity, identity_at, closed_at)",
    tables.grant: "SELECT",
    tables.request: "SELECT, DELETE, UPDATE (served_at, outcome, message, found)",
    # A list that was brought is put in its place by the schedule.
    tables.upload: _EMPTIED_HERE,
    # The rest is retention's: it removes, and notes what it has removed.
    tables.session: _EMPTIED_HERE,
    tables.attempt: _EMPTIED_HERE,
    tables.used_ticket: _EMPTIED_HERE,
    tables.code: _EMPTIED_HERE,
    tables.token: _EMPTIED_HERE,
    tables.audit: "SELECT, INSERT, DELETE",
    tables.retention_run: _ADDED_TO,
}

#: What the pages show, and cannot forge.
_DESK_READS = (tables.retention_run,)

#: The server itself keeps every line of the audit log this long, whoever but the owner would delete it.
_AUDIT_DAYS = SHORTEST_AUDIT.days

#: What entering decisions writes of the marks. What was found, and who is on the roster, is none of it.
_OPERATORS_OWN = {
    tables.cohort: "UPDATE (revision)",
    tables.batch: "INSERT, UPDATE (counts, undone_at, undone_by, undone_because)",
    tables.decision: "INSERT, UPDATE (withdrawn_at, withdrawn_by, mac)",
    tables.certificate: (
        "INSERT, UPDATE (collected, collector, collected_at, handed_over_by, revoked_at, revoked_by, revoked_because, "
        "mac)"
    ),
    tables.flip: "INSERT",
    tables.ledger: "INSERT",
}


def statements(
    roles: Roles, parts: Collection[Part], database: str, schema: str, *, analyzes: bool = True
) -> tuple[str, ...]:
    """Return the statements that give each role what it needs in one database, and nothing else; all at once, or again.

    The database holds these parts of the tables in this schema. From version 17 on the server knows a right by which
    others than the owner may have a table analyzed.
    """
    return tuple(_statements(roles, parts, _name(database), _name(schema), analyzes=analyzes))


def _statements(roles: Roles, parts: Collection[Part], database: str, schema: str, *, analyzes: bool) -> Iterator[str]:
    # What everybody has by default: room for tables of their own, behind which ours could be hidden.
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    yield f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    for role in map(_name, roles.names()):
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}"
        yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}"
        yield f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM {role}"
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM {role}"
    if "marks" in parts:
        yield from _marks(roles, database, schema, analyzes=analyzes)
    if "desk" in parts:
        yield from _desk(roles, database, schema)
    yield from _later(roles, parts, schema)


def _entry(part: Part, users: Iterable[str], database: str, schema: str) -> Iterator[str]:
    for role in dict.fromkeys(users):
        yield f"GRANT CONNECT ON DATABASE {database} TO {role}"
        yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
        # Whoever writes, and whoever starts, looks at the version first.
        yield f"GRANT SELECT ON {schema}.{_name(versions.version_table(part))} TO {role}"


def _marks(roles: Roles, database: str, schema: str, *, analyzes: bool) -> Iterator[str]:
    sync, portal, operator = _name(roles.sync), _name(roles.portal), _name(roles.operator)
    yield from _entry("marks", (sync, portal, operator), database, schema)
    # Many rows are staged in a table of the transaction's own.
    yield f"GRANT TEMPORARY ON DATABASE {database} TO {sync}"
    for table in tables.marks.sorted_tables:
        yield from _grant(_ALL if table in _EMPTIED else _WRITTEN, table, schema, sync)
        yield from _grant("SELECT", table, schema, portal)
        yield from _grant("SELECT", table, schema, operator)
        if table in _OPERATORS_OWN:
            yield from _grant(_OPERATORS_OWN[table], table, schema, operator)
        if analyzes:
            # The planner must know of many rows as soon as they are there.
            yield f"GRANT MAINTAIN ON {schema}.{_name(table.name)} TO {sync}"


def _desk(roles: Roles, database: str, schema: str) -> Iterator[str]:
    sync, desk = _name(roles.sync), _name(roles.desk)
    yield from _entry("desk", (sync, desk), database, schema)
    for table in tables.desk.sorted_tables:
        what = _ADDED_TO if table is tables.audit else "SELECT" if table in _DESK_READS else _ALL
        yield from _grant(what, table, schema, desk)
        if table in _SYNCS_OWN:
            yield from _grant(_SYNCS_OWN[table], table, schema, sync)
    yield from _policies(f"{schema}.{_name(tables.audit.name)}")


def _policies(audit: str) -> Iterator[str]:
    """Have the server add and show every line of the audit log, and let only old ones be deleted."""
    yield f"ALTER TABLE {audit} ENABLE ROW LEVEL SECURITY"
    for name, what in (
        ("shown", "FOR SELECT USING (true)"),
        ("added", "FOR INSERT WITH CHECK (true)"),
        ("removed", f"FOR DELETE USING (at < now() - interval '{_AUDIT_DAYS} days')"),
    ):
        yield f"DROP POLICY IF EXISTS {name} ON {audit}"
        yield f"CREATE POLICY {name} ON {audit} {what}"


def _grant(what: str, table: Table, schema: str, role: str) -> Iterator[str]:
    yield f"GRANT {what} ON {schema}.{_name(table.name)} TO {role}"
    counter = table.autoincrement_column
    if "INSERT" in what and counter is not None:
        yield f"GRANT USAGE ON SEQUENCE {schema}.{_name(f'{table.name}_{counter.name}_seq')} TO {role}"


def _later(roles: Roles, parts: Collection[Part], schema: str) -> Iterator[str]:
    """Say what each may do with tables that an upgrade makes, until these statements are run again.

    Where marks and desk are one database, a new table may be either's: then nobody may write it but the sync.
    """
    readers = dict.fromkeys((roles.portal, roles.operator), "SELECT" if "marks" in parts else "")
    wanted = readers | {roles.sync: _ALL if "marks" in parts else ""}
    if tuple(parts) == ("desk",):
        wanted[roles.desk] = _ALL
    head = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}"
    for role in roles.names():
        yield f"{head} REVOKE ALL ON TABLES FROM {_name(role)}"
        yield f"{head} REVOKE ALL ON SEQUENCES FROM {_name(role)}"
    for role, what in wanted.items():
        if what:
            yield f"{head} GRANT {what} ON TABLES TO {_name(role)}"
        if what == _ALL:
            yield f"{head} GRANT USAGE ON SEQUENCES TO {_name(role)}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def planned(url: str, roles: Roles, parts: Collection[Part]) -> tuple[str, ...]:
    """Return the statements for the database at this address. Raises StoreError."""
    engine = _server(url)
    try:
        with store_errors(engine), engine.connect() as connection:
            return _of(connection, roles, parts)
    finally:
        engine.dispose()


def apply(url: str, roles: Roles, parts: Collection[Part]) -> int:
    """Run the statements in one transaction, as the owner of the tables; return how many. Raises StoreError."""
    engine = _server(url)
    try:
        with store_errors(engine), engine.begin() as connection:
            missing = [role for role in roles.names() if not _is_there(connection, role)]
            if missing:
                made = " ".join(f"CREATE ROLE {_name(role)} LOGIN;" for role in missing)
                raise StoreError(f"There is no role {', '.join(missing)}. Have the server's administrator run: {made}")
            if mighty := [role for role in roles.names() if _owns(connection, role, parts)]:
                raise StoreError(
                    f"{', '.join(mighty)} may do everything here: it owns the tables, or is as good as their owner. "
                    "Name roles of their own that are members of nothing."
                )
            planned = _of(connection, roles, parts)
            for statement in planned:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            return len(planned)
    except ProgrammingError as error:
        said = str(error.orig).strip().splitlines()[0]
        way_out = "Run `clearance db upgrade` first, and this as the role that ran it."
        raise StoreError(f"The rights could not be given ({said}). {way_out}") from error
    finally:
        engine.dispose()


def _server(url: str) -> Engine:
    engine = open_writing(url)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        raise StoreError(
            "Only PostgreSQL has roles. An SQLite file is guarded by its folder's rights: see docs/running.md."
        )
    return engine


def _of(connection: Connection, roles: Roles, parts: Collection[Part]) -> tuple[str, ...]:
    database, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    return statements(roles, parts, database, schema, analyzes=version >= _KNOWS_MAINTAIN)


def _is_there(connection: Connection, role: str) -> bool:
    found = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    return found.first() is not None


def _owns(connection: Connection, role: str, parts: Collection[Part]) -> bool:
    """Say whether a role owns the tables, is a member of their owner, or a superuser, who is a member of all."""
    owner = text(
        "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:names) "
        "AND pg_has_role(:role, tableowner, 'MEMBER') LIMIT 1"
    )
    names = [versions.version_table(part) for part in parts]
    return connection.execute(owner, {"role": role, "names": names}).first() is not None
