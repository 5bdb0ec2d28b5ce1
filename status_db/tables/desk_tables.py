"""The tables of the desk: accounts, how they sign in, and the audit log.

The tables of requests, announcements, appeals and uploads are in `status_db/tables/inbox_tables.py`.
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
    #: Argon2id, with its parameters; NULL without a password: not set yet, or sign-in through a provider.
    Column("password_hash", Line(300)),
    #: When the password was set.
    Column("password_at", Instant),
    #: The student number of a student's account.
    Column("student", Number),
    Column("active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    #: A keyed hash of the number of an identity document; the number cannot be computed from it.
    Column("identity", LargeBinary),
    #: When retention first found that hash: its retention period begins then.
    Column("identity_at", Instant),
    #: When retention first found the account deactivated; NULL while it is active.
    Column("closed_at", Instant),
    #: The second factor's secret, sealed with the portal's key; NULL for none.
    Column("second_factor", LargeBinary),
    #: The last used time step: each works once.
    Column("second_factor_step", BigInteger),
    #: Made by the demo, with a public password.
    Column("demo", Boolean, nullable=False, server_default=false()),
    #: The seal of a row of staff, as in all tables of the desk; see `status_db.desk.seals`.
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
    #: Roster column → values; empty for all students.
    Column("scope", Json, nullable=False),
    #: It ends with this cohort; NULL for every cohort.
    Column("cohort", Word),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)

session = Table(
    "session",
    desk,
    #: Sessions of students. Sessions of staff have their own table, which the students' pages cannot write.
    #: SHA-256 of the cookie's token, so that a copy of this table does not open a session.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    #: How it was opened: local, code, identity, cas, oidc, ldap
    Column("method", Word, nullable=False, server_default="local"),
    #: SHA-256 of the CAS ticket or the OIDC session by which a provider ends it. NULL without a provider.
    Column("provider_session", LargeBinary, index=True),
    #: The only page it opens: password (a new one must be set), factor (the second factor is required). NULL for all.
    Column("narrowed", Word),
)

staff_session = Table(
    "staff_session",
    desk,
    #: As `session`, for accounts that can act or read other people's data.
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
    #: The keyed hash of a one-time code.
    Column("code_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Line(100), nullable=False),
    Column("until", Instant, nullable=False),
    Column("used_at", Instant),
    #: Its purpose: password (to set one), factor (to set up the first second factor).
    Column("kind", Word, nullable=False, server_default="password"),
    Column("mac", LargeBinary),
)

attempt = Table(
    "attempt",
    desk,
    #: A keyed hash of what is throttled: an account on a device, an account, an address.
    Column("what", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Instant, nullable=False),
)

used_ticket = Table(
    "used_ticket",
    desk,
    #: SHA-256 of a provider's ticket: each works once.
    Column("ticket_hash", LargeBinary, primary_key=True),
    Column("at", Instant, nullable=False),
)

draft = Table(
    "draft",
    desk,
    #: SHA-256 of the secret that the browser keeps.
    Column("draft_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: The page of the form, and where the form is sent.
    Column("page", Line(1000), nullable=False),
    Column("action", Line(1000), nullable=False),
    #: Field → its values, without secrets.
    Column("fields", Json, nullable=False),
    Column("until", Instant, nullable=False),
)

token = Table(
    "token",
    desk,
    #: SHA-256 of an API token.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("title", Line(200), nullable=False),
    #: The account of its grants.
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Line(100), nullable=False),
    Column("until", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Column("used_at", Instant),
    Column("mac", LargeBinary),
    #: The sources that it can request rechecks of; ["*"] for each source, NULL for none.
    Column("recheck", Json),
)

audit = Table(
    "audit",
    desk,
    #: Who did what, and when. Lines are added and never changed.
    Column("line", Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    #: Empty if no account was signed in.
    Column("account", Line(100), nullable=False),
    Column("deed", Word, key="event", nullable=False),
    Column("cohort", Word),
    Column("student", Number),
    Column("run", BigInteger),
    #: Further details by name; never a secret.
    Column("detail", Json, nullable=False),
    Column("address", Line(100), nullable=False),
    #: The line's chain, and its number there, from 1; NULL for a line older than the chains.
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
    #: The chain is kept after this line; earlier lines were removed by retention.
    Column("removed_to", BigInteger, nullable=False),
    Column("removed_mac", LargeBinary, nullable=False),
    #: Table → digest of its sealed rows, as hex; also of the lines that are older than the chains.
    Column("sets", Json, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

Index("ix_audit_account", audit.c.account, audit.c.line)
#: For the events of an account by any author.
Index("ix_audit_deed", audit.c.event, audit.c.line)
Index("ix_audit_student", audit.c.student, audit.c.line)

retention_run = Table(
    "retention_run",
    desk,
    #: One run of one rule of [retention]. Rows are added and never changed.
    Column("retention_run", Id, primary_key=True, autoincrement=True),
    Column("rule", Word, nullable=False),
    Column("at", Instant, nullable=False),
    #: Rows older than this were removed.
    Column("cutoff", Instant, nullable=False),
    Column("removed", BigInteger, nullable=False),
    #: The time of the oldest row that stayed; NULL if there is none.
    Column("oldest", Instant),
    #: Rows older than the cutoff remain for the next run, because there were too many for one.
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
    #: The authenticator's identifier of it.
    Column("credential_id", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    #: The number of uses that its authenticator reports; 0 if it does not count.
    Column("sign_count", BigInteger, nullable=False),
    #: The owner's name for it.
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
    #: The keyed hash of a recovery code, which replaces a second factor once.
    Column("code_hash", LargeBinary, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("mac", LargeBinary),
)

factor_step = Table(
    "factor_step",
    desk,
    #: The second-factor records of a session.
    Column("token_hash", LargeBinary, primary_key=True),
    #: shown (a second factor was verified), set_up (the first one can be set up), register and sign (a challenge waits)
    Column("kind", Word, primary_key=True),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: The challenge that the passkey signs.
    Column("challenge", LargeBinary),
    Column("at", Instant, nullable=False),
    Column("mac", LargeBinary),
)

pending_change = Table(
    "pending_change",
    desk,
    #: A change of an account that one administrator requests and another one confirms or refuses.
    Column("pending_change", Id, primary_key=True, autoincrement=True),
    #: grant, hand_over, code, factor_code, reset_factor, open
    Column("kind", Word, nullable=False),
    Column("account", Line(100), ForeignKey("account.account"), nullable=False, index=True),
    #: The grant, or the account that receives the grants; and the account's grants at that time.
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
