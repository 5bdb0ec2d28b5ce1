"""The cast's university: a whole settings file, sources that say what a test has them say, and a clock it moves."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel
from sqlalchemy import Engine, true, update

from config.load import load
from config.settings import Settings
from connectors import memory, sheet
from connectors.port import Candidates, Connector, Progress, Question, Sample, Snapshot, SourceError, no_progress
from status_db import tables
from status_db.accounts.accounts import Accounts
from status_db.decisions.certificates import CertificateRegister
from status_db.decisions.overrides import Overrides
from status_db.decisions.reviews import Reviews
from status_db.decisions.writer import DecisionWriter
from status_db.desk.address import desk_url
from status_db.desk.key import DeskKey
from status_db.desk.store import DeskStore
from status_db.inbox.pauses import Pause
from status_db.inbox.requests import Requests
from status_db.inbox.uploads import Uploads
from status_db.ledger.chain import Ledger
from status_db.marks.approvals import ApprovalVotes
from status_db.marks.current import CurrentState
from status_db.marks.expected_changes import ExpectedChanges
from status_db.model import ROSTER, Verdict
from status_db.queries.student import Reader
from status_db.store.engine import open_reading, open_writing, reading
from status_db.views import StudentView
from sync.run.approve import Approvals
from sync.run.outcome import Outcome
from sync.run.run import Sync
from sync.run.season import CohortMember, Season
from sync.service.inbox import Serving
from tests.cast import EVERYBODY, MORNING
from tests.templates import Home, Places
from tests.templates import VoteKind as SourceRecord

COHORT = "2019"

SETTINGS = """
[institution]
name = "山海大学"
timezone = "Asia/Shanghai"
contact = "学生处 027-0000 0000"

[status_db]
url = "env:STATUS_URL"

[[cohort]]
key = "2019"
name = "2019届"

[roster]
connector = "memory"
every = "1 d"
aliases = ["card", "former"]
levels = { "本科" = "undergraduate", "硕士" = "postgraduate" }
categories = { "毕业" = "leaving", "第二学位" = "leaving", "延期" = "staying" }

[roster.columns]
student = "学号"
name = "姓名"
level = "培养层次"
college = "学院"
class = "班级"
campus = "校区"
building = "楼栋"
category = "类别"
card = "一卡通"
former = "原学号"

[[step]]
key = "library"
title = "图书馆"
title_en = "Library"
reasons = ["现场归还", "赔书", "数据有误"]
advice = "请归还图书并缴清滞纳金。"
advice_en = "Return the books and pay the fine."
[step.office]
name = "图书馆"
name_en = "Library"
places = { "*" = { where = "总馆一楼", hours = "8:00–17:30", phone = "027-1" } }

[[step]]
key = "finance"
title = "校计财处"
title_en = "Finance"
office = { name = "校计财处", name_en = "Finance office", places = { "*" = { where = "行政楼 203" } } }
reasons = ["缓交批准", "数据有误"]

[[step]]
key = "dorm"
title = "宿管中心"
title_en = "Dormitory"
exempt = [{ building = ["校外走读"] }]
[step.office]
name = "宿管中心"
name_en = "Dormitory office"
places = { "南望山" = { where = "东区 1 栋" }, "*" = { where = "西区 2 栋" } }

[[step]]
key = "college_items"
title = "资料室图书"
title_en = "Reading room"
card = "college"
office = { name = "学院", name_en = "College" }

[[step]]
key = "final_review"
title = "学院终审"
title_en = "Final review"
card = "college"
office = { name = "学院", name_en = "College" }

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [
  { step = "library" }, { step = "finance" }, { step = "dorm" },
  { step = "college_items", kind = "manual" }, { step = "final_review", kind = "review" },
]

[[flow]]
key = "postgraduate"
levels = ["postgraduate"]
entries = [
  { step = "college_items", kind = "manual" }, { step = "library" }, { step = "finance" }, { step = "dorm" },
  { step = "final_review", kind = "review" },
]

[source.loans]
step = "library"
connector = "memory"
means = "items"
obligation = "loan"
every = "15 min"
first = "apply"
columns = { student = "CARD", title = "TITLE", due = "DUE", reference = "BARCODE" }

[source.fines]
step = "library"
connector = "memory"
means = "balance"
obligation = "fine"
item_title = "滞纳金"
every = "15 min"
first = "apply"
columns = { student = "CARD", amount = "AMOUNT" }

[source.fees]
step = "finance"
connector = "memory"
means = "balance"
obligation = "fee"
every = "1 h"
first = "apply"
columns = { student = "XH", amount = "QFJE", title = "XM" }

[source.checkouts]
step = "dorm"
connector = "memory"
means = "status"
obligation = "room"
every = "1 h"
first = "apply"
words = { done = ["已清退"], not_done = ["未清退"], exempt = ["外宿"] }
columns = { student = "学号", status = "清退状态", title = "房间" }
"""


SCHEMAS: Mapping[str, type[BaseModel]] = {"memory": memory.Settings, "sheet": sheet.Settings}


class VoteKind:
    """A connector over rows that a test may change, or make fail."""

    one_reads_all = True

    def __init__(self, world: "World", name: str, question: Question) -> None:
        self._world = world
        self._name = name
        self._question = question

    def _memory(self) -> memory.Memory:
        if self._name in self._world.fails:
            raise self._world.fails[self._name]
        own = memory.Settings.model_validate(
            {"rows": self._world.says[self._name], "population": self._world.population.get(self._name)}
        )
        return memory.connect(own, self._question)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Say what the test has it say."""
        return self._memory().pull(progress)

    def pull_one(self, student: str) -> Snapshot:
        """Say it about one student."""
        return self._memory().pull_one(student)

    def check(self) -> Sample:
        """Show one row."""
        return self._memory().check()


#: (settings, answers) → what came of the first runs.
_FIRST_OUTCOMES: dict[tuple[str, str], dict[str, Outcome]] = {}


class World:
    """A university to sync: change `says`, move `now`, run sources, look at what is stored."""

    def __init__(
        self, url: str, folder: Path, settings: str = SETTINGS, environ: Mapping[str, str] | None = None
    ) -> None:
        self.url = url
        self.now = MORNING
        self.says: SourceRecord = {
            ROSTER: [person.listed() for person in EVERYBODY],
            "loans": [],
            "fines": [],
            "fees": [],
            "checkouts": [],
        }
        self.population: dict[str, list[str]] = {}
        self.fails: dict[str, SourceError] = {}
        self.file = folder / "clearance.toml"
        self.file.write_text(settings, encoding="utf-8")
        # Most tests are about something else than the second factor, so it is off unless their own settings name it.
        own = {} if "second_factor" in settings else {"CLEARANCE__AUTH__SECOND_FACTOR": "off"}
        self.settings: Settings = load(self.file, SCHEMAS.get, {"STATUS_URL": url, **own, **(environ or {})})
        asked = (self.settings.roster, *self.settings.source.values())
        # What a file of settings says may depend on its folder; such worlds share the tables alone.
        same_anywhere = all(each.connector == "memory" for each in asked)
        desk, key = desk_url(self.settings.status_db), self.settings.status_db.ledger_key_file
        self._home = Home(Places(url, desk, key), settings if same_anywhere else None)
        opened = self._home.migrate()
        self.engine = open_writing(url)
        self.desk_engine = open_writing(desk_url(self.settings.status_db))
        self.reading = open_reading(url)
        self.reader = Reader(self.reading, self.settings)
        self.desk = DeskStore(self.desk_engine, self.settings.status_db.ledger_key_file)
        self.accounts = Accounts(self.desk)
        self.ledger = Ledger(self.settings.status_db.ledger_key_file, COHORT)
        self.writer = DecisionWriter(self.engine, self.settings, COHORT, self.ledger)
        self.decisions = Overrides(self.writer)
        self.reviews = Reviews(self.writer)
        self.register = CertificateRegister(self.writer)
        self.votes = ApprovalVotes(self.engine, COHORT, self.ledger)
        self.expected_changes = ExpectedChanges(self.engine, COHORT, self.ledger)
        self.sync = Sync(self.settings, COHORT, self.engine, self.connect, self.clock, self.ledger)
        self.approvals = Approvals(self.settings, self.sync, self.votes)
        if not opened:
            self.sync.open_cohort()
            self._home.opened(self.engine, self.desk_engine)
            self._home.keep("opened", self._engines(), self.now, self.says)

    @property
    def desk_key(self) -> DeskKey:
        """Return the desk's key."""
        return DeskKey(self.settings.portal.key_file)

    def _engines(self) -> tuple[Engine, Engine, Engine]:
        # Who can only read goes first: the last to leave an SQLite file has its log written into it.
        return self.reading, self.engine, self.desk_engine

    def reach(self, state: str, how: Callable[[], object]) -> None:
        """Bring a world in which nothing has happened to a state: by `how`, or by a copy of where that has led before.

        `state` names whatever `how` depends on besides the settings and what the sources say before. Of what `how`
        does in memory, what the sources say and the time are copied, too.
        """
        if not self._new():
            how()
            return
        state += json.dumps([self.says, self.population], sort_keys=True, default=repr)
        if (found := self._home.copy(state, self._engines())) is not None:
            self.now, self.says = found
        else:
            how()
            self._home.keep(state, self._engines(), self.now, self.says)

    def _new(self) -> bool:
        """Return whether nothing has happened here since the cohort was opened."""
        return self.now == MORNING and not self.fails and self._home.untouched(self.engine, self.desk_engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for engine in self._engines():
            engine.dispose()

    def clock(self) -> datetime:
        """Tell the time the test has set."""
        return self.now

    def connect(self, name: str) -> Connector:
        """Return a source's connector: the real one for a file, else one that answers what the test wants."""
        asked = self.settings.roster if name == ROSTER else self.settings.source[name]
        if asked.connector == "sheet":
            return sheet.connect(asked.own, Question(name, asked.columns, self.clock))
        return VoteKind(self, name, Question(name, asked.columns, self.clock))

    def candidates(self, name: str) -> Candidates:
        """Return whom a source may be asked about by number."""
        with reading(self.engine) as connection:
            stored = CurrentState(connection, COHORT)
            students = stored.with_step(self.settings.source[name].step)
            return Candidates(stored.numbers.numbers_with(students), stored.source(ROSTER).revision)

    def later(self, **span: float) -> None:
        """Move the clock on."""
        self.now += timedelta(**span)

    def end_leases(self, source: str | None = None) -> None:
        """Have every lease, or one source's, be over: leases go by the database's clock, which no test moves."""
        state = tables.source_state
        with self.engine.begin() as connection:
            connection.execute(
                update(state)
                .where(state.c.lease_run.is_not(None), true() if source is None else state.c.source == source)
                .values(lease_until=datetime(2000, 1, 1, tzinfo=UTC))
            )

    def run(self, name: str) -> Outcome:
        """Run one source, a minute after whatever was before."""
        self.later(minutes=1)
        return self.sync.run(name, by="test")

    def run_all(self) -> dict[str, Outcome]:
        """Run the roster and every source.

        The first runs of a world are carried out twice in each process for the same settings and answers, then copied.
        """
        # A test that asks something else than the world's own sources is on its own.
        own = self.sync._connect == self.connect and type(self).connect is World.connect
        if not own or not self._new():
            return {name: self.run(name) for name in self.sync.names()}
        key = self.file.read_text(encoding="utf-8"), json.dumps([self.says, self.population], default=repr)

        def how() -> None:
            _FIRST_OUTCOMES[key] = {name: self.run(name) for name in self.sync.names()}

        self.reach("run all", how)
        return dict(_FIRST_OUTCOMES[key])

    def student(self, number: str) -> StudentView:
        """Return a student as they are now."""
        found = self.reader.student(COHORT, number, self.now)
        assert found is not None, number
        return found

    def verdict(self, number: str, step: str) -> Verdict:
        """Return what counts for one step now."""
        return next(s for s in self.student(number).steps if s.step == step).at(self.now).verdict

    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """Return what counts for everybody and every step now."""
        people = (self.reader.student(COHORT, row["学号"], self.now) for row in self.says[ROSTER])
        return {(p.student, s.step): s.at(self.now).verdict for p in people if p for s in p.steps}


def season_of(world: World) -> Season:
    """Return what a schedule serves: the world's one cohort."""
    return Season([CohortMember(COHORT, world.settings, world.sync)])


def serving_of(
    world: World, desk: Engine | None = None, *, paused: Callable[[], Mapping[str, Pause]] = dict
) -> Serving:
    """Return what the scheduler serves requests with; `desk` where it comes in by another role than the world's."""
    engine = desk or world.desk
    return Serving(
        world.settings,
        COHORT,
        world.sync,
        world.reader,
        world.approvals,
        Requests(engine),
        Uploads(engine),
        world.clock,
        paused,
    )
