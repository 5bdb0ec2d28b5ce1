"""The tables of requests, announcements, appeals and uploads, which people enter on the pages."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table

from status_db.tables.desk_tables import desk
from status_db.tables.types import Id, Instant, Json, Line, Number, Prose, Word

request = Table(
    "request",
    desk,
    #: A request from a page. The scheduler carries it out, because pages do not write marks.
    Column("request", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    #: recheck: of `student`; opinion: a vote on `run`; ask: read every source again; list: use `upload` as a source's
    #: own list; way_back: plan the revert of `run`; revert: revert it; sync: ask `source`
    Column("kind", Word, nullable=False),
    Column("student", Number),
    Column("run", BigInteger),
    #: Of a vote: plausible, approve, reject; the plan's digest; and the reason. A revert has the last two.
    Column("says", Word),
    Column("digest", LargeBinary),
    Column("reason", Prose(), nullable=False, server_default=""),
    #: Of a list: its upload.
    Column("upload", BigInteger),
    Column("account", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("served_at", Instant),
    #: done, refused, failed; NULL while it waits
    Column("outcome", Word),
    Column("message", Prose(), nullable=False, server_default=""),
    #: The plan of a revert (way_back), or the run of a revert.
    Column("found", Json),
    #: Of a sync.
    Column("source", Word),
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

source_pause = Table(
    "source_pause",
    desk,
    #: A source, or the roster, that an administrator has paused. The scheduler does not ask it until it is resumed.
    Column("source_pause", Id, primary_key=True, autoincrement=True),
    Column("source", Word, nullable=False, index=True),
    Column("reason", Prose(), nullable=False),
    Column("account", Line(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("resumed_by", Line(100)),
    Column("resumed_at", Instant),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)

announcement = Table(
    "announcement",
    desk,
    Column("announcement", Id, primary_key=True, autoincrement=True),
    #: NULL for every cohort.
    Column("cohort", Word),
    #: The step on whose card it is shown. NULL for the top of the page.
    Column("step", Word),
    #: Roster column → values of its readers; empty for all students.
    Column("scope", Json, nullable=False),
    Column("title", Line(200), nullable=False),
    Column("title_en", Line(200), nullable=False, server_default=""),
    Column("body", Prose(), nullable=False),
    Column("body_en", Prose(), nullable=False, server_default=""),
    #: The contact for questions.
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

appeal = Table(
    "objection",
    desk,
    #: A student's appeal, or a step that a reviewer sends back to an office; the office answers.
    Column("objection", Id, key="appeal", primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    Column("student", Number, nullable=False),
    Column("step", Word, nullable=False),
    #: objection, sent_back
    Column("kind", Word, nullable=False),
    #: The key of the obligation it is about; empty for the step as a whole.
    Column("item", Line(300), nullable=False),
    #: Its author and text.
    Column("raised_by", Line(100), nullable=False),
    Column("text", Prose(), nullable=False),
    #: The step's status at that time: verdict, reason, obligations, as_of.
    Column("seen", Json, nullable=False),
    Column("at", Instant, nullable=False),
    #: The deadline of the answer, computed from the office's opening hours.
    Column("due", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("answered_by", Line(100)),
    #: rechecked, decided, explained, withdrawn; NULL while it waits
    Column("outcome", Word),
    Column("answer", Prose(), nullable=False, server_default=""),
    #: The decision that answered it.
    Column("decision", BigInteger),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_objection_student", appeal.c.cohort, appeal.c.student, appeal.c.appeal)
Index(
    "ix_objection_waiting",
    appeal.c.cohort,
    appeal.c.step,
    appeal.c.due,
    sqlite_where=appeal.c.answered_at.is_(None),
    postgresql_where=appeal.c.answered_at.is_(None),
)

upload = Table(
    "upload",
    desk,
    #: An uploaded sheet, kept until it is confirmed or a day has passed.
    Column("upload", Id, primary_key=True, autoincrement=True),
    Column("cohort", Word, nullable=False),
    #: results: decisions on the students of its rows; list: the full list of a source
    Column("kind", Word, nullable=False),
    Column("step", Word, nullable=False),
    #: The source whose list it is.
    Column("source", Word),
    Column("account", Line(100), nullable=False),
    Column("file", Line(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    #: Its parsed rows.
    Column("rows", Json, nullable=False),
    Column("at", Instant, nullable=False),
    #: When it was confirmed, and its batch; NULL for a request to the scheduler.
    Column("confirmed_at", Instant),
    Column("batch", BigInteger),
    Column("mac", LargeBinary),
    sqlite_autoincrement=True,
)
Index("ix_upload_account", upload.c.account, upload.c.upload)
