"""Schedules, workers and portals of many institutions, with faults at random: `python -m tests.jobs.chaos`.

Real processes on a PostgreSQL server of our own. Processes are killed, suspended and resumed; connections are ended;
the server is killed and started again. Meanwhile the offices change their rows, operators decide with the command
and on the pages of the desk, and programs request rechecks. What was acknowledged is kept in a journal outside. When
the faults are over, each source answers in each slot again. At the end the marks and findings are what the offices
have, no run is left under way, `verify` agrees, and nothing of the journal is missing. The same seed draws the same
faults, but at other moments.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tests.jobs.clerk import Clerk
from tests.jobs.promises import Promises, office_file
from tests.jobs.sizes import CLUSTER, SOURCE, Journal, Sizes
from tests.patience import PATIENCE, until
from tests.services import databases
from tests.services.databases import CarriedPostgres
from tests.services.institutions import STUDENT, Installation, Running
from tests.services.university import free_port

OPERATOR = "operator"

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

    def __init__(self, installation: Installation, sizes: Sizes, server: CarriedPostgres | None = None) -> None:
        """`server` is the one that is killed."""
        self._server = server
        self._all = installation
        self._sizes = sizes
        self._chance = random.Random(sizes.seed)
        self._keys = [f"u{number}" for number in range(1, sizes.institutions + 1)]
        self._tokens: dict[str, str] = {}
        self._clerks: dict[str, Clerk] = {}
        self._life = ExitStack()
        #: Each process with the words that start it.
        self._running: list[tuple[Running, tuple[str, ...]]] = []
        #: Port → the part of the pages that is served there.
        self._ports: dict[int, str] = {}
        self._killed: set[int] = set()
        #: When the faults ended.
        self._since: datetime | None = None
        self.journal = Journal()
        self.promises = Promises(installation, sizes, self.journal)

    def build(self) -> None:
        """Add the institutions, their accounts and tokens, and read their rosters."""
        # Several processes of a role cannot have one port for their metrics.
        process = self._all.folder / "_process.toml"
        process.write_text('connections = 40\n[log]\nformat = "json"\n', encoding="utf-8")
        for key in self._keys:
            self._all.write(key)
            numbers = range(1, self._sizes.sources + 1)
            own = "".join(SOURCE.format(number=number, every=self._sizes.every) for number in numbers)
            with self._all.file(key).open("a", encoding="utf-8") as file:
                file.write(CLUSTER + own)
            for number in numbers:
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
        counts = ((("schedule",), sizes.schedules), (("worker",), sizes.workers))
        with self._life:
            try:
                begun = [self._start(words) for words, count in counts for _ in range(count)]
                for part, count in (("pages", sizes.portals), ("desk", sizes.desks)):
                    for _ in range(count):
                        port = free_port()
                        self._ports[port] = part
                        begun.append(self._start(("serve", part, "--port", str(port))))
                self._wait_for(begun)
                for key in self._keys:
                    self._clerks[key] = clerk = Clerk(f"{key}.example.edu.cn", OPERATOR, self._desk_port)
                    clerk.sign_in(self._all.run(key, "accounts", "password", OPERATOR).split()[-1])
                yield
            finally:
                self._resume_all()
                # All at once: each has jobs to end.
                for running, _ in self._running:
                    running.process.terminate()

    def _wait_for(self, begun: Sequence[Running]) -> None:
        for running, words in [one for one in self._running if one[0] in begun]:
            if words[0] in _STARTED:
                running.wait_for(_STARTED[words[0]])
        for port in self._ports:
            until(lambda port=port: _answers(port))  # type: ignore[misc]  # mypy knows no default of a lambda
        for running in begun:
            assert running.process.poll() is None, "".join(running.lines)

    def _start(self, words: tuple[str, ...]) -> Running:
        running = self._life.enter_context(self._all.running(*words))
        self._running.append((running, words))
        return running

    def _resume_all(self) -> None:
        for running, _ in self._running:
            running.process.send_signal(signal.SIGCONT)

    def torment(self) -> None:
        """Do each thing that can happen once, then others at random, for as long as the sizes name."""
        end = time.monotonic() + self._sizes.minutes * 60
        acts: Sequence[tuple[Callable[[], None], int]] = (
            (self._kill, 3), (self._suspend, 3), (self._cut_connections, 4), (self._restart_server, 1),
            (self.decide, 4), (self.decide_on_a_page, 8), (self.recheck, 8), (self._change_some_office, 12),
        )  # fmt: skip
        doing, weights = zip(*acts, strict=True)
        # While everything works: what was acknowledged before the faults is there in any case.
        first = [*self._chance.sample(doing, len(doing)), self.recheck, self.decide, self.decide_on_a_page]
        while first or time.monotonic() < end:
            (first.pop() if first else self._chance.choices(doing, weights)[0])()
            self._start_what_ended()
            time.sleep(self._chance.uniform(0.1, 0.8))

    def heal(self) -> None:
        """End the faults, and wait until each source has answered in the slots after them, and no request waits."""
        self._resume_all()
        self._start_what_ended()
        self._since = since = datetime.now(UTC)
        deadline = time.monotonic() + 3 * PATIENCE
        while waiting := [key for key in self._keys if not self._is_healed(key, since)]:
            self._start_what_ended()
            if time.monotonic() > deadline:
                raise AssertionError(f"not healed: {waiting}\n{self._last_lines()}")
            time.sleep(0.5)

    def _is_healed(self, key: str, since: datetime) -> bool:
        with suppress(DBAPIError):
            slots = self.promises.slots(key, since)
            answered = min(map(len, slots.values()), default=0) >= self._sizes.slots
            return answered and len(slots) == self._sizes.sources and not self.promises.waiting(key)
        return False

    def faults(self) -> list[str]:
        """Return what is wrong now; an empty list is the promise. Every process has ended."""
        # One that finds no server at its start ends with a message, and whoever watches it starts it again.
        wrong = [f"a process broke: {words}" for words in self.journal.ended if "Traceback" in words]
        return wrong + [words for key in self._keys for words in self.promises.broken(key, self._since)]

    def runs(self) -> Counter[str]:
        """Return how many runs ended in each state."""
        return sum((self.promises.states(key) for key in self._keys), Counter[str]())

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
        assert self._server is not None
        self.journal.faults["server killed"] += 1
        self._server.kill()
        time.sleep(self._chance.uniform(0.1, 2.0))
        self._server.start_again()

    def decide(self) -> None:
        """Decide by the command."""
        key, note = self._chance.choice(self._keys), f"n{self._chance.randrange(10**9)}"
        verdict = self._chance.choice(("cleared", "held"))
        words = ("override", "set", STUDENT, "library", verdict, "--as", OPERATOR, "--reason", "赔书", "--note", note)
        if self._all.ended("--institution", key, *words).code == 0:
            self.journal.decided.setdefault(key, []).append(note)

    def decide_on_a_page(self) -> None:
        """Decide on a page of the desk."""
        key, note = self._chance.choice(self._keys), f"p{self._chance.randrange(10**9)}"
        with suppress(OSError, http.client.HTTPException):
            if self._clerks[key].decide(self._chance.choice(("cleared", "held")), note):
                self.journal.decided.setdefault(key, []).append(note)

    def _desk_port(self) -> int:
        return self._chance.choice([port for port, part in self._ports.items() if part == "desk"])

    def recheck(self) -> None:
        """Request a recheck, as a program does."""
        key, number = self._chance.choice(self._keys), self._chance.randrange(self._sizes.sources) + 1
        headers = {
            "Host": f"{key}.example.edu.cn", "Content-Type": "application/json",
            "Authorization": f"Bearer {self._tokens[key]}",
        }  # fmt: skip
        body = json.dumps({"student": STUDENT, "source": f"s{number}"})
        desk = http.client.HTTPConnection("127.0.0.1", self._desk_port(), timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(desk) as connection:
            connection.request("POST", "/api/v1/recheck", body, headers)
            answer = connection.getresponse()
            if answer.status == 202:
                self.journal.rechecks.setdefault(key, set()).add(json.loads(answer.read())["request"])

    def _change_some_office(self) -> None:
        self._change_office(self._chance.choice(self._keys), self._chance.randrange(self._sizes.sources) + 1)

    def _change_office(self, key: str, number: int) -> None:
        self.fill_office(key, number, [f"书{self._chance.randrange(1000)}" for _ in range(self._chance.randrange(3))])

    def fill_office(self, key: str, number: int, titles: Sequence[str]) -> None:
        """Have an office list these books as the student's."""
        with closing(sqlite3.connect(office_file(self._all, key, number), timeout=30)) as office, office:
            office.execute("CREATE TABLE IF NOT EXISTS loans (number, title)")
            office.execute("DELETE FROM loans")
            office.executemany("INSERT INTO loans VALUES (?, ?)", [(STUDENT, title) for title in dict.fromkeys(titles)])

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        engine = create_engine(self._all.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _last_lines(self) -> str:
        return "".join(line for running, _ in self._running for line in running.lines[-15:])


def run(sizes: Sizes, folder: Path) -> tuple[Journal, list[str], Mapping[str, int]]:
    """Build it, torment it, heal it; return the journal, what is wrong, and how many runs ended how."""
    with databases.carried_postgres(databases.MEMORY) as server, ExitStack() as stack:
        server.accept(_CONNECTIONS)
        url = stack.enter_context(databases.fresh_database(server.url))
        chaos = Chaos(Installation(folder, url.render_as_string(hide_password=False)), sizes, server)
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
    rechecks = sum(map(len, journal.rechecks.values()))
    kinds = Counter(note[0] for notes in journal.decided.values() for note in notes)
    lines = (
        "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(journal.faults.items())),
        "runs: " + ", ".join(f"{state} {count}" for state, count in sorted(states.items())),
        f"ended by themselves: {len(journal.ended)}",
        f"acknowledged: {kinds['n']} decisions by the command, {kinds['p']} on pages, {rechecks} rechecks",
        *(wrong or ["every promise kept"]),
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
