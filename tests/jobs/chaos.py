"""Schedules, workers and portals of many institutions, with faults at random: `python -m tests.jobs.chaos`.

Real processes on a PostgreSQL server of our own. Processes are killed, suspended and resumed; connections are ended;
the server is killed and started again. Meanwhile the offices change their rows, operators decide with the command, and
programs request rechecks. What was acknowledged is kept in a journal outside. When the faults are over, each source
answers in each slot again. At the end the marks and findings are what the offices have, no run is left under way,
`verify` agrees, and nothing of the journal is missing. The same seed draws the same faults, but at other moments.
"""

import argparse
import http.client
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests.patience import PATIENCE, until
from tests.services import databases
from tests.services.databases import CarriedPostgres
from tests.services.institutions import STUDENT, Installation, Running
from tests.services.university import free_port

OPERATOR = "operator"

_CLUSTER = """
[cluster]
enabled = true
dead_after = "6 s"
queue_schema = "clearance_queue"
[schedule]
stop_within = "10 s"
"""

_SOURCE = """
[source.s{number}]
step = "library"
connector = "sql"
url = "sqlite:///library{number}.db"
query = "SELECT number, title FROM loans"
means = "items"
obligation = "loan"
first = "apply"
every = "1 min"
columns = {{ student = "number", title = "title", reference = "title" }}
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much runs, and for how long."""

    institutions: int = 20
    sources: int = 5
    schedules: int = 3
    workers: int = 4
    portals: int = 2
    desks: int = 2
    minutes: float = 10.0
    seed: int = 1


@dataclass(slots=True)
class Journal:
    """What was acknowledged, kept outside of the installation."""

    #: Institution → the notes of its decisions.
    decided: dict[str, list[str]] = field(default_factory=dict)
    #: Institution → the numbers of the rechecks that were accepted.
    rechecks: dict[str, set[int]] = field(default_factory=dict)
    #: Processes that ended and were not killed, with their last lines.
    ended: list[str] = field(default_factory=list)
    #: What was done to it.
    faults: Counter[str] = field(default_factory=Counter)


#: What PostgreSQL must accept: each schedule listens, and hands out jobs, for each institution.
_CONNECTIONS = 800

#: Command → the event of its log when it works.
_STARTED = {"schedule": "schedule started", "worker": "worker started"}


def _answers(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException), closing(http.client.HTTPConnection("127.0.0.1", port)) as page:
        page.request("GET", "/livez")
        return page.getresponse().status == 200
    return False


class Chaos:
    """The installation and its processes."""

    def __init__(self, server: CarriedPostgres, installation: Installation, sizes: Sizes) -> None:
        self._server = server
        self._all = installation
        self._sizes = sizes
        self._chance = random.Random(sizes.seed)
        self._keys = [f"u{number}" for number in range(1, sizes.institutions + 1)]
        self._tokens: dict[str, str] = {}
        self._life = ExitStack()
        #: Each process with the words that start it.
        self._running: list[tuple[Running, tuple[str, ...]]] = []
        #: Port → the part of the pages that is served there.
        self._ports: dict[int, str] = {}
        self._killed: set[int] = set()
        #: Institution → source → its slots after the faults.
        self._healed: dict[str, dict[str, list[datetime]]] = {}
        self.journal = Journal()

    def build(self) -> None:
        """Add the institutions, their accounts and tokens, and read their rosters."""
        # Several processes of a role cannot have one port for their metrics.
        process = self._all.folder / "_process.toml"
        process.write_text('connections = 40\n[log]\nformat = "json"\n', encoding="utf-8")
        for key in self._keys:
            self._all.write(key)
            own = "".join(_SOURCE.format(number=number) for number in range(1, self._sizes.sources + 1))
            with self._all.file(key).open("a", encoding="utf-8") as file:
                file.write(_CLUSTER + own)
            for number in range(1, self._sizes.sources + 1):
                self._change_office(key, number)
            with closing(sqlite3.connect(self._all.folder / key / "library.db")) as library, library:
                library.execute("DELETE FROM loans")
            self._all.run("", "institutions", "add", key)
            self._all.run(key, "db", "upgrade")
            self._all.run(key, "sync", "roster")
            grants = ("--grant", "read", "--grant", "decide:library", "--grant", "manage")
            self._all.run(key, "accounts", "add", OPERATOR, "--name", "办理员", *grants)
            made = self._all.run(key, "tokens", "create", "bursar", "--as", OPERATOR, "--recheck", "*")
            self._tokens[key] = max(made.split(), key=len)

    @contextmanager
    def processes(self) -> Iterator[None]:
        """Start everything, and wait until it works; end everything."""
        sizes = self._sizes
        with self._life:
            try:
                for words, count in ((("schedule",), sizes.schedules), (("worker",), sizes.workers)):
                    for _ in range(count):
                        self._start(words).wait_for(_STARTED[words[0]])
                for part, count in (("pages", sizes.portals), ("desk", sizes.desks)):
                    for _ in range(count):
                        port = free_port()
                        self._ports[port] = part
                        running = self._start(("serve", part, "--port", str(port)))
                        until(lambda port=port: _answers(port))  # type: ignore[misc]  # mypy knows no default of a lambda
                        assert running.process.poll() is None, "".join(running.lines)
                yield
            finally:
                self._resume_all()

    def _start(self, words: tuple[str, ...]) -> Running:
        running = self._life.enter_context(self._all.running(*words))
        self._running.append((running, words))
        return running

    def _resume_all(self) -> None:
        for running, _ in self._running:
            running.process.send_signal(signal.SIGCONT)

    def torment(self) -> None:
        """Do what can happen, at random, for as long as the sizes name."""
        end = time.monotonic() + self._sizes.minutes * 60
        acts: Sequence[tuple[Callable[[], None], int]] = (
            (self._kill, 3), (self._suspend, 3), (self._cut_connections, 4), (self._restart_server, 1),
            (self._decide, 8), (self._recheck, 8), (self._change_some_office, 12),
        )  # fmt: skip
        doing, weights = zip(*acts, strict=True)
        while time.monotonic() < end:
            self._chance.choices(doing, weights)[0]()
            self._start_what_ended()
            time.sleep(self._chance.uniform(0.1, 0.8))

    def heal(self) -> None:
        """End the faults, and wait until each source has answered in two slots after them, and no request waits."""
        self._resume_all()
        self._start_what_ended()
        since = datetime.now(UTC)
        deadline = time.monotonic() + PATIENCE
        while waiting := [key for key in self._keys if not self._is_healed(key, since)]:
            self._start_what_ended()
            if time.monotonic() > deadline:
                raise AssertionError(f"not healed: {waiting}\n{self._last_lines()}")
            time.sleep(0.5)

    def _is_healed(self, key: str, since: datetime) -> bool:
        slots = self._slots(key, since)
        waiting = self._ask(key, "SELECT count(*) FROM {schema}.request WHERE served_at IS NULL")
        return waiting == [(0,)] and len(slots) == self._sizes.sources and min(map(len, slots.values())) >= 2

    def _slots(self, key: str, since: datetime) -> dict[str, list[datetime]]:
        """Return the slots after a time with an answer, by source."""
        found: dict[str, list[datetime]] = {}
        query = (
            "SELECT source, slot FROM {schema}.run WHERE slot > :at AND source LIKE 's_' "
            "AND state IN ('applied', 'unchanged') ORDER BY slot"
        )
        for source, slot in self._ask(key, query, at=since):
            found.setdefault(source, []).append(slot)
        self._healed[key] = found
        return found

    def faults(self) -> list[str]:
        """Return what is wrong now; an empty list is the promise. Every process has ended."""
        # One that finds no server at its start ends with a message, and whoever watches it starts it again.
        wrong = [f"a process broke: {words}" for words in self.journal.ended if "Traceback" in words]
        for key in self._keys:
            for source, slots in self._healed[key].items():
                missing = [a for a, b in pairwise(slots) if b - a != timedelta(minutes=1)]
                wrong += [f"{key}: {source} left out the slot after {slot}" for slot in missing]
            wrong += self._compare_marks(key)
            under_way = self._ask(key, "SELECT run, source FROM {schema}.run WHERE state = 'running'")
            wrong += [f"{key}: run {run} of {source} is under way for ever" for run, source in under_way]
            noted = {one["note"] for one in json.loads(self._all.run(key, "override", "list", STUDENT, "--json"))}
            lost = [note for note in self.journal.decided.get(key, []) if note not in noted]
            wrong += [f"{key}: lost the decision {note}" for note in lost]
            query = "SELECT request FROM {schema}.request WHERE served_at IS NOT NULL"
            served = {number for (number,) in self._ask(key, query)}
            wrong += [f"{key}: lost the recheck {one}" for one in self.journal.rechecks.get(key, set()) - served]
            ended = self._all.ended("--institution", key, "verify")
            wrong += [f"{key}: {ended.out}{ended.err}"] if ended.code else []
        return wrong

    def runs(self) -> Counter[str]:
        """Return how many runs ended in each state."""
        states: Counter[str] = Counter()
        for key in self._keys:
            states.update(dict(self._ask(key, "SELECT state, count(*) FROM {schema}.run GROUP BY state")))
        return states

    def _compare_marks(self, key: str) -> Iterator[str]:
        owes = False
        for number in range(1, self._sizes.sources + 1):
            with closing(sqlite3.connect(self._office(key, number))) as office:
                has = {title for (title,) in office.execute("SELECT title FROM loans")}
            stored = self._ask(key, "SELECT obligations FROM {schema}.record WHERE source = :s", s=f"s{number}")
            shown = {title for (value,) in stored for _, title, *_ in json.loads(value or "[]")}
            owes = owes or bool(has)
            if shown != has:
                yield f"{key}: s{number} has {sorted(has)}, and the marks {sorted(shown)}"
        found = self._ask(key, "SELECT verdict FROM {schema}.status WHERE step = 'library'")
        if found != [("held" if owes else "cleared",)]:
            yield f"{key}: the finding is {found}, and the student {'owes' if owes else 'owes nothing'}"

    # What can happen.

    def _kill(self) -> None:
        running, words = self._chance.choice(self._running)
        self.journal.faults[f"killed {words[0]}"] += 1
        pid = running.process.pid
        self._killed.add(pid)
        # As a crash of the machine: the pages' own children die with it.
        with suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
                os.kill(int(child), signal.SIGKILL)
        running.process.kill()

    def _suspend(self) -> None:
        running, words = self._chance.choice(self._running)
        if running.process.poll() is None:
            self.journal.faults[f"suspended {words[0]}"] += 1
            running.process.send_signal(signal.SIGSTOP)
            # Not by this thread: it may wait for what the suspended process holds.
            resume = threading.Timer(self._chance.uniform(0.5, 9.0), running.process.send_signal, [signal.SIGCONT])
            resume.daemon = True
            resume.start()

    def _start_what_ended(self) -> None:
        for running, words in list(self._running):
            if running.process.poll() is not None:
                if running.process.pid not in self._killed:
                    self.journal.ended.append(f"{words[0]}: {''.join(running.lines[-40:])}")
                self._running.remove((running, words))
                self._start(words)

    def _cut_connections(self) -> None:
        share = self._chance.uniform(0.05, 0.5)
        with suppress(DBAPIError), self._connected() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < :share"
                ),
                {"share": share},
            )
            self.journal.faults["connections cut"] += 1

    def _restart_server(self) -> None:
        self.journal.faults["server killed"] += 1
        self._server.kill()
        time.sleep(self._chance.uniform(0.1, 2.0))
        self._server.start_again()

    def _decide(self) -> None:
        key, note = self._chance.choice(self._keys), f"n{self._chance.randrange(10**9)}"
        verdict = self._chance.choice(("cleared", "held"))
        words = ("override", "set", STUDENT, "library", verdict, "--as", OPERATOR, "--reason", "赔书", "--note", note)
        if self._all.ended("--institution", key, *words).code == 0:
            self.journal.decided.setdefault(key, []).append(note)

    def _recheck(self) -> None:
        key, number = self._chance.choice(self._keys), self._chance.randrange(self._sizes.sources) + 1
        headers = {
            "Host": f"{key}.example.edu.cn", "Content-Type": "application/json",
            "Authorization": f"Bearer {self._tokens[key]}",
        }  # fmt: skip
        body = json.dumps({"student": STUDENT, "source": f"s{number}"})
        with suppress(OSError, http.client.HTTPException):
            address = ("127.0.0.1", self._chance.choice([port for port, part in self._ports.items() if part == "desk"]))
            with closing(http.client.HTTPConnection(*address, timeout=5)) as connection:
                connection.request("POST", "/api/v1/recheck", body, headers)
                answer = connection.getresponse()
                if answer.status == 202:
                    self.journal.rechecks.setdefault(key, set()).add(json.loads(answer.read())["request"])

    def _change_some_office(self) -> None:
        self._change_office(self._chance.choice(self._keys), self._chance.randrange(self._sizes.sources) + 1)

    def _change_office(self, key: str, number: int) -> None:
        titles = [f"书{self._chance.randrange(1000)}" for _ in range(self._chance.randrange(3))]
        with closing(sqlite3.connect(self._office(key, number), timeout=30)) as office, office:
            office.execute("CREATE TABLE IF NOT EXISTS loans (number, title)")
            office.execute("DELETE FROM loans")
            office.executemany("INSERT INTO loans VALUES (?, ?)", [(STUDENT, title) for title in dict.fromkeys(titles)])

    def _office(self, key: str, number: int) -> Path:
        return self._all.folder / key / f"library{number}.db"

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        engine = create_engine(self._all.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _ask(self, key: str, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none while the server does not respond."""
        with suppress(DBAPIError), self._connected() as connection:
            return [tuple(row) for row in connection.execute(text(query.format(schema=key)), values)]
        return []

    def _last_lines(self) -> str:
        return "".join(line for running, _ in self._running for line in running.lines[-15:])


def run(sizes: Sizes, folder: Path) -> tuple[Journal, list[str], Mapping[str, int]]:
    """Build it, torment it, heal it; return the journal, what is wrong, and how many runs ended how."""
    with databases.carried_postgres(databases.MEMORY) as server, ExitStack() as stack:
        server.accept(_CONNECTIONS)
        url = stack.enter_context(databases.fresh_database(server.url))
        chaos = Chaos(server, Installation(folder, url.render_as_string(hide_password=False)), sizes)
        chaos.build()
        with chaos.processes():
            chaos.torment()
            chaos.heal()
        return chaos.journal, chaos.faults(), chaos.runs()


def main() -> int:
    """Run it by the command line's sizes, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in ((n, getattr(Sizes(), n)) for n in Sizes.__dataclass_fields__):
        parser.add_argument(f"--{name}", type=type(value), default=value)
    sizes = Sizes(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        journal, wrong, states = run(sizes, Path(folder) / "institutions")
    decided, rechecks = (sum(map(len, kept.values())) for kept in (journal.decided, journal.rechecks))
    lines = (
        "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(journal.faults.items())),
        "runs: " + ", ".join(f"{state} {count}" for state, count in sorted(states.items())),
        f"ended by themselves: {len(journal.ended)}",
        f"acknowledged: {decided} decisions, {rechecks} rechecks",
        *(wrong or ["every promise kept"]),
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
