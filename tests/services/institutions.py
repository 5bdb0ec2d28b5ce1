"""Several institutions on one installation: a folder, a schema each in one PostgreSQL database, and real processes."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE, until
from tests.services import in_process
from tests.services.university import ROOT, free_port

#: The same student number at every institution, with another name.
STUDENT = "2015001"

SETTINGS = """
[institution]
name = "{name}"

[status_db]
url = "file:status-url"
postgres_schema = "{schema}"

[portal]
public_url = "http://{host}"
proxies = ["127.0.0.1"]

[auth]
second_factor = "off"

[[cohort]]
key = "2019"
name = "2019届"

[roster]
connector = "sql"
url = "sqlite:///roster.db"
query = "SELECT * FROM roster"
every = "1 d"
columns = {{ student = "number", name = "name", level = "level", college = "college", class = "class" }}
levels = {{ "本科" = "undergraduate" }}

[[step]]
key = "library"
title = "图书馆"
reasons = ["赔书"]
office = {{ name = "图书馆" }}

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{{ step = "library" }}]

[source.loans]
step = "library"
connector = "sql"
url = "sqlite:///library.db"
query = "SELECT number, title FROM loans"
means = "items"
obligation = "loan"
first = "apply"
every = "1 d"
columns = {{ student = "number", title = "title" }}
"""


class Installation:
    """A folder of institutions, and the processes that serve them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.port, self.metrics_port = free_port(), free_port()
        self.environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "USER": "tester", "LANGUAGE": "en"}
        folder.mkdir(exist_ok=True)
        (folder / "_process.toml").write_text(
            f"connections = 40\n[portal]\nport = {self.port}\n[metrics]\nport = {self.metrics_port}\n[log]\n"
            'format = "json"\n',
            encoding="utf-8",
        )

    def file(self, key: str) -> Path:
        """Return the settings file of an institution."""
        return self.folder / f"{key}.toml"

    def write(self, key: str, name: str = "", **changed: str) -> None:
        """Write the settings of an institution, and the databases of its offices: its student owes one book."""
        values = {"name": name or f"{key} 大学", "schema": key.replace("-", "_"), "host": f"{key}.example.edu.cn"}
        self.file(key).write_text(SETTINGS.format(**(values | changed)), encoding="utf-8")
        own = self.folder / key
        own.mkdir(exist_ok=True)
        # A running process gets no new variable, but reads a new file.
        (own / "status-url").write_text(self.url)
        _table(
            own / "roster.db",
            "roster",
            "number, name, level, college, class",
            [(STUDENT, f"{key}学生", "本科", "文", "1")],
        )
        _table(own / "library.db", "loans", "number, title", [(STUDENT, f"{key}的书")])

    def change(self, key: str, old: str, new: str) -> None:
        """Change the settings of an institution."""
        text = self.file(key).read_text(encoding="utf-8")
        assert old in text, old
        self.file(key).write_text(text.replace(old, new), encoding="utf-8")

    def ended(self, *words: str) -> in_process.Ended:
        """Run the command for the folder, in this process."""
        return in_process.command(["--institutions", str(self.folder), *words], self.environ)

    def run(self, key: str, *words: str, code: int = 0) -> str:
        """Run the command for one institution, expect its exit code, and return what it printed."""
        ended = self.ended(*(["--institution", key] if key else []), *words)
        assert ended.code == code, f"{words} ended with {ended.code}\n{ended.out}\n{ended.err}"
        return ended.out + ended.err

    def add(self, key: str, **changed: str) -> str:
        """Add an institution by its file and the command."""
        self.write(key, **changed)
        return self.run("", "institutions", "add", key)

    @contextmanager
    def running(self, *words: str) -> Iterator["Running"]:
        """Run a command that serves, until this ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "clearance", "--institutions", str(self.folder), *words],
            env=self.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        made = Running(process)
        try:
            yield made
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE)
            made.reading.join(PATIENCE)

    def ask(
        self, host: str, path: str = "/", *, cookie: str = "", token: str = "", body: str | None = None
    ) -> tuple[int, str, dict[str, str]]:
        """Request a page of a host from the portal; return its status, text and headers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            headers = {"Host": host, "Origin": f"http://{host}"}
            headers |= {"Cookie": cookie} if cookie else {}
            headers |= {"Authorization": f"Bearer {token}"} if token else {}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}

    def status(self, host: str, path: str = "/sign-in") -> int:
        """Return the status of a page; 0 while nothing listens."""
        with suppress(OSError, http.client.HTTPException):
            return self.ask(host, path)[0]
        return 0

    def metrics(self, path: str = "/metrics", above: int = 0) -> str:
        """Read from the port of the metrics; empty while nothing listens."""
        with (
            suppress(OSError),
            closing(http.client.HTTPConnection("127.0.0.1", self.metrics_port + above)) as connection,
        ):
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        return ""


class Running:
    """A process that serves, with the lines of its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as out:
            self.lines.extend(iter(out.readline, ""))

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of an event."""
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def wait_for(self, event: str, institution: str = "", times: int = 1) -> dict[str, Any]:
        """Wait for an event about an institution; return the last."""

        def seen() -> list[dict[str, Any]]:
            return [one for one in self.events(event) if not institution or one.get("institution") == institution]

        until(lambda: len(seen()) >= times or self.process.poll() is not None)
        assert len(seen()) >= times, "".join(self.lines)
        return seen()[-1]

    def _workers(self) -> set[str]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(children.read_text().split())

    def hang_up(self) -> None:
        """Have it read the folder again; wait until workers from before have ended."""
        before = self._workers()
        os.kill(self.process.pid, signal.SIGHUP)
        until(lambda: not before & self._workers())


def _table(file: Path, name: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"DROP TABLE IF EXISTS {name}")
        database.execute(f"CREATE TABLE {name} ({columns})")
        marks = ", ".join("?" * len(rows[0]))
        database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
