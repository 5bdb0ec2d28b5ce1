"""The rights of each role on the desk's tables, as its statements need them, and the rows that it sees.

Row-level security hides staff accounts and their part of the audit log from the role of the students' pages, which
serves most requests.
"""

from collections.abc import Iterator

from sqlalchemy import Table

from config.tables.retention import SHORTEST_AUDIT
from status_db import tables

#: Rights on a table with rows that are only added, and on one with rows that are also changed and removed.
ADDED_TO = "SELECT, INSERT"
ALL = "SELECT, INSERT, UPDATE, DELETE"

#: The server itself prevents all roles but the owner from deleting newer lines of the audit log.
_AUDIT_DAYS = SHORTEST_AUDIT.days

#: The rights of the staff pages and the commands beside them; they have all rights on a table that is not named.
DESKS_OWN = {
    tables.account: (
        "SELECT, INSERT, UPDATE (password_hash, password_at, active, identity, closed_at, second_factor, "
        "second_factor_step, mac)"
    ),
    tables.attempt: "SELECT, INSERT, UPDATE (failures, last), DELETE",
    tables.used_ticket: "SELECT, INSERT, DELETE",
    tables.draft: "SELECT, INSERT, DELETE",
    tables.token: "SELECT, INSERT, UPDATE (withdrawn_at, used_at, mac)",
    tables.audit: ADDED_TO,
    tables.audit_head: "SELECT, INSERT, UPDATE",
    # Only the sync writes the outcome.
    tables.request: "SELECT, INSERT, UPDATE (mac)",
    tables.source_pause: "SELECT, INSERT, UPDATE (resumed_by, resumed_at, mac)",
    tables.announcement: "SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_by, mac)",
    tables.appeal: "SELECT, INSERT, UPDATE (outcome, answer, answered_by, answered_at, decision, mac)",
    tables.upload: "SELECT, INSERT, UPDATE (confirmed_at, batch, rows, mac), DELETE",
    # Answers to appeals, and reminders with whether they were sent; the sync delivers them.
    tables.desk_outbox: "SELECT, INSERT",
    tables.account_address: "SELECT, INSERT, UPDATE (mail, wecom, dingtalk, mac)",
    # The pages can read it, and cannot forge it.
    tables.retention_run: "SELECT",
}

#: The rights of the students' pages, and no others.
STUDENTS_OWN = {
    tables.account: "SELECT, INSERT, UPDATE (password_hash, password_at)",
    tables.grant: "SELECT",
    tables.session: ALL,
    tables.code: "SELECT, UPDATE (used_at), DELETE",
    tables.attempt: "SELECT, INSERT, UPDATE (failures, last), DELETE",
    tables.used_ticket: "SELECT, INSERT, DELETE",
    tables.draft: "SELECT, INSERT, DELETE",
    tables.audit: ADDED_TO,
    tables.audit_head: "SELECT, INSERT, UPDATE",
    tables.request: ADDED_TO,
    tables.announcement: "SELECT",
    tables.appeal: "SELECT, INSERT, UPDATE (outcome, answer, answered_by, answered_at, decision)",
}

#: The rights of the sync and the commands beside it. They read all sealed tables, for `clearance verify`.
SYNCS_OWN = {
    tables.account: "SELECT, DELETE, UPDATE (identity, identity_at, closed_at, mac)",
    tables.request: "SELECT, DELETE, UPDATE (begun_at, served_at, outcome, message, found)",
    # The schedule applies an uploaded list.
    tables.upload: "SELECT, DELETE",
    # The rest is for retention, which removes rows and records its runs.
    tables.session: "SELECT, DELETE",
    tables.staff_session: "SELECT, DELETE",
    tables.attempt: "SELECT, DELETE",
    tables.used_ticket: "SELECT, DELETE",
    tables.draft: "SELECT, DELETE",
    tables.code: "SELECT, DELETE",
    tables.token: "SELECT, DELETE",
    # Rows of an account that retention removes.
    tables.passkey: "SELECT, DELETE",
    tables.recovery_code: "SELECT, DELETE",
    tables.factor_step: "SELECT, DELETE",
    tables.pending_change: "SELECT, DELETE",
    tables.account_address: "SELECT, DELETE",
    tables.desk_outbox: (
        "SELECT, INSERT, UPDATE (due, tries, progress, claimed_by, claimed_until, delivered, failed), DELETE"
    ),
    tables.audit: "SELECT, INSERT, DELETE",
    tables.audit_head: "SELECT, INSERT, UPDATE",
    tables.retention_run: "SELECT, INSERT, UPDATE (mac)",
}


def for_desk(table: Table) -> str:
    """Return the rights of the staff pages on a table of the desk."""
    return DESKS_OWN.get(table, ALL)


def for_sync(table: Table) -> str:
    """Return the rights of the sync on a table of the desk."""
    return SYNCS_OWN.get(table, "SELECT")


def policies(schema: str, desk: str, sync: str, students: str) -> Iterator[str]:
    """Yield the row-level policies: the students' pages see no staff account, and no audit line of the desk.

    The sync can remove only closed accounts of students, and no role can remove new lines of the audit log. A role with
    two of these parts sees all rows that either part sees.
    """
    others = tuple(dict.fromkeys((desk, sync)))
    both = ", ".join(others)
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
            yield f"CREATE POLICY shown ON {table} FOR SELECT TO {both} USING (true)"
            yield f"CREATE POLICY added ON {table} FOR INSERT TO {both} WITH CHECK (true)"
            old = f"at < now() - interval '{_AUDIT_DAYS} days'"
            yield f"CREATE POLICY removed ON {table} FOR DELETE TO {both} USING ({old})"
        elif name == tables.account.name and sync != desk:
            yield f"CREATE POLICY written ON {table} FOR ALL TO {desk} USING (true) WITH CHECK (true)"
            yield f"CREATE POLICY shown ON {table} FOR SELECT TO {sync} USING (true)"
            yield f"CREATE POLICY changed ON {table} FOR UPDATE TO {sync} USING (true) WITH CHECK (true)"
            yield f"CREATE POLICY removed ON {table} FOR DELETE TO {sync} USING (student IS NOT NULL AND NOT active)"
        else:
            yield f"CREATE POLICY written ON {table} FOR ALL TO {both} USING (true) WITH CHECK (true)"
        if students in others:
            continue
        if name == tables.audit.name:
            yield f"CREATE POLICY students ON {table} FOR SELECT TO {students} USING ({theirs})"
            yield f"CREATE POLICY students_added ON {table} FOR INSERT TO {students} WITH CHECK ({theirs})"
        else:
            yield f"CREATE POLICY students ON {table} FOR ALL TO {students} USING ({theirs}) WITH CHECK ({theirs})"
