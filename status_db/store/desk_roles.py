"""What each role does with the desk's tables, as its statements are; and which rows it sees at all.

Row-level security keeps staff's accounts and their part of the audit log from the students' pages, whose role is the
one that most people's requests reach.
"""

from collections.abc import Iterator

from sqlalchemy import Table

from config.tables.retention import SHORTEST_AUDIT
from status_db import tables

#: Rights on a table whose rows are only added, and on one whose rows are also changed and removed.
ADDED_TO = "SELECT, INSERT"
ALL = "SELECT, INSERT, UPDATE, DELETE"

#: The server itself keeps every line of the audit log this long, whoever but the owner would delete it.
_AUDIT_DAYS = SHORTEST_AUDIT.days

#: What the pages of staff do, with the commands beside them; a table that is not named they read, write and empty.
DESKS_OWN = {
    tables.account: (
        "SELECT, INSERT, UPDATE (password_hash, password_at, active, identity, closed_at, second_factor, "
        "second_factor_step, mac)"
    ),
    tables.attempt: "SELECT, INSERT, UPDATE (failures, last), DELETE",
    tables.used_ticket: "SELECT, INSERT, DELETE",
    tables.token: "SELECT, INSERT, UPDATE (withdrawn_at, used_at, mac)",
    tables.audit: ADDED_TO,
    tables.audit_head: "SELECT, INSERT, UPDATE",
    # Only the sync writes how it ended.
    tables.request: "SELECT, INSERT, UPDATE (mac)",
    tables.announcement: "SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_by, mac)",
    tables.appeal: "SELECT, INSERT, UPDATE (outcome, answer, answered_by, answered_at, decision, mac)",
    tables.upload: "SELECT, INSERT, UPDATE (confirmed_at, batch, rows, mac), DELETE",
    # The pages show it and cannot forge it.
    tables.retention_run: "SELECT",
}

#: What the students' pages do, and nothing else.
STUDENTS_OWN = {
    tables.account: "SELECT, INSERT, UPDATE (password_hash, password_at)",
    tables.grant: "SELECT",
    tables.session: ALL,
    tables.code: "SELECT, UPDATE (used_at), DELETE",
    tables.attempt: "SELECT, INSERT, UPDATE (failures, last), DELETE",
    tables.used_ticket: "SELECT, INSERT, DELETE",
    tables.audit: ADDED_TO,
    tables.audit_head: "SELECT, INSERT, UPDATE",
    tables.request: ADDED_TO,
    tables.announcement: "SELECT",
    tables.appeal: "SELECT, INSERT, UPDATE (outcome, answer, answered_by, answered_at, decision)",
}

#: What the sync and the commands beside it do. They read whatever is sealed: `clearance verify` looks at it.
SYNCS_OWN = {
    tables.account: "SELECT, DELETE, UPDATE (identity, identity_at, closed_at, mac)",
    tables.request: "SELECT, DELETE, UPDATE (served_at, outcome, message, found)",
    # The schedule applies an uploaded list.
    tables.upload: "SELECT, DELETE",
    # The rest is retention's: it removes, and notes what it has removed.
    tables.session: "SELECT, DELETE",
    tables.staff_session: "SELECT, DELETE",
    tables.attempt: "SELECT, DELETE",
    tables.used_ticket: "SELECT, DELETE",
    tables.code: "SELECT, DELETE",
    tables.token: "SELECT, DELETE",
    # Of an account that retention removes.
    tables.passkey: "SELECT, DELETE",
    tables.recovery_code: "SELECT, DELETE",
    tables.factor_step: "SELECT, DELETE",
    tables.pending_change: "SELECT, DELETE",
    tables.audit: "SELECT, INSERT, DELETE",
    tables.audit_head: "SELECT, INSERT, UPDATE",
    tables.retention_run: "SELECT, INSERT, UPDATE (mac)",
}


def for_desk(table: Table) -> str:
    """Return what the pages of staff may do with a table of the desk."""
    return DESKS_OWN.get(table, ALL)


def for_sync(table: Table) -> str:
    """Return what the sync may do with it."""
    return SYNCS_OWN.get(table, "SELECT")


def policies(schema: str, desk: str, sync: str, students: str) -> Iterator[str]:
    """Have the server show each role its rows: to the students' pages no account of staff, and no line of the desk's.

    It lets the sync remove students' closed accounts alone, and of the audit log nobody what is not old. One role
    that has two of these parts sees all that either part sees.
    """
    others = tuple(dict.fromkeys((desk, sync)))
    everybody = ", ".join(others)
    of_students = {
        tables.account.name: "student IS NOT NULL",
        tables.audit.name: "chain = 'pages'",
        tables.audit_head.name: "chain = 'pages'",
    }
    for name, theirs in of_students.items():
        table = f'{schema}."{name}"'
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        for policy in ("shown", "added", "changed", "removed", "written", "students", "students_added"):
            yield f"DROP POLICY IF EXISTS {policy} ON {table}"
        if name == tables.audit.name:
            yield f"CREATE POLICY shown ON {table} FOR SELECT TO {everybody} USING (true)"
            yield f"CREATE POLICY added ON {table} FOR INSERT TO {everybody} WITH CHECK (true)"
            old = f"at < now() - interval '{_AUDIT_DAYS} days'"
            yield f"CREATE POLICY removed ON {table} FOR DELETE TO {everybody} USING ({old})"
        elif name == tables.account.name and sync != desk:
            yield f"CREATE POLICY written ON {table} FOR ALL TO {desk} USING (true) WITH CHECK (true)"
            yield f"CREATE POLICY shown ON {table} FOR SELECT TO {sync} USING (true)"
            yield f"CREATE POLICY changed ON {table} FOR UPDATE TO {sync} USING (true) WITH CHECK (true)"
            yield f"CREATE POLICY removed ON {table} FOR DELETE TO {sync} USING (student IS NOT NULL AND NOT active)"
        else:
            yield f"CREATE POLICY written ON {table} FOR ALL TO {everybody} USING (true) WITH CHECK (true)"
        if students in others:
            continue
        if name == tables.audit.name:
            yield f"CREATE POLICY students ON {table} FOR SELECT TO {students} USING ({theirs})"
            yield f"CREATE POLICY students_added ON {table} FOR INSERT TO {students} WITH CHECK ({theirs})"
        else:
            yield f"CREATE POLICY students ON {table} FOR ALL TO {students} USING ({theirs}) WITH CHECK ({theirs})"
