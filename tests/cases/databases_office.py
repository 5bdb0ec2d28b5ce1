"""A finance office whose list is in a real database, five students who owe it, and the real command."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner, Result

from clearance.main import app
from clearance.services import Program
from clearance.settings_file import schema_of
from config.load import load
from connectors.port import Connector
from status_db.model import ROSTER, RunState, Verdict
from status_db.store.migrate import upgrade
from status_db.views import SourceView, StudentView
from sync.run.outcome import Outcome
from tests.services.five_students import NUMBERS, STUDENTS

SETTINGS = """
[institution]
name = "山海大学"

[status_db]
url = "env:STATUS_URL"

[[cohort]]
key = "2019"
name = "2019届"

[roster]
connector = "sheet"
path = "roster.csv"
every = "1 d"
levels = {{ "本科" = "undergraduate" }}
columns = {{ student = "学号", name = "姓名", level = "培养层次", college = "学院" }}

[[step]]
key = "finance"
title = "校计财处"
office = {{ name = "校计财处" }}

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{{ step = "finance" }}]

[source.fees]
step = "finance"
connector = "sql"
url = "env:OFFICE_URL"
means = "balance"
first = "apply"
every = "15 min"
{source}
"""

#: The office's question, and its columns.
ASKS = """
query = "SELECT xh, xm, qf FROM f"
columns = { student = "xh", title = "xm", amount = "qf" }
"""


class Finance:
    """The university of the cases, on one status database."""

    def __init__(self, status_url: str, folder: Path, office_url: str, source: str = ASKS) -> None:
        self.folder = folder
        self.office_url = office_url
        self.status_url = status_url
        self.file = folder / "clearance.toml"
        rows = "".join(f"{number},{name},本科,地学院\n" for number, name in STUDENTS)
        (folder / "roster.csv").write_text(f"学号,姓名,培养层次,学院\n{rows}", encoding="utf-8")
        self.says(source)
        upgrade(status_url, "marks")

    def says(self, source: str) -> None:
        """Have the source be set up with these lines."""
        self.file.write_text(SETTINGS.format(source=source), encoding="utf-8")

    def office(self, *statements: str) -> None:
        """Have the office run these statements."""
        engine = create_engine(self.office_url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                if statement.strip():
                    connection.execute(text(statement))

    def command(self, *arguments: str) -> Result:
        """Run a command of the program."""
        environ = {"STATUS_URL": self.status_url, "OFFICE_URL": self.office_url, "CLEARANCE_CONFIG": str(self.file)}
        return CliRunner().invoke(app, list(arguments), env=environ)

    def program(self, now: datetime | None = None) -> Program:
        """Return the program at work on it."""
        settings = load(self.file, schema_of, {"STATUS_URL": self.status_url, "OFFICE_URL": self.office_url})
        return Program(settings, "2019", (lambda: now)) if now is not None else Program(settings, "2019")

    def connector(self) -> Connector:
        """Return the connector of the source."""
        return self.program().connect("fees")

    def sync(self, now: datetime | None = None) -> Outcome:
        """Sync the roster, then the source."""
        program = self.program(now)
        try:
            program.sync.open_cohort()
            assert program.sync.run(ROSTER, by="test").state in (RunState.APPLIED, RunState.UNCHANGED)
            return program.sync.run("fees", by="test")
        finally:
            program.close()

    def student(self, number: str, now: datetime | None = None) -> StudentView:
        """Return a student as they are."""
        program = self.program(now)
        try:
            found = program.reader.student("2019", number, program.clock())
            assert found is not None
            return found
        finally:
            program.close()

    def verdicts(self, now: datetime | None = None) -> Sequence[Verdict]:
        """Return what counts for each of the five, in their order."""
        return [self.student(number, now).steps[0].finding.verdict for number in NUMBERS]

    def source(self) -> SourceView:
        """Return the source as people see it."""
        program = self.program()
        try:
            return next(view for view in program.reader.sources("2019") if view.source == "fees")
        finally:
            program.close()
