"""The tables of the marks: the roster, the sources' records, the findings, and the ledger.

All data about a student are keyed by cohort. All times are stored in UTC. Operators write the tables of
`decision_tables.py`, operators and sync write `flip`, and only the sync writes the other tables.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    literal_column,
)

from status_db.model import Verdict
from status_db.tables.types import NAMES, Id, Instant, Json, Line, Number, Obligations, Prose, Word

_VERDICTS = ", ".join(f"'{v}'" for v in Verdict)


def is_verdict(column: str) -> CheckConstraint:
    """Return a constraint that the column is a verdict."""
    return CheckConstraint(f"{column} IN ({_VERDICTS})", name=column)


#: A literal in the statement, so that the database can use the partial index on it.
NOT_ASKED: ColumnElement[str] = literal_column("'not_asked'")

marks = MetaData(naming_convention=NAMES)

cohort = Table(
    "cohort",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("name", Line(100), nullable=False),
    #: Increases with every change; a plan contains the revision that it is based on.
    Column("revision", BigInteger, nullable=False, server_default="0"),
)

student = Table(
    "student",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("student", Number, primary_key=True),
    Column("name", Line(200), nullable=False),
    Column("level", Word, nullable=False),
    Column("college", Line(200), nullable=False),
    Column("class", Line(200), nullable=False),
    Column("campus", Line(100), nullable=False),
    Column("building", Line(100), nullable=False),
    Column("category", Line(100), nullable=False),
    #: Every other roster column that is mapped.
    Column("extra", Json, nullable=False),
    #: NULL for a student who does not leave this year.
    Column("flow", Word),
    #: On the roster as of its last sync.
    Column("active", Boolean, nullable=False),
    #: Only sources that were read after this have answered about this student.
    Column("joined_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("digest", LargeBinary, nullable=False),
    #: Seals the row and the student's other numbers; NULL only before there is a ledger, as in all tables.
    Column("mac", LargeBinary),
    sqlite_with_rowid=False,
)
Index(
    "ix_student_flow",
    student.c.cohort,
    student.c.flow,
    sqlite_where=student.c.active,
    postgresql_where=student.c.active,
)

alias = Table(
    "alias",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("alias", Number, primary_key=True),
    Column("student", Number, primary_key=True),
    #: The roster field that contains it: card, former …
    Column("kind", Word, nullable=False),
    sqlite_with_rowid=False,
)

source_state = Table(
    "source_state",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("source", Word, primary_key=True),
    Column("step", Word, nullable=False),
    #: Digest of the settings that define the meaning of its rows, as last applied.
    Column("settings_digest", LargeBinary),
    #: Digest of the last successful answer and of all settings that define its meaning; NULL if records have another
    #: origin.
    Column("fingerprint", LargeBinary),
    #: The source's own fingerprint of that answer, with all settings that define its meaning; NULL if it has none.
    Column("told", LargeBinary),
    #: When an answer was last read completely.
    Column("compared_at", Instant),
    #: Increases with every applied change of its records.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    #: The last successful snapshot; NULL before the first.
    Column("began", Instant),
    Column("ended", Instant),
    Column("fresh_for_seconds", BigInteger, nullable=False, server_default="0"),
    #: Counts of the active students whose flow has its step, by this source's verdicts only.
    Column("held", BigInteger, nullable=False, server_default="0"),
    Column("unknown", BigInteger, nullable=False, server_default="0"),
    Column("exempt", BigInteger, nullable=False, server_default="0"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("strangers", BigInteger, key="unmatched_keys", nullable=False, server_default="0"),
    #: The number of rows about roster students in each successful pull since an approval, newest last; at most five.
    Column("recent_rows", Json, nullable=False, server_default="[]"),
    Column("approved_at", Instant),
    #: The current lease: the run, its end by the database's clock, and the process that has it.
    Column("lease_run", BigInteger),
    Column("lease_until", Instant),
    Column("lease_owner", Line(200)),
    #: Digest of address, query and user of the last successful answer; without the password.
    Column("location_digest", LargeBinary),
    #: Digest of the query for which a pull of one student was proven to equal the full answer.
    Column("one_proven", LargeBinary),
    #: The source's own time of the last successful answer, if the settings define one.
    Column("as_of", Instant),
    #: Of the last successful pull: all rows, those with a match hint, without an amount, and unreadable.
    Column("quality", Json),
)

record = Table(
    "record",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("source", Word, primary_key=True),
    Column("student", Number, primary_key=True),
    Column("verdict", Word, nullable=False),
    Column("reason", Word, nullable=False),
    Column("obligations", Obligations),
    Column("doubt", Line(200), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("mac", LargeBinary),
    is_verdict("verdict"),
    sqlite_with_rowid=False,
)
Index("ix_record_student", record.c.cohort, record.c.student)

status = Table(
    "status",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("student", Number, primary_key=True),
    Column("step", Word, primary_key=True),
    Column("verdict", Word, nullable=False),
    Column("reason", Word, nullable=False),
    #: The sorted keys of the finding's obligations; NULL if there are none.
    Column("evidence_keys", Json),
    Column("since", Instant, nullable=False),
    #: The run of the finding; NULL before the first.
    Column("run", BigInteger),
    is_verdict("verdict"),
    sqlite_with_rowid=False,
)
Index(
    "ix_status_not_asked",
    status.c.cohort,
    status.c.step,
    status.c.student,
    sqlite_where=status.c.reason == NOT_ASKED,
    postgresql_where=status.c.reason == NOT_ASKED,
)

run = Table(
    "run",
    marks,
    Column("run", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("source", Word, nullable=False),
    #: The scheduled time of this run; NULL for one started manually.
    Column("slot", Instant),
    Column("state", Word, nullable=False),
    Column("began", Instant, nullable=False),
    Column("ended", Instant),
    Column("by", Line(100), nullable=False),
    #: The student of a recheck.
    Column("student", Number),
    #: The error and the fix; empty if the run succeeded.
    Column("message", Prose(), nullable=False, server_default=""),
    #: The code of the failure: unavailable, refused, garbled, interrupted, store …
    Column("fault", Word),
    #: rows, strangers, held, released, flips …
    Column("counts", Json, nullable=False, server_default="{}"),
    Column("proofs", Json, nullable=False, server_default="[]"),
    Column("plan_digest", LargeBinary),
    Column("decided_by", Line(100)),
    Column("decided_at", Instant),
    UniqueConstraint("cohort", "source", "slot"),
    sqlite_autoincrement=True,
)
Index("ix_run_source", run.c.cohort, run.c.source, run.c.run)

pending = Table(
    "pending",
    marks,
    #: A suspended run's complete snapshot, so that an approval applies exactly this answer.
    Column("run", BigInteger, ForeignKey("run.run"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("snapshot", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    #: Its impact as JSON, for display; NULL for runs from before it was stored.
    Column("look", Prose()),
)

applied_settings = Table(
    "applied_settings",
    marks,
    #: The meaning of the settings when the last settings run was applied.
    Column("cohort", Word, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    #: The meaning as JSON, so that a change can be listed key by key.
    Column("meaning", Prose(), nullable=False),
    #: The run that applied it; NULL for the first, before any student.
    Column("run", BigInteger),
    Column("at", Instant, nullable=False),
    Column("mac", LargeBinary),
)

reversal = Table(
    "reversal",
    marks,
    #: The records that an approved run replaced, packed, so that `runs revert` can restore them.
    Column("run", BigInteger, ForeignKey("run.run"), primary_key=True),
    Column("records", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
)

approval_vote = Table(
    "opinion",
    marks,
    #: A person's vote on a suspended run; the sync carries it out.
    Column("opinion", Id, key="approval_vote", primary_key=True, autoincrement=True),
    Column("run", BigInteger, ForeignKey("run.run"), nullable=False, index=True),
    #: plausible, approve, reject
    Column("says", Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("reason", Prose(), nullable=False),
    Column("at", Instant, nullable=False),
    #: The run's plan digest at that time: the vote is valid only for that change.
    Column("digest", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    UniqueConstraint("run", "digest", "says", "author"),
    sqlite_autoincrement=True,
)

expected_change = Table(
    "wave",
    marks,
    #: An office's notice that many students will change at once, so that the guard expects it.
    Column("wave", Id, key="expected_change", primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("source", Word, nullable=False),
    #: The new verdict: cleared, held
    Column("towards", Word, nullable=False),
    #: The largest number of students, from `at` until `until`.
    Column("most", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("note", Prose(), nullable=False),
    Column("at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Line(100)),
    Column("mac", LargeBinary),
    is_verdict("towards"),
    sqlite_autoincrement=True,
)
Index("ix_wave_source", expected_change.c.cohort, expected_change.c.source)

unmatched_key = Table(
    "stranger",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("source", Word, primary_key=True),
    Column("key", Number, primary_key=True),
    #: The match hint: ambiguous, leading_zero, number_within, punctuation, letter_added, other_number, one_character,
    #: same_name; empty without a hint.
    Column("near", Word, nullable=False),
    #: The roster students of the hint, as they are shown.
    Column("student", Number, nullable=False),
    Column("run", BigInteger, nullable=False),
)

flip = Table(
    "flip",
    marks,
    Column("flip", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("student", Number, nullable=False),
    Column("step", Word, nullable=False),
    Column("before", Word, nullable=False),
    Column("after", Word, nullable=False),
    Column("reason", Line(100), nullable=False),
    Column("cause", Word, nullable=False),
    Column("run", BigInteger),
    Column("decision", BigInteger),
    Column("at", Instant, nullable=False),
    Column("evidence", Obligations),
    #: The ledger link that covers it; rows from before the ledger are covered by its first link.
    Column("link", BigInteger, nullable=False, server_default="1"),
)
Index("ix_flip_student", flip.c.cohort, flip.c.student)
Index("ix_flip_run", flip.c.run)

ledger = Table(
    "ledger",
    marks,
    Column("cohort", Word, primary_key=True),
    #: From 1, without gaps.
    Column("link", BigInteger, primary_key=True, autoincrement=False),
    #: run, decision, checkpoint
    Column("kind", Word, nullable=False),
    #: For a checkpoint: the newest run before it.
    Column("run", BigInteger),
    Column("decision", BigInteger),
    Column("at", Instant, nullable=False),
    #: Name → digest as hex: of every set of sealed rows after this transaction, and of its other writes.
    Column("sets", Json, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
Index("ix_ledger_run", ledger.c.cohort, ledger.c.run)
