"""A small university for the command: two databases, an API, a list in CSV; synced once, then put back.

Everything it needs is in one folder; its settings are a text that a test may change, and its offices say what a test
has them say.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.services import in_process
from tests.services.one_answer import Answer, answering_anew

#: Owes a book and a fee; owes nothing; is in the postgraduates' flow.
OWES, CLEAR, THIRD = "2015001", "2015002", "2016003"

SETTINGS = """
[institution]
name = "山海大学"
contact = "学生处"

[status_db]
url = "env:STATUS_URL:-sqlite:///status.db"
ledger_key_file = "ledger.key"

[[cohort]]
key = "2019"
name = "2019届"

[roster]
connector = "sql"
url = "sqlite:///roster.db"
query = "SELECT * FROM roster"
every = "1 d"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院", class = "班级", card = "卡号" }
levels = { "本科" = "undergraduate" }
aliases = ["card"]

[[step]]
key = "library"
title = "图书馆"
reasons = ["赔书", "数据有误"]
office = { name = "图书馆", places = { "*" = { where = "总馆" } } }

[[step]]
key = "finance"
title = "计财处"
reasons = ["缓交批准"]
office = { name = "计财处" }

[[step]]
key = "final_review"
title = "终审"
office = { name = "学院" }

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "library" }, { step = "finance" }, { step = "final_review", kind = "review" }]

[source.loans]
step = "library"
connector = "rest"
url = "env:LOANS_URL"
records = "rows"
total = "total"
means = "items"
obligation = "loan"
first = "apply"
every = "1 h"
columns = { student = "reader", title = "title", due = "due", reference = "barcode" }

[source.fines]
step = "library"
connector = "sql"
url = "env:FINES_URL:-sqlite:///fines.db"
query = "SELECT reader, amount, title FROM fines"
means = "balance"
obligation = "fine"
first = "apply"
every = "1 h"
columns = { student = "reader", amount = "amount", title = "title" }

[source.fees]
step = "finance"
connector = "sheet"
path = "fees.csv"
means = "balance"
obligation = "fee"
first = "apply"
every = "1 h"
columns = { student = "学号", amount = "欠费", title = "项目" }
"""

Row = Mapping[str, Any]

_ROSTER: tuple[tuple[str, ...], ...] = (
    (OWES, "张一", "本科", "文学院", "15001", "A1"),
    (CLEAR, "李二", "本科", "文学院", "15001", "A2"),
    (THIRD, "王三", "本科", "理学院", "15002", "A3"),
)
_LOANS: tuple[Row, ...] = ({"reader": OWES, "title": "构造地质学", "due": "2019-05-24", "barcode": "B1"},)
_FINES: tuple[tuple[str | None, ...], ...] = ((OWES, "2.3", "逾期滞纳金"),)
_FEES: tuple[tuple[str, ...], ...] = (("学号", "欠费", "项目"), (OWES, "4500", "学费"))

#: What is written again for each test: databases, key.
_KEPT = ("status.db", "status-desk.db", "ledger.key", "desk.key")


class Small:
    """One of them, in a folder."""

    def __init__(self, folder: Path, loans: Answer, status_url: str = "") -> None:
        self.folder = folder
        self.file = folder / "clearance.toml"
        self._loans = loans
        self.environ = {"LOANS_URL": loans.address, "PATH": "/usr/bin:/bin", "HOME": str(folder), "USER": "tester"}
        self.environ |= {"STATUS_URL": status_url} if status_url else {}
        self._kept: dict[str, bytes] = {}
        self.put_back()
        self.run("db", "upgrade")
        self.run("sync")
        self.run("accounts", "add", "librarian", "--name", "图书馆", "--grant", "decide:library", "--grant", "read")
        self.run("accounts", "add", "dean", "--name", "院长", "--grant", "review", "--grant", "issue")
        self._kept = {name: (folder / name).read_bytes() for name in _KEPT if (folder / name).exists()}

    def put_back(self) -> None:
        """Have everything be as it was built."""
        self.file.write_text(SETTINGS, encoding="utf-8")
        self.roster(_ROSTER)
        self.loans(_LOANS)
        self.fines(_FINES)
        self.fees(_FEES)
        for name, held in self._kept.items():
            for tail in ("-wal", "-shm"):
                (self.folder / f"{name}{tail}").unlink(missing_ok=True)
            (self.folder / name).write_bytes(held)

    def change(self, old: str, new: str) -> None:
        """Change the settings file."""
        text = self.file.read_text(encoding="utf-8")
        assert old in text, old
        self.file.write_text(text.replace(old, new), encoding="utf-8")

    def roster(self, rows: Sequence[Sequence[Any]]) -> None:
        """Have the registrar's database hold these: number, name, level, college, class, card."""
        _table(self.folder / "roster.db", "roster", ("学号", "姓名", "层次", "学院", "班级", "卡号"), rows)

    def fees(self, rows: Sequence[Sequence[str]]) -> None:
        """Have the finance office list these."""
        _list(self.folder / "fees.csv", rows)

    def loans(self, rows: Sequence[Row]) -> None:
        """Have the library's API say these."""
        self.loans_text(json.dumps({"total": len(rows), "rows": list(rows)}))

    def loans_text(self, text: str) -> None:
        """Have the library's API say this, as it is."""
        self._loans.body = text.encode("utf-8", "surrogatepass")

    def fines(self, rows: Sequence[Sequence[Any]]) -> None:
        """Have the library's database hold these."""
        _table(self.folder / "fines.db", "fines", ("reader", "amount", "title"), rows)

    def ended(self, *arguments: str, encoding: str = "utf-8", stdin: str = "", **environ: str) -> in_process.Ended:
        """Run the command in this process."""
        words = ["--config", str(self.file), *arguments]
        return in_process.command(words, {**self.environ, **environ}, stdin, encoding)

    def run(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run it, expect its exit code, and return what it printed on both outputs."""
        ended = self.ended(*arguments, **environ)
        assert ended.code == code, f"{arguments} ended with {ended.code}\n{ended.out}\n{ended.err}"
        return ended.out + ended.err

    def json(self, *arguments: str) -> Any:
        """Run it with --json, and return what it printed."""
        ended = self.ended(*arguments, "--json")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)


def _table(file: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write an SQLite file with one table."""
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"DROP TABLE IF EXISTS {name}")
        database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows)


def _list(file: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write a CSV, each cell in quotes."""
    lines = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    file.write_bytes("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogatepass"))


@contextmanager
def small(folder: Path, status_url: str = "") -> Iterator[Small]:
    """Build one, its API open; its marks are in its folder, or where `status_url` points."""
    with answering_anew("application/json") as loans:
        yield Small(folder, loans, status_url)
