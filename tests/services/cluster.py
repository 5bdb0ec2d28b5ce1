"""A small university whose schedule and workers are processes of their own, on one PostgreSQL.

Its offices are one web server on loopback; a test can have it hold its answers back.
"""

import json
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from status_db.desk.store import DeskStore
from status_db.inbox.requests import Requests
from status_db.store.engine import open_writing
from tests.patience import PATIENCE, until
from tests.services.university import COMMAND

STUDENTS = ("2015001", "2015002", "2015003")

_HEAD = """
[institution]
name = "山海大学"
[log]
format = "json"
level = "debug"
[status_db]
url = "env:STATUS_URL"
ledger_key_file = "ledger.key"
[cluster]
enabled = true
dead_after = "3 s"
[schedule]
stop_within = "20 s"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "sql"
url = "sqlite:///roster.db"
query = "SELECT * FROM roster"
every = "1 d"
columns = { student = "no", name = "name", level = "level", college = "college", class = "class" }
levels = { "u" = "undergraduate" }
[[step]]
key = "library"
title = "图书馆"
office = { name = "图书馆" }
[[step]]
key = "final_review"
title = "终审"
office = { name = "学院" }
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "library" }, { step = "final_review", kind = "review" }]
"""

_SOURCE = """
[source.{name}]
step = "library"
connector = "rest"
url = "{root}/{name}"
records = "rows"
total = "total"
means = "items"
obligation = "loan"
first = "apply"
every = "1 d"
columns = {{ student = "reader", title = "title", reference = "barcode" }}
"""


class HeldOffices:
    """A web server: `/NAME` answers with the rows of that source, once it is let go."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, str]]] = {}
        #: The seconds that each answer takes.
        self.answers_in = 0.0
        #: The names that were asked, in order.
        self.asked: list[str] = []
        self._came = threading.Condition()
        self._holding: dict[str, threading.Event] = {}
        offices = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.partition("?")[0].strip("/")
                with offices._came:
                    offices.asked.append(name)
                    held = offices._holding.get(name)
                    offices._came.notify_all()
                if held is not None:
                    held.wait(PATIENCE)
                if offices.answers_in:
                    threading.Event().wait(offices.answers_in)
                rows = offices.rows.get(name, [{"reader": STUDENTS[0], "title": "构造地质学", "barcode": f"{name}-1"}])
                body = json.dumps({"total": len(rows), "rows": rows}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for event in self._holding.values():
            event.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def root(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self, *names: str) -> None:
        """Hold the answers of these back, from the next request on."""
        for name in names:
            self._holding[name] = threading.Event()

    def let_go(self, *names: str) -> None:
        """Give the answers that are held back, and every later one at once."""
        for name in names:
            self._holding.pop(name).set()

    def wait_for(self, found: Callable[[list[str]], bool]) -> None:
        """Wait until the names that were asked are as wanted."""
        with self._came:
            assert self._came.wait_for(lambda: found(self.asked), PATIENCE), self.asked


class ClusterProcess:
    """A schedule or a worker, and its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._came = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._came:
                self.text.append(line)
                self.lines.append(json.loads(line) if line.startswith("{") else {"event": line})
                self._came.notify_all()
        with self._came:
            self._came.notify_all()

    def until(self, event: str, **values: object) -> dict[str, Any]:
        """Wait for a line of the log with these values, and return it."""

        def found() -> dict[str, Any] | None:
            for line in self.lines:
                if line.get("event") == event and all(line.get(key) == value for key, value in values.items()):
                    return line
            return None

        with self._came:
            self._came.wait_for(lambda: found() or not self._reader.is_alive(), PATIENCE)
            line = found()
            assert line is not None, f"no {event} {values}: {''.join(self.text[-40:])}"
            return line

    def count(self, event: str) -> int:
        """Return how many lines of the log are about this."""
        with self._came:
            return sum(line.get("event") == event for line in self.lines)

    def close(self) -> None:
        """Read the log to its end, and close it."""
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(what)

    def end(self, what: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit code."""
        self.process.send_signal(what)
        return self.process.wait(PATIENCE)


class Cluster:
    """Its settings and its databases."""

    def __init__(self, folder: Path, url: str, offices: HeldOffices, sources: Sequence[str]) -> None:
        self.folder = folder
        self.url = url
        self.offices = offices
        self.sources = sources
        self.file = folder / "clearance.toml"
        self.file.write_text(
            _HEAD + "".join(_SOURCE.format(name=name, root=offices.root) for name in sources), encoding="utf-8"
        )
        with closing(sqlite3.connect(folder / "roster.db")) as database, database:
            database.execute("CREATE TABLE roster (no, name, level, college, class)")
            database.executemany(
                "INSERT INTO roster VALUES (?, ?, 'u', '文学院', '1')", [(number, f"张{number}") for number in STUDENTS]
            )
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE")} | {
            "STATUS_URL": url, "PYTHONUTF8": "1",
        }  # fmt: skip
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        self._processes: list[ClusterProcess] = []

    def command(self, *words: str, code: int = 0, **environ: str) -> str:
        """Run a command to its end, and return what it printed."""
        ended = subprocess.run(
            [COMMAND, "--config", self.file, *words],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        assert ended.returncode == code, f"{words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr

    def start(self, *words: str, **environ: str) -> ClusterProcess:
        """Start a process."""
        process = ClusterProcess(
            subprocess.Popen(
                [COMMAND, "--config", self.file, *words],
                env={**self.environ, **environ},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        )
        self._processes.append(process)
        return process

    def worker(self, *words: str, **environ: str) -> ClusterProcess:
        """Start a worker, and wait until it takes jobs."""
        process = self.start("worker", *words, **environ)
        process.until("worker started")
        return process

    def schedule(self, **environ: str) -> ClusterProcess:
        """Start a schedule, and wait until it has handed out what was due."""
        process = self.start("schedule", **environ)
        process.until("listening for requests")
        return process

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def tell(self, statement: str, **values: object) -> None:
        """Carry out a statement."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    @contextmanager
    def requests(self) -> Iterator[Requests]:
        """Give the requests as the desk writes them, sealed."""
        engine = open_writing(self.url)
        try:
            yield Requests(DeskStore(engine, self.folder / "ledger.key"))
        finally:
            engine.dispose()

    def runs(self, source: str) -> list[str]:
        """Return the states of a source's runs, the oldest first."""
        return [state for (state,) in self.ask("SELECT state FROM run WHERE source = :s ORDER BY run", s=source)]

    def until_runs(self, source: str, *states: str) -> None:
        """Wait until a source's runs have these states."""
        until(lambda: self.runs(source) == list(states))

    def end(self) -> None:
        """End every process."""
        for each in self._processes:
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
                each.process.kill()
            each.process.wait(PATIENCE)
            each.close()


@contextmanager
def cluster(folder: Path, url: str, sources: Sequence[str] = ("s1", "s2", "s3", "s4")) -> Iterator[Cluster]:
    """Build one: its tables made, its roster read, its sources not asked yet."""
    with HeldOffices() as offices:
        made = Cluster(folder, url, offices, sources)
        try:
            made.command("db", "upgrade")
            made.command("sync", "roster")
            yield made
        finally:
            made.end()
            made.engine.dispose()


def skip_unless_installed() -> None:
    """Skip where the extra is not installed."""
    pytest.importorskip("procrastinate")
