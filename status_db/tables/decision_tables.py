"""The tables of decisions, batches and certificates, which people write."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from status_db.tables.marks_tables import is_verdict, marks
from status_db.tables.types import Id, Instant, Json, Line, Number, Prose, Word

decision = Table(
    "decision",
    marks,
    Column("decision", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("student", Number, nullable=False),
    Column("step", Word, nullable=False),
    Column("verdict", Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("reason", Line(100), nullable=False),
    Column("words", Prose(), nullable=False),
    Column("note", Prose(), nullable=False),
    Column("until", Instant),
    Column("decided_at", Instant, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Column("answered_verdict", Word, nullable=False),
    Column("answered_keys", Json, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Line(100)),
    #: For a review: step → its version tag (run and decision) when the review was given.
    Column("rests_on", Json, key="reviewed_versions", nullable=False, server_default="{}"),
    #: When the expiry was recorded, with its flip.
    Column("ended_at", Instant),
    Column("mac", LargeBinary),
    #: The office's file number, the condition of a pass, and the paper form on which it was first written.
    Column("file_number", Line(100)),
    Column("condition", Prose()),
    Column("sheet", Line(100)),
    #: The batch in which it was entered; NULL for a single decision.
    Column("batch", BigInteger),
    #: For a review that accepted answers that were too old: step → the time of the accepted answer.
    Column("accepts", Json),
    is_verdict("verdict"),
    sqlite_autoincrement=True,
)
Index(
    "ix_decision_batch",
    decision.c.batch,
    sqlite_where=decision.c.batch.is_not(None),
    postgresql_where=decision.c.batch.is_not(None),
)
# Only one decision is not withdrawn; the next one first withdraws it.
Index(
    "uq_decision_standing",
    decision.c.cohort,
    decision.c.student,
    decision.c.step,
    unique=True,
    sqlite_where=decision.c.withdrawn_at.is_(None),
    postgresql_where=decision.c.withdrawn_at.is_(None),
)

batch = Table(
    "batch",
    marks,
    #: Decisions that were entered together, and can be withdrawn together.
    Column("batch", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    #: import, paper, class
    Column("kind", Word, nullable=False),
    Column("step", Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    #: The file's name, the number of the paper form, or the class.
    Column("title", Line(200), nullable=False),
    #: The digest of the confirmed preview.
    Column("digest", LargeBinary, nullable=False),
    #: The numbers of rows entered and left out, by cause.
    Column("counts", Json, nullable=False, server_default="{}"),
    Column("undone_at", Instant),
    Column("undone_by", Line(100)),
    Column("undone_because", Prose(), nullable=False, server_default=""),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_batch_step", batch.c.cohort, batch.c.step, batch.c.batch)

certificate = Table(
    "certificate",
    marks,
    Column("certificate", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("student", Number, nullable=False),
    #: The number printed on it.
    Column("number", Line(100), nullable=False),
    Column("kind", Line(100), nullable=False),
    #: The review it was issued on.
    Column("decision", BigInteger, ForeignKey("decision.decision"), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("issued_by", Line(100), nullable=False),
    #: self, agent, post; empty until it is collected
    Column("collected", Word, nullable=False),
    Column("collector", Line(300), nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", Line(100)),
    Column("revoked_because", Prose(), nullable=False, server_default=""),
    Column("mac", LargeBinary),
    #: When it was collected, and who handed it over; NULL if it was collected when issued.
    Column("collected_at", Instant),
    Column("handed_over_by", Line(100)),
    UniqueConstraint("cohort", "number"),
    sqlite_autoincrement=True,
)
# A student has at most one of each kind that is not revoked.
Index(
    "uq_certificate_held",
    certificate.c.cohort,
    certificate.c.student,
    certificate.c.kind,
    unique=True,
    sqlite_where=certificate.c.revoked_at.is_(None),
    postgresql_where=certificate.c.revoked_at.is_(None),
)
