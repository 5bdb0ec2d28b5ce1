"""The tables. `marks` holds the roster, what sources said, what was found and decided; `desk` holds who may enter.

Everything about a student is keyed by cohort. Every time is stored in UTC. Machine and operator write different tables:
`decision` is the operators', `flip` is everybody's history, the rest of `marks` is the sync's.
"""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from status_db.model import Obligation, Verdict
from status_db.text_types import Line, Prose, storable_json


class Instant(TypeDecorator[datetime]):
    """An aware moment: timestamptz on PostgreSQL; on SQLite UTC text of one width, so that it sorts as it reads."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type for this database."""
        kind: TypeEngine[Any] = DateTime(timezone=True) if dialect.name == "postgresql" else String(32)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Refuse naive times; write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401 - as SQLAlchemy has it
        """Give back an aware time in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else datetime.fromisoformat(value)


def json_text(value: object) -> str:
    """Write compact JSON; half of a character, which no database stores, as its escape."""
    return storable_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class Json(TypeDecorator[Any]):
    """Small structured values as compact JSON text, the same on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Write compact JSON."""
        return None if value is None else json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Read it back."""
        return None if value is None else json.loads(value)


#: Stands for a due date that the source gave and nobody could read.
_UNREADABLE = "?"


def obligations_to_text(obligations: Iterable[Obligation]) -> str | None:
    """Write obligations as JSON text: one list each, in the order kind, title, amount, due, reference.

    A due date that could not be read is "?".
    """
    listed = [
        [
            o.kind,
            o.title,
            None if o.amount is None else str(o.amount),
            o.due.isoformat() if o.due else _UNREADABLE if o.due_unreadable else None,
            o.reference,
        ]
        for o in obligations
    ]
    return json_text(listed) if listed else None


def obligations_from_text(value: str | None) -> tuple[Obligation, ...]:
    """Read what `obligations_to_text` wrote."""
    if not value:
        return ()
    return tuple(
        Obligation(
            kind=kind,
            title=title,
            amount=None if amount is None else Decimal(amount),
            due=date.fromisoformat(due) if due and due != _UNREADABLE else None,
            reference=reference,
            due_unreadable=due == _UNREADABLE,
        )
        for kind, title, amount, due, reference in json.loads(value)
    )


def obligations_of_keys(keys: Iterable[str] | None) -> tuple[Obligation, ...]:
    """Stand in for obligations of which only the keys are at hand."""
    return tuple(Obligation(kind=kind, reference=rest) for kind, _, rest in (key.partition(":") for key in keys or ()))


class Obligations(TypeDecorator[tuple[Obligation, ...]]):
    """A tuple of obligations."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Obligation, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write them as JSON text; none at all is NULL."""
        return obligations_to_text(value or ())

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Obligation, ...]:  # noqa: ARG002
        """Read them back."""
        return obligations_from_text(value)


_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
_VERDICTS = ", ".join(f"'{v}'" for v in Verdict)
_Number = Line(64)
_Word = Line(40)
# SQLite numbers rows itself only in a column of exactly this type.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _is_verdict(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_VERDICTS})", name=column)


#: Written out in the statement, so that the partial index on it is seen to answer.
NOT_ASKED: ColumnElement[str] = literal_column("'not_asked'")

marks = MetaData(naming_convention=_NAMES)

cohort = Table(
    "cohort",
    marks,
    Column("cohort", _Word, primary_key=True),
    Column("name", Line(100), nullable=False),
    #: Grows with every change of what stands here; a plan names the one it was made on.
    Column("revision", BigInteger, nullable=False, server_default="0"),
)

student = Table(
    "student",
    marks,
    Column("cohort", _Word, primary_key=True),
    Column("student", _Number, primary_key=True),
    Column("name", Line(200), nullable=False),
    Column("level", _Word, nullable=False),
    Column("college", Line(200), nullable=False),
    Column("class", Line(200), nullable=False),
    Column("campus", Line(100), nullable=False),
    Column("building", Line(100), nullable=False),
    Column("category", Line(100), nullable=False),
    #: Every other roster column that is mapped.
    Column("extra", Json, nullable=False),
    #: NULL for who is listed but not leaving this year.
    Column("flow", _Word),
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
    Column("cohort", _Word, primary_key=True),
    Column("alias", _Number, primary_key=True),
    Column("student", _Number, primary_key=True),
    #: The roster field it stands in: card, former …
    Column("kind", _Word, nullable=False),
    sqlite_with_rowid=False,
)

source_state = Table(
    "source_state",
    marks,
    Column("cohort", _Word, primary_key=True),
    Column("source", _Word, primary_key=True),
    Column("step", _Word, nullable=False),
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
    Column("strangers", BigInteger, nullable=False, server_default="0"),
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
    Column("cohort", _Word, primary_key=True),
    Column("source", _Word, primary_key=True),
    Column("student", _Number, primary_key=True),
    Column("verdict", _Word, nullable=False),
    Column("reason", _Word, nullable=False),
    Column("obligations", Obligations),
    Column("doubt", Line(200), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("mac", LargeBinary),
    _is_verdict("verdict"),
    sqlite_with_rowid=False,
)
Index("ix_record_student", record.c.cohort, record.c.student)

status = Table(
    "status",
    marks,
    Column("cohort", _Word, primary_key=True),
    Column("student", _Number, primary_key=True),
    Column("step", _Word, primary_key=True),
    Column("verdict", _Word, nullable=False),
    Column("reason", _Word, nullable=False),
    #: The sorted keys of the obligations behind the finding; NULL when there are none.
    Column("evidence_keys", Json),
    Column("since", Instant, nullable=False),
    #: The run that found it; NULL while nobody has been asked.
    Column("run", BigInteger),
    _is_verdict("verdict"),
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
    Column("run", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("source", _Word, nullable=False),
    #: The scheduled moment this run serves; NULL for one started by hand.
    Column("slot", Instant),
    Column("state", _Word, nullable=False),
    Column("began", Instant, nullable=False),
    Column("ended", Instant),
    Column("by", Line(100), nullable=False),
    #: One student only, when it was a recheck.
    Column("student", _Number),
    #: What happened, and the way out; empty when all went well.
    Column("message", Prose(), nullable=False, server_default=""),
    #: Machine-readable kind of failure: unavailable, refused, garbled, interrupted, store …
    Column("fault", _Word),
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
    Column("cohort", _Word, primary_key=True),
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

opinion = Table(
    "opinion",
    marks,
    #: What a person said about a suspended run; the sync carries it out.
    Column("opinion", _Id, primary_key=True, autoincrement=True),
    Column("run", BigInteger, ForeignKey("run.run"), nullable=False, index=True),
    #: plausible, approve, reject
    Column("says", _Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("reason", Prose(), nullable=False),
    Column("at", Instant, nullable=False),
    #: The run's plan digest then: what was said is said of that change alone.
    Column("digest", LargeBinary, nullable=False),
    Column("mac", LargeBinary),
    UniqueConstraint("run", "digest", "says", "author"),
    sqlite_autoincrement=True,
)

wave = Table(
    "wave",
    marks,
    #: An office's announcement that many will move at once, so that the guard expects them.
    Column("wave", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("source", _Word, nullable=False),
    #: The verdict they move to: cleared, held
    Column("towards", _Word, nullable=False),
    #: So many in all, from `at` until `until`.
    Column("most", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("note", Prose(), nullable=False),
    Column("at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Line(100)),
    Column("mac", LargeBinary),
    _is_verdict("towards"),
    sqlite_autoincrement=True,
)
Index("ix_wave_source", wave.c.cohort, wave.c.source)

stranger = Table(
    "stranger",
    marks,
    Column("cohort", _Word, primary_key=True),
    Column("source", _Word, primary_key=True),
    Column("key", _Number, primary_key=True),
    #: Why it may be somebody we know: ambiguous, leading_zero, number_within, punctuation, letter_added, other_number,
    #: one_character, same_name; empty when it is nobody near.
    Column("near", _Word, nullable=False),
    #: The roster students it is near to, as they are shown.
    Column("student", _Number, nullable=False),
    Column("run", BigInteger, nullable=False),
)

decision = Table(
    "decision",
    marks,
    Column("decision", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("student", _Number, nullable=False),
    Column("step", _Word, nullable=False),
    Column("verdict", _Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("reason", Line(100), nullable=False),
    Column("words", Prose(), nullable=False),
    Column("note", Prose(), nullable=False),
    Column("until", Instant),
    Column("decided_at", Instant, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Column("answered_verdict", _Word, nullable=False),
    Column("answered_keys", Json, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Line(100)),
    #: For a review: step → the run and the decision that stood there when it was given.
    Column("rests_on", Json, nullable=False, server_default="{}"),
    #: When the end by date was noted, with its flip.
    Column("ended_at", Instant),
    Column("mac", LargeBinary),
    #: The office's own file about it, what a pass depends on, and the sheet of paper it was first written on.
    Column("file_number", Line(100)),
    Column("condition", Prose()),
    Column("sheet", Line(100)),
    #: The batch it was entered with; NULL for one entered alone.
    Column("batch", BigInteger),
    #: For a review given over answers that were too old: step → the moment of the answer that was accepted.
    Column("accepts", Json),
    _is_verdict("verdict"),
    sqlite_autoincrement=True,
)
Index(
    "ix_decision_batch",
    decision.c.batch,
    sqlite_where=decision.c.batch.is_not(None),
    postgresql_where=decision.c.batch.is_not(None),
)
# One decision stands at a time; the next one withdraws it first.
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
    #: Decisions that were entered together, and may be taken back together.
    Column("batch", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    #: import, paper, class
    Column("kind", _Word, nullable=False),
    Column("step", _Word, nullable=False),
    Column("author", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    #: The file's name, the number of the sheet of paper, or the class.
    Column("title", Line(200), nullable=False),
    #: Of the preview that was confirmed.
    Column("digest", LargeBinary, nullable=False),
    #: How many rows were entered, and how many left out for which cause.
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
    Column("certificate", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("student", _Number, nullable=False),
    #: The number printed on it.
    Column("number", Line(100), nullable=False),
    Column("kind", Line(100), nullable=False),
    #: The review it was issued on.
    Column("decision", BigInteger, ForeignKey("decision.decision"), nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("issued_by", Line(100), nullable=False),
    #: self, agent, post; empty while it waits to be collected
    Column("collected", _Word, nullable=False),
    Column("collector", Line(300), nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", Line(100)),
    Column("revoked_because", Prose(), nullable=False, server_default=""),
    Column("mac", LargeBinary),
    #: When it left, and who handed it over; NULL where it left as it was issued.
    Column("collected_at", Instant),
    Column("handed_over_by", Line(100)),
    UniqueConstraint("cohort", "number"),
    sqlite_autoincrement=True,
)
# A student holds one at a time.
Index(
    "uq_certificate_held",
    certificate.c.cohort,
    certificate.c.student,
    unique=True,
    sqlite_where=certificate.c.revoked_at.is_(None),
    postgresql_where=certificate.c.revoked_at.is_(None),
)

flip = Table(
    "flip",
    marks,
    Column("flip", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("student", _Number, nullable=False),
    Column("step", _Word, nullable=False),
    Column("before", _Word, nullable=False),
    Column("after", _Word, nullable=False),
    Column("reason", Line(100), nullable=False),
    Column("cause", _Word, nullable=False),
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
    Column("cohort", _Word, primary_key=True),
    #: From 1 on, without a gap.
    Column("link", BigInteger, primary_key=True, autoincrement=False),
    #: run, decision, checkpoint
    Column("kind", _Word, nullable=False),
    #: A checkpoint's is the newest run of before.
    Column("run", BigInteger),
    Column("decision", BigInteger),
    Column("at", Instant, nullable=False),
    #: Name → digest as hex: of every set of sealed rows after this transaction, and of what else it wrote.
    Column("sets", Json, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
Index("ix_ledger_run", ledger.c.cohort, ledger.c.run)


desk = MetaData(naming_convention=_NAMES)

account = Table(
    "account",
    desk,
    Column("account", Line(100), primary_key=True),
    Column("name", Line(200), nullable=False),
    #: Argon2id, with its parameters; NULL for who has no password here: not yet, or signs in elsewhere.
    Column("password_hash", Line(300)),
    #: When the password was set.
    Column("password_at", Instant),
    #: The student number, when this is a student.
    Column("student", _Number),
    Column("active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    #: A keyed hash of the number of an identity document, and nothing that leads back to it.
    Column("identity", LargeBinary),
    #: When retention first found that hash: its time begins there.
    Column("identity_at", Instant),
    #: When retention first found the account deactivated, likewise; NULL while it is active.
    Column("closed_at", Instant),
    #: The second factor's secret, sealed with the portal's key; NULL for none.
    Column("second_factor", LargeBinary),
    #: The last of its time steps that was used: none opens twice.
    Column("second_factor_step", BigInteger),
    #: Made by the demo, with a public password.
    Column("demo", Boolean, nullable=False, server_default=false()),
    #: The seal of a row of staff. So everywhere in the desk's tables; see `status_db.desk_seals`.
    Column("mac", LargeBinary),
)
Index("ix_account_student", account.c.student)

grant = Table(
    "grant",
    desk,
    Column("grant", _Id, primary_key=True, autoincrement=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: read, decide, review, issue, manage, audit
    Column("act", _Word, nullable=False),
    #: NULL for every step.
    Column("step", _Word),
    #: Roster column → values; empty for everybody.
    Column("scope", Json, nullable=False),
    #: It ends with this cohort; NULL for every cohort.
    Column("cohort", _Word),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)

session = Table(
    "session",
    desk,
    #: Of students. Staff have sessions of their own, which the students' pages cannot write.
    #: SHA-256 of the cookie's token, so that a copy of this table opens no session.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    #: How it was opened: local, code, identity, cas, oidc, ldap
    Column("method", _Word, nullable=False, server_default="local"),
    #: SHA-256 of what a provider ends it by: a CAS ticket, an OIDC session. NULL where nobody does.
    Column("provider_session", LargeBinary, index=True),
    #: It leads to one page alone: password (a new one must be set), factor (the second factor is asked). NULL to all.
    Column("narrowed", _Word),
)

staff_session = Table(
    "staff_session",
    desk,
    #: As `session`, for accounts that may act, or read about others.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("method", _Word, nullable=False, server_default="local"),
    Column("provider_session", LargeBinary, index=True),
    Column("narrowed", _Word),
    Column("mac", LargeBinary),
)

code = Table(
    "code",
    desk,
    #: A one-time code. By its keyed hash.
    Column("code_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Line(100), nullable=False),
    Column("until", Instant, nullable=False),
    Column("used_at", Instant),
    #: What it is for: password (to set one), factor (to set up the first second factor).
    Column("kind", _Word, nullable=False, server_default="password"),
    Column("mac", LargeBinary),
)

attempt = Table(
    "attempt",
    desk,
    #: A keyed hash of what is slowed down: an account on a device, an account, an address.
    Column("what", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Instant, nullable=False),
)

used_ticket = Table(
    "used_ticket",
    desk,
    #: SHA-256 of a provider's ticket: none opens twice.
    Column("ticket_hash", LargeBinary, primary_key=True),
    Column("at", Instant, nullable=False),
)

token = Table(
    "token",
    desk,
    #: SHA-256 of a bearer token: another program's key to the API.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("title", Line(200), nullable=False),
    #: Whose grants it has.
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Line(100), nullable=False),
    Column("until", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("used_at", Instant),
    Column("mac", LargeBinary),
)

audit = Table(
    "audit",
    desk,
    #: Who did what, and when. Lines are added, and never changed.
    Column("line", _Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    #: Empty where nobody had signed in.
    Column("account", Line(100), nullable=False),
    Column("deed", _Word, nullable=False),
    Column("cohort", _Word),
    Column("student", _Number),
    Column("run", BigInteger),
    #: Whatever else there is to say, by name; never a secret.
    Column("detail", Json, nullable=False),
    Column("address", Line(100), nullable=False),
    #: The chain that the line belongs to, and its place there from 1 on; NULL for a line older than the chains.
    Column("chain", _Word),
    Column("link", BigInteger),
    #: Covers the line and the seal of the line before it in its chain.
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("uq_audit_link", audit.c.chain, audit.c.link, unique=True)

audit_head = Table(
    "audit_head",
    desk,
    #: desk: written with the ledger's key; pages: written by the students' pages, with the desk's key.
    Column("chain", _Word, primary_key=True),
    #: The newest line, and its seal.
    Column("link", BigInteger, nullable=False),
    Column("line_mac", LargeBinary, nullable=False),
    #: The chain is kept from behind this line: what came before was removed at the end of its time.
    Column("removed_to", BigInteger, nullable=False),
    Column("removed_mac", LargeBinary, nullable=False),
    #: Table → digest of its sealed rows, as hex; and of the lines that are older than the chains.
    Column("sets", Json, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

Index("ix_audit_account", audit.c.account, audit.c.line)
#: For what was done to an account, whoever did it.
Index("ix_audit_deed", audit.c.deed, audit.c.line)
Index("ix_audit_student", audit.c.student, audit.c.line)

request = Table(
    "request",
    desk,
    #: What somebody asked for on a page; the scheduler serves it, for the pages write no mark.
    Column("request", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    #: recheck: of `student`; opinion: on `run`; ask: every source anew; list: take `upload` as a source's own list;
    #: way_back: what taking `run` back would change; revert: take it back
    Column("kind", _Word, nullable=False),
    Column("student", _Number),
    Column("run", BigInteger),
    #: Of an opinion: plausible, approve, reject; of which plan; and why. A revert has these two, too.
    Column("says", _Word),
    Column("digest", LargeBinary),
    Column("reason", Prose(), nullable=False, server_default=""),
    #: Of a list: the upload that holds it.
    Column("upload", BigInteger),
    Column("account", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("served_at", Instant),
    #: done, refused, failed; NULL while it waits
    Column("outcome", _Word),
    Column("message", Prose(), nullable=False, server_default=""),
    #: Of a way back: the plan; of a revert: its run.
    Column("found", Json),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_request_student", request.c.cohort, request.c.student, request.c.request)
Index("ix_request_run", request.c.cohort, request.c.run)
Index(
    "ix_request_waiting",
    request.c.cohort,
    request.c.request,
    sqlite_where=request.c.served_at.is_(None),
    postgresql_where=request.c.served_at.is_(None),
)

announcement = Table(
    "announcement",
    desk,
    Column("announcement", _Id, primary_key=True, autoincrement=True),
    #: NULL for every cohort.
    Column("cohort", _Word),
    #: The step whose office says it: then it stands on that step's card. NULL for the head of the page.
    Column("step", _Word),
    #: Roster column → values: to whom; empty for everybody.
    Column("scope", Json, nullable=False),
    Column("title", Line(200), nullable=False),
    Column("title_en", Line(200), nullable=False, server_default=""),
    Column("body", Prose(), nullable=False),
    Column("body_en", Prose(), nullable=False, server_default=""),
    #: Whom to ask.
    Column("contact", Line(200), nullable=False, server_default=""),
    Column("opens", Instant, nullable=False),
    Column("closes", Instant),
    Column("author", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("withdrawn_by", Line(100)),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)

objection = Table(
    "objection",
    desk,
    #: What a student objects to, or what a reviewer sends back to an office; the office answers.
    Column("objection", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    Column("student", _Number, nullable=False),
    Column("step", _Word, nullable=False),
    #: objection, sent_back
    Column("kind", _Word, nullable=False),
    #: The key of the obligation it is about; empty for the step as a whole.
    Column("item", Line(300), nullable=False),
    #: Who raised it, and in which words.
    Column("raised_by", Line(100), nullable=False),
    Column("text", Prose(), nullable=False),
    #: What stood there then: verdict, reason, obligations, as_of.
    Column("seen", Json, nullable=False),
    Column("at", Instant, nullable=False),
    #: By when the office is to answer, by its own hours.
    Column("due", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("answered_by", Line(100)),
    #: rechecked, decided, explained, withdrawn; NULL while it waits
    Column("outcome", _Word),
    Column("answer", Prose(), nullable=False, server_default=""),
    #: The decision that answered it.
    Column("decision", BigInteger),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_objection_student", objection.c.cohort, objection.c.student, objection.c.objection)
Index(
    "ix_objection_waiting",
    objection.c.cohort,
    objection.c.step,
    objection.c.due,
    sqlite_where=objection.c.answered_at.is_(None),
    postgresql_where=objection.c.answered_at.is_(None),
)

upload = Table(
    "upload",
    desk,
    #: A sheet that somebody has brought, kept until it is confirmed or a day has passed.
    Column("upload", _Id, primary_key=True, autoincrement=True),
    Column("cohort", _Word, nullable=False),
    #: results: decisions on the named rows; list: the whole list of a source
    Column("kind", _Word, nullable=False),
    Column("step", _Word, nullable=False),
    #: The source whose list it is.
    Column("source", _Word),
    Column("account", Line(100), nullable=False),
    Column("file", Line(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    #: What was read of it.
    Column("rows", Json, nullable=False),
    Column("at", Instant, nullable=False),
    #: When it was confirmed: with which batch, or by asking the scheduler.
    Column("confirmed_at", Instant),
    Column("batch", BigInteger),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_upload_account", upload.c.account, upload.c.upload)

retention_run = Table(
    "retention_run",
    desk,
    #: One rule of [retention], carried out once. Rows are added, and never changed.
    Column("retention_run", _Id, primary_key=True, autoincrement=True),
    Column("rule", _Word, nullable=False),
    Column("at", Instant, nullable=False),
    #: Rows older than this were removed.
    Column("cutoff", Instant, nullable=False),
    Column("removed", BigInteger, nullable=False),
    #: The age of the oldest row that stayed; NULL for none.
    Column("oldest", Instant),
    #: Rows older than the cutoff were left for the next run: there were too many for one.
    Column("unfinished", Boolean, nullable=False),
    Column("by", Line(100), nullable=False),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_retention_run_rule", retention_run.c.rule, retention_run.c.retention_run)

passkey = Table(
    "passkey",
    desk,
    #: A passkey of WebAuthn: a second factor of its account.
    Column("passkey", _Id, primary_key=True, autoincrement=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: As its authenticator knows it.
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    #: How often its authenticator says that it was used; 0 where the authenticator does not count.
    Column("sign_count", BigInteger, nullable=False),
    #: What its owner calls it.
    Column("name", Line(100), nullable=False),
    #: How a browser reaches it: usb, nfc, internal, hybrid …
    Column("transports", Json, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("mac", LargeBinary),
    UniqueConstraint("credential_id"),
    sqlite_autoincrement=True,
)

recovery_code = Table(
    "recovery_code",
    desk,
    #: It stands in for a second factor, once. By its keyed hash.
    Column("code_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("mac", LargeBinary),
)

factor_step = Table(
    "factor_step",
    desk,
    #: What a session has done, or may do next, about second factors.
    Column("token_hash", LargeBinary, primary_key=True),
    #: shown (a second factor was), set_up (the first one may be), register and sign (a passkey's challenge waits)
    Column("kind", _Word, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: What the passkey has to sign.
    Column("challenge", LargeBinary),
    Column("at", Instant, nullable=False),
    Column("mac", LargeBinary),
)

pending_change = Table(
    "pending_change",
    desk,
    #: What one administrator asks for about an account, and another one confirms or refuses.
    Column("pending_change", _Id, primary_key=True, autoincrement=True),
    #: grant, hand_over, code, factor_code, reset_factor, open
    Column("kind", _Word, nullable=False),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: The grant, or who takes over; and which grants the account had then.
    Column("content", Json, nullable=False),
    Column("asked_by", Line(100), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("decided_by", Line(100)),
    Column("decided_at", Instant),
    #: confirmed, refused, withdrawn
    Column("outcome", _Word),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
