"""The tables of notifications: two outboxes of the same shape, and the addresses of accounts.

One outbox is beside the marks, and one beside the accounts: a row is entered in the transaction of its cause, so that
neither exists without the other. Both databases can be the same, so the outboxes have different names.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, MetaData, Table, UniqueConstraint

from status_db.tables.desk_tables import desk
from status_db.tables.marks_tables import marks
from status_db.tables.types import Id, Instant, Json, Line, Number, Prose, Word


def _outbox(name: str, metadata: MetaData) -> Table:
    """Return an outbox of this name."""
    table = Table(
        name,
        metadata,
        Column("notice", Id, primary_key=True, autoincrement=True),
        Column("event", Word, nullable=False),
        #: What happened, such as `source-failing:loans:0`. Each is entered once; receivers know a repetition by it.
        Column("key", Line(255), nullable=False),
        Column("cohort", Word),
        Column("source", Word),
        #: Only for an event of one student.
        Column("student", Number),
        #: Only for an event that one account receives.
        Column("account", Line(100)),
        #: Counts, codes and names of colleges; never a student's.
        Column("data", Json, nullable=False),
        Column("created", Instant, nullable=False),
        #: When it is sent next.
        Column("due", Instant, nullable=False),
        #: The largest number of tries at any recipient.
        Column("tries", BigInteger, nullable=False, server_default="0"),
        #: Recipient → when it was sent, or how often that failed, why, and when it is tried again.
        Column("progress", Json, nullable=False, server_default="{}"),
        #: The process that sends it now, and until when by the database's clock.
        Column("claimed_by", Line(200)),
        Column("claimed_until", Instant),
        #: When it was delivered to all, or given up; NULL while it waits.
        Column("delivered", Instant),
        #: Why it was not delivered to all; empty if it was.
        Column("failed", Prose(), nullable=False, server_default=""),
        UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    Index(f"ix_{name}_due", table.c.delivered, table.c.due)
    return table


outbox = _outbox("outbox", marks)

desk_outbox = _outbox("desk_outbox", desk)

account_address = Table(
    "account_address",
    desk,
    #: Where an account of staff receives notifications; NULL for nowhere.
    Column("account", Line(100), ForeignKey("account.account"), primary_key=True),
    Column("mail", Line(254)),
    Column("wecom", Line(64)),
    Column("dingtalk", Line(64)),
    Column("mac", LargeBinary),
)
