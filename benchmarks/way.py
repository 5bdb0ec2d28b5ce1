"""The way of one loan through the files, from the office's answer to the student's status: `python -m benchmarks.way`.

One loan is in a library's SQLite table. The `sql` connector pulls it, and the run applies it. The measure is the way
that a reader of the code follows:

- Three files call the stages: the run, its end, and `SourceStages`. They are not counted; a reader returns to them
  between two stages.
- A stay begins when one of them calls a function of another file, or when the pull calls a connector. Further calls
  into the same file belong to the same stay, and so does all that this file calls.
- A stay belongs to the stage whose function is called next: a stage's input is read or computed before it.
- These calls are not stays: to the settings or the clock, to a value (a method of a frozen data class,
  `connectors/port.py`, `status_db/model.py`), to `sync/rule_settings.py`, and to `status_db/store/engine.py`, which
  opens the database.
- A return is a stay in a file that was left for another one before.

The way begins with the pull and ends with the transaction that applies the plan.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmarks.structure import ROOT
from clearance.services import Program
from clearance.settings_file import schema_of
from config import logs
from config.load import load
from config.settings import Log
from status_db.model import Verdict
from status_db.store.migrate import upgrade

#: Stage → its file and its function, in order.
STAGES = {
    "pull": ("sync/pull/pull.py", "pull"),
    "gather": ("sync/plan/gather.py", "gather"),
    "match": ("sync/plan/compare.py", "match"),
    "compare": ("sync/plan/compare.py", "compare"),
    "confirm": ("sync/plan/confirm.py", "confirm"),
    "plan": ("sync/rule/reconcile.py", "plan"),
    "guard": ("sync/rule/guard.py", "judge"),
    "apply": ("status_db/marks/apply.py", "Marks.apply"),
}

#: The files that call the stages.
CALLERS = ("sync/run/run.py", "sync/run/applying.py", "sync/plan/source.py")

#: The packages where a stay can be, and files there that every stage uses.
_ROOMS = ("connectors", "sync", "status_db")
_BELOW = ("connectors/port.py", "status_db/model.py", "status_db/store/engine.py", "sync/rule_settings.py")

_STUDENT, _COHORT = "20150001", "2019"

_SETTINGS = f"""
institution = {{ name = "University" }}
status_db = {{ url = "env:WAY_MARKS" }}
[[cohort]]
key = "{_COHORT}"
name = "{_COHORT}"
[roster]
connector = "memory"
cron = "0 6 * * *"
columns = {{ student = "number", name = "name", level = "level", college = "college" }}
levels = {{ u = "undergraduate" }}
rows = [{{ number = "{_STUDENT}", name = "Lin", level = "u", college = "Geology" }}]
[[step]]
key = "library"
title = "Library"
office = {{ name = "Library" }}
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{{ step = "library" }}]
[source.loans]
step = "library"
connector = "sql"
url = "env:WAY_LIBRARY"
means = "items"
every = "15 min"
first = "apply"
query = "SELECT card, title, due, barcode FROM loans"
columns = {{ student = "card", title = "title", due = "due", reference = "barcode" }}
"""


@dataclass(slots=True)
class Way:
    """The stays in files, each with its stage, and the verdict of the student's step at the end."""

    #: Stages in the order in which their functions were called.
    visits: list[str] = field(default_factory=list)
    #: Stage → files, in order.
    stays: list[tuple[str, str]] = field(default_factory=list)
    verdict: Verdict | None = None
    #: Stays before the function of their stage is called.
    _waiting: list[str] = field(default_factory=list)

    def enter(self, caller: str, file: str, function: str) -> None:
        """Record a call from one file to another."""
        if caller not in CALLERS and not (caller == STAGES["pull"][0] and file.startswith("connectors/")):
            return
        stage = next((name for name, place in STAGES.items() if place == (file, function)), "")
        if not (stage or self.visits) or self.visits[-1:] == ["apply"]:
            return
        if file != self.last_file:
            self._waiting.append(file)
        if stage:
            self.visits.append(stage)
        if stage or (self.visits[-1] == "pull" and file.startswith("connectors/")):
            self.stays += [(self.visits[-1], waiting) for waiting in self._waiting]
            self._waiting.clear()

    @property
    def last_file(self) -> str:
        """The file of the newest stay."""
        return self._waiting[-1] if self._waiting else self.stays[-1][1] if self.stays else ""

    @property
    def files(self) -> list[str]:
        """The files of the way, each once."""
        return list(dict.fromkeys(file for _, file in self.stays))

    @property
    def returns(self) -> list[tuple[str, str]]:
        """The stays in files that were left before, each with its stage."""
        return [stay for at, stay in enumerate(self.stays) if stay[1] in {file for _, file in self.stays[:at]}]

    @property
    def visited_again(self) -> list[str]:
        """The stages that were visited more than once."""
        return [stage for stage in STAGES if self.visits.count(stage) > 1]


def _file_of(frame: FrameType | None) -> str:
    """Return a frame's file within the product; empty for any other."""
    path = Path(frame.f_code.co_filename) if frame is not None else ROOT
    if not path.is_relative_to(ROOT):
        return ""
    file = path.relative_to(ROOT)
    return file.as_posix() if file.parts[:1] and file.parts[0] in _ROOMS else ""


def _is_value(frame: FrameType) -> bool:
    params = getattr(type(frame.f_locals.get("self")), "__dataclass_params__", None)
    return params is not None and params.frozen


@contextmanager
def _followed(way: Way) -> Iterator[None]:
    def called(frame: FrameType, event: str, _argument: object) -> None:
        file = _file_of(frame) if event == "call" else ""
        if not file or file in _BELOW or file in CALLERS or _is_value(frame):
            return
        caller = frame.f_back
        while caller is not None and not _file_of(caller):
            caller = caller.f_back
        if (calling := _file_of(caller)) != file:
            way.enter(calling, file, frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        yield
    finally:
        sys.setprofile(before)


def follow(folder: Path) -> Way:
    """Pull one loan, apply it, and return its way."""
    environ = {f"WAY_{name.upper()}": f"sqlite:///{folder / name}.db" for name in ("marks", "library")}
    with closing(sqlite3.connect(folder / "library.db")) as library:
        library.execute("CREATE TABLE loans (card TEXT, title TEXT, due TEXT, barcode TEXT)")
        library.execute("INSERT INTO loans VALUES (?, 'Geology', '2019-05-30', 'B1')", (_STUDENT,))
        library.commit()
    file = folder / "clearance.toml"
    file.write_text(_SETTINGS, encoding="utf-8")
    upgrade(environ["WAY_MARKS"], "marks")
    way = Way()
    with closing(Program(load(file, schema_of, environ), _COHORT)) as program:
        program.sync.open_cohort(by="way")
        program.sync.run("roster", by="way")
        with _followed(way):
            program.sync.run("loans", by="way")
        student = program.reader.student(_COHORT, _STUDENT, datetime.now(UTC))
        way.verdict = student.steps[0].finding.verdict if student is not None else None
    return way


def _main() -> None:
    logs.configure(Log(level="error"), lambda: None)
    with tempfile.TemporaryDirectory() as folder:
        way = follow(Path(folder))
    for stage in STAGES:
        files = [file for own, file in way.stays if own == stage]
        print(f"{stage}: {', '.join(files) or 'in the file of the stage before'}")
    print(f"files passed: {len(way.files)}, and {len(CALLERS)} that call the stages")
    print(f"returns to a file that was left: {len(way.returns)}")
    for stage, file in way.returns:
        print(f"    {file}, for {stage}")
    print(f"stages visited more than once: {', '.join(way.visited_again) or 'none'}")
    print(f"stages not visited: {', '.join(stage for stage in STAGES if stage not in way.visits) or 'none'}")
    print(f"the student's step: {way.verdict}")


if __name__ == "__main__":
    _main()
