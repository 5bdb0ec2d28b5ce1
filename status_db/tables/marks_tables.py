"""The tables of the marks: the roster, what sources answered, what was found, and the ledger.

Everything about a student is keyed by cohort. Every time is stored in UTC. Machine and operator write different tables:
those of `decision_tables.py` are the operators', `flip` is everybody's history, the rest is the sync's.
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
    """Let the column hold a verdict and nothing else."""
    return CheckConstraint(f"{column} IN ({_VERDICTS})", name=column)


#: Written out in the statement, so that the partial index on it is seen to answer.
NOT_ASKED: ColumnElement[str] = literal_column("'not_asked'")

marks = MetaData(naming_convention=NAMES)

cohort = Table(
    "cohort",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("name", Line(100), nullable=False),
    #: Grows with every change of what stands here; a plan names the one it was made on.
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
    #: NULL for who is listed but not leaving this year.
    Column("flow", Word),
    #: On the list as of its last sync.
    Column("active", Boolean, nullable=False),
    #: Sources count as having spoken about this student only if asked after this.
    Column("joined_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("digest", LargeBinary, nullable=False),
    #: Seals the row and the student's other numbers; NULL only before there is a ledger. So everywhere.
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
    #: The roster field it stands in: card, former …
    Column("kind", Word, nullable=False),
    sqlite_with_rowid=False,
)

source_state = Table(
    "source_state",
    marks,
    Column("cohort", Word, primary_key=True),
    Column("source", Word, primary_key=True),
    Column("step", Word, nullable=False),
    #: Digest of the settings that decide what its rows mean, as last applied.
    Column("settings_digest", LargeBinary),
    #: Digest of the last good answer and of all that decides its meaning; NULL where records came otherwise.
    Column("fingerprint", LargeBinary),
    #: Digest of what the source itself told of that answer, and of all that decides its meaning; NULL where it tells
    #: nothing.
    Column("told", LargeBinary),
    #: When an answer was last read whole.
    Column("compared_at", Instant),
    #: Grows with every applied change of its records.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    #: The last good snapshot; NULL before the first.
    Column("began", Instant),
    Column("ended", Instant),
    Column("fresh_for_seconds", BigInteger, nullable=False, server_default="0"),
    #: Of the active students whose flow has its step, as this source alone sees them.
    Column("held", BigInteger, nullable=False, server_default="0"),
    Column("unknown", BigInteger, nullable=False, server_default="0"),
    Column("exempt", BigInteger, nullable=False, server_default="0"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("strangers", BigInteger, key="unmatched_keys", nullable=False, server_default="0"),
    #: Rows about roster students in the last good pulls since an approval, newest last; at most five.
    Column("recent_rows", Json, nullable=False, server_default="[]"),
    Column("approved_at", Instant),
    #: Who is asking it now: the run, until when by the database's clock, and where that process lives.
    Column("lease_run", BigInteger),
    Column("lease_until", Instant),
    Column("lease_owner", Line(200)),
    #: Digest of where and how it was asked for the last good answer: address, query, user; no password.
    Column("location_digest", LargeBinary),
    #: The question for which asking about one student was shown to give what the whole answer gives.
    Column("one_proven", LargeBinary),
    #: The source's own moment of the last good answer, where the settings name one.
    Column("as_of", Instant),
    #: Rows in all, with a match hint, without an amount and unreadable, of the last good pull.
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
    #: The sorted keys of the obligations behind the finding; NULL when there are none.
    Column("evidence_keys", Json),
    Column("since", Instant, nullable=False),
    #: The run that found it; NULL while nobody has been asked.
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
    #: The scheduled moment this run serves; NULL for one started by hand.
    Column("slot", Instant),
    Column("state", Word, nullable=False),
    Column("began", Instant, nullable=False),
    Column("ended", Instant),
    Column("by", Line(100), nullable=False),
    #: One student only, when it was a recheck.
    Column("student", Number),
    #: What happened, and the way out; empty when all went well.
    Column("message", Prose(), nullable=False, server_default=""),
    #: Machine-readable kind of failure: unavailable, refused, garbled, interrupted, store …
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
    #: A suspended run's whole snapshot, kept so that approval applies that answer and no other.
    Column("run", BigInteger, ForeignKey("run.run"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("snapshot", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    #: What people are shown of it, as JSON; NULL for one of before looks were kept.
    Column("look", Prose()),
)

applied_settings = Table(
    "applied_settings",
    marks,
    #: What the settings meant when the last settings run was applied.
    Column("cohort", Word, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    #: The meaning itself as JSON, so that a change can be named key by key.
    Column("meaning", Prose(), nullable=False),
    #: The run that applied it; NULL for the first, before any student.
    Column("run", BigInteger),
    Column("at", Instant, nullable=False),
    Column("mac", LargeBinary),
)

reversal = Table(
    "reversal",
    marks,
    #: The records that an approved run replaced, packed, so that `runs revert` can plan the way back.
    Column("run", BigInteger, ForeignKey("run.run"), primary_key=True),
    Column("records", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
)

approval_vote = Table(
    "opinion",
    marks,
    #: What a person said about a suspended run; the sync carries it out.
    Column("opinion", Id, key="approval_vote", primary_key=True, autoincrement=True),
    Column("run", BigInteger, ForeignKey("run.run"), nullable=False, index=True),
    #: plausible, approve, reject
    Column("says", Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("reason", Prose(), nullable=False),
    Column("at", Instant, nullable=False),
    #: The run's plan digest then: what was said is said of that change alone.
    Column("digest", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    UniqueConstraint("run", "digest", "says", "author"),
    sqlite_autoincrement=True,
)

expected_change = Table(
    "wave",
    marks,
    #: An office's announcement that many will move at once, so that the guard expects them.
    Column("wave", Id, key="expected_change", primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("source", Word, nullable=False),
    #: The verdict they move to: cleared, held
    Column("towards", Word, nullable=False),
    #: So many in all, from `at` until `until`.
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
    #: Why it may be somebody we know: ambiguous, leading_zero, number_within, punctuation, letter_added, other_number,
    #: one_character, same_name; empty when it is nobody near.
    Column("near", Word, nullable=False),
    #: The roster students it is near to, as they are shown.
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
    #: The link of the ledger that covers it; what was there before the ledger lies under its first one.
    Column("link", BigInteger, nullable=False, server_default="1"),
)
Index("ix_flip_student", flip.c.cohort, flip.c.student)
Index("ix_flip_run", flip.c.run)

ledger = Table(
    "ledger",
    marks,
    Column("cohort", Word, primary_key=True),
    #: From 1 on, without a gap.
    Column("link", BigInteger, primary_key=True, autoincrement=False),
    #: run, decision, checkpoint
    Column("kind", Word, nullable=False),
    #: A checkpoint's is the newest run of before.
    Column("run", BigInteger),
    Column("decision", BigInteger),
    Column("at", Instant, nullable=False),
    #: Name → digest as hex: of every set of sealed rows after this transaction, and of what else it wrote.
    Column("sets", Json, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
Index("ix_ledger_run", ledger.c.cohort, ledger.c.run)
