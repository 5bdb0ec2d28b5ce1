"""The tables of the desk: accounts, how they sign in, and the audit log.

What people ask for is in `status_db/tables/inbox_tables.py`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    false,
)

from status_db.tables.types import NAMES, Id, Instant, Json, Line, Number, Word

desk = MetaData(naming_convention=NAMES)

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
    Column("student", Number),
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
    #: The seal of a row of staff. So everywhere in the desk's tables; see `status_db.desk.seals`.
    Column("mac", LargeBinary),
)
Index("ix_account_student", account.c.student)

grant = Table(
    "grant",
    desk,
    Column("grant", Id, primary_key=True, autoincrement=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: read, decide, review, issue, manage, audit
    Column("act", Word, nullable=False),
    #: NULL for every step.
    Column("step", Word),
    #: Roster column → values; empty for everybody.
    Column("scope", Json, nullable=False),
    #: It ends with this cohort; NULL for every cohort.
    Column("cohort", Word),
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
    Column("method", Word, nullable=False, server_default="local"),
    #: SHA-256 of what a provider ends it by: a CAS ticket, an OIDC session. NULL where nobody does.
    Column("provider_session", LargeBinary, index=True),
    #: It leads to one page alone: password (a new one must be set), factor (the second factor is asked). NULL to all.
    Column("narrowed", Word),
)

staff_session = Table(
    "staff_session",
    desk,
    #: As `session`, for accounts that may act, or read about others.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("method", Word, nullable=False, server_default="local"),
    Column("provider_session", LargeBinary, index=True),
    Column("narrowed", Word),
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
    Column("kind", Word, nullable=False, server_default="password"),
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
    Column("line", Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    #: Empty where nobody had signed in.
    Column("account", Line(100), nullable=False),
    Column("deed", Word, key="event", nullable=False),
    Column("cohort", Word),
    Column("student", Number),
    Column("run", BigInteger),
    #: Whatever else there is to say, by name; never a secret.
    Column("detail", Json, nullable=False),
    Column("address", Line(100), nullable=False),
    #: The chain that the line belongs to, and its place there from 1 on; NULL for a line older than the chains.
    Column("chain", Word),
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
    Column("chain", Word, primary_key=True),
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
Index("ix_audit_deed", audit.c.event, audit.c.line)
Index("ix_audit_student", audit.c.student, audit.c.line)

retention_run = Table(
    "retention_run",
    desk,
    #: One rule of [retention], carried out once. Rows are added, and never changed.
    Column("retention_run", Id, primary_key=True, autoincrement=True),
    Column("rule", Word, nullable=False),
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
    Column("passkey", Id, primary_key=True, autoincrement=True),
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
    Column("kind", Word, primary_key=True),
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
    Column("pending_change", Id, primary_key=True, autoincrement=True),
    #: grant, hand_over, code, factor_code, reset_factor, open
    Column("kind", Word, nullable=False),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: The grant, or who takes over; and which grants the account had then.
    Column("content", Json, nullable=False),
    Column("asked_by", Line(100), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("decided_by", Line(100)),
    Column("decided_at", Instant),
    #: confirmed, refused, withdrawn
    Column("outcome", Word),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
