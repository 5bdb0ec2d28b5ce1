"""The speed of a student's page under hostile and heavy load: `python -m benchmarks.load`.

The real server on loopback, with 20,000 students. One client requests a student's page repeatedly. Its rate is
compared with the rate without load, while 1,200 connections each send one byte of a form, 50 people export all
students, and 200 sign in at once. A probe on the server's event loop measures how late the loop is. Compare the ratios:
the clients share the machine's cores with the server. `by loop` ignores other work of the machine: it counts pages for
each second that the loop's thread computes. The fastest of several rounds counts.
"""

import argparse
import asyncio
import http.client
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.pages import fill, places
from clearance import web
from clearance.settings_file import CONFIG_VARIABLE, load_settings
from config.tables.limits import PortalLimits
from portal.auth.passwords import hash_password
from portal.auth.sessions import form_token, hash_of, new_token
from portal.server import serve
from status_db.accounts.accounts import Accounts, Act, Grant
from status_db.desk.address import desk_url
from status_db.desk.store import DeskStore
from status_db.store.engine import open_writing
from status_db.store.migrate import upgrade
from tests.services.university import free_port
from tests.world import SETTINGS

SLOW, EXPORTS, SIGN_INS = 1_200, 50, 200

#: A refused client retries after this many seconds, sooner than the answer asks for.
AGAIN = 5.0

STUDENT, PASSWORD = "20150000001", "a-long-enough-word"

#: The probe sleeps this long, in seconds, and measures how late it wakes.
_NAP = 0.005


#: Added to the `nice` value of the clients that are the load.
_NICE = 15


class Lag:
    """The largest delay of the event loop since the last reading."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._task: asyncio.Task[None] | None = None

    async def answer(self, _request: Request) -> PlainTextResponse:
        """Return the delay and the loop thread's computing time, in seconds, and reset the delay."""
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        worst, self._worst = self._worst, 0.0
        return PlainTextResponse(f"{worst} {time.thread_time()}")

    async def _watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(_NAP)
            self._worst = max(self._worst, time.monotonic() - began - _NAP)


def application() -> Starlette:
    """Return the pages and the desk as `clearance serve` has them, and the probe."""
    app = web.both()
    assert isinstance(app, Starlette)
    app.router.routes.append(Route("/loop-lag", Lag().answer))
    return app


@dataclass(frozen=True, slots=True)
class Site:
    """The process and address of the pages, and the tokens of signed-in people."""

    pid: int
    port: int
    student: str
    deans: tuple[str, ...]

    def ask(self, path: str, token: str = "", form: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Request a page on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with closing(connection):
            headers = {"Cookie": f"clearance={token}"} if token else {}
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form) if form is not None else None
            connection.request("GET" if form is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


def send_one_byte_each(site: Site, begun: Event, over: Event) -> None:
    """Open the connections, send one byte of a form on each, and keep them open. A refused one retries later."""
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\n\r\nx"

    def opened() -> socket.socket:
        made = socket.create_connection(("127.0.0.1", site.port))
        made.sendall(head)
        made.settimeout(0)
        return made

    held, again = [opened() for _ in range(SLOW)], list[float]()
    begun.set()
    while not over.wait(0.2):
        for connection in tuple(held):
            try:
                ended = not connection.recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                connection.close()
                held.remove(connection)
                again.append(time.monotonic() + AGAIN)
        while again and again[0] < time.monotonic():
            again.pop(0)
            held.append(opened())
    for connection in held:
        connection.close()


def export_everybody(site: Site, begun: Event, over: Event) -> None:
    """Have each person request the list of all students, repeatedly."""
    _over_and_over(EXPORTS, lambda number: site.ask("/lists.xlsx?wanted=all", site.deans[number])[0], begun, over)


def sign_in(site: Site, begun: Event, over: Event) -> None:
    """Have this many people sign in at once, and sign in again afterwards."""

    def one(number: int) -> int:
        token = f"visitor-{number}"
        form = {"account": f"visitor{number}", "password": PASSWORD, "form_token": form_token(token)}
        return site.ask("/sign-in", token, form)[0]

    _over_and_over(SIGN_INS, one, begun, over)


def _over_and_over(people: int, ask: Callable[[int], int], begun: Event, over: Event) -> None:
    """Have this many people send requests at once, each again after its answer; `ask` returns the status."""

    def one(number: int) -> None:
        while not over.is_set():
            over.wait(AGAIN if ask(number) == 503 else 0)

    with ThreadPoolExecutor(people) as pool:
        for number in range(people):
            pool.submit(one, number)
        over.wait(0.5)
        begun.set()


IDLE = "nothing"
LOADS: dict[str, Callable[[Site, Event, Event], None]] = {
    f"{SLOW:,} unfinished forms": send_one_byte_each,
    f"{EXPORTS} exports": export_everybody,
    f"{SIGN_INS} sign-ins": sign_in,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One client's measurements of the student's page, and the probe's of the loop."""

    rate: float
    median: float
    worst: float
    lag: float
    #: Pages for each second that the loop's thread computed.
    by_loop: float


def measure(site: Site, seconds: float) -> Measured:
    """Request the student's page repeatedly."""
    computed = _probe(site)[1]
    took: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    with closing(connection):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            connection.request("GET", "/", headers={"Cookie": f"clearance={site.student}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"the student's page answered {answer.status}")
            took.append(time.monotonic() - began)
    lag, computed_now = _probe(site)
    by_loop = len(took) / (computed_now - computed)
    return Measured(len(took) / sum(took), statistics.median(took), max(took), lag, by_loop)


def _probe(site: Site) -> tuple[float, float]:
    lag, computed = site.ask("/loop-lag")[1].split()
    return float(lag), float(computed)


def _give_way(load: Callable[[Site, Event, Event], None], site: Site, begun: Event, over: Event) -> None:
    """Give the server and the measuring client priority: in a real load the other clients run on other machines."""
    os.nice(_NICE)
    load(site, begun, over)


@contextmanager
def under(load: Callable[[Site, Event, Event], None], site: Site) -> Iterator[None]:
    """Run the load in a separate process meanwhile."""
    kind = multiprocessing.get_context("spawn")
    begun, over = kind.Event(), kind.Event()
    process = kind.Process(target=_give_way, args=(load, site, begun, over))
    process.start()
    try:
        if not begun.wait(60):
            raise SystemExit("the load did not begin within a minute")
        yield
        if not process.is_alive():
            raise SystemExit("the load ended before the measurement, which is therefore not valid")
    finally:
        over.set()
        # The clients disconnect now, even if they wait for an answer.
        process.terminate()
        process.join()


@contextmanager
def serving(url: str, folder: Path, students: int) -> Iterator[Site]:
    """Fill a database, make accounts and sessions, and serve the pages."""
    os.environ["STATUS_URL"] = url
    file = folder / "bench.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    fill(url, students)
    own = load_settings(file).status_db
    desk = desk_url(own)
    upgrade(desk, "desk")
    engine, now = open_writing(desk), datetime.now(UTC)
    accounts, hashed = Accounts(DeskStore(engine, own.ledger_key_file)), hash_password(PASSWORD)

    def session(account: str) -> str:
        token = new_token()
        accounts.open_session(hash_of(token), account, now, longest=timedelta(hours=12))
        return token

    accounts.add(STUDENT, "Student 1", hashed, student=STUDENT, now=now)
    for number in range(SIGN_INS):
        accounts.add(f"visitor{number}", f"Visitor {number}", hashed, now=now)
    for number in range(EXPORTS):
        accounts.add(f"dean{number}", f"Dean {number}", hashed, grants=(Grant(Act.READ),), now=now)
    port = free_port()
    student, deans = session(STUDENT), tuple(session(f"dean{number}") for number in range(EXPORTS))
    engine.dispose()
    command = [sys.executable, "-m", "benchmarks.load", "--serve", str(port)]
    process = subprocess.Popen(command, env={**os.environ, CONFIG_VARIABLE: str(file)})
    site = Site(process.pid, port, student, deans)
    try:
        _wait_for(site)
        yield site
    finally:
        process.terminate()
        process.wait()


def _wait_for(site: Site) -> None:
    for _ in range(600):
        try:
            if site.ask("/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the pages were not served within a minute")


def main() -> None:
    """Measure on each backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--serve", type=int, metavar="PORT", help="only serve the pages (for this program itself)")
    chosen = parser.parse_args()
    if chosen.serve:
        serve("benchmarks.load:application", "127.0.0.1", chosen.serve, 1, PortalLimits())
        return
    for backend in chosen.backend or ["sqlite", "postgresql"]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            url = stack.enter_context(places(backend, folder))
            site = stack.enter_context(serving(url, folder, chosen.students))
            measure(site, 1)
            rounds = [dict(_round(site, chosen.seconds)) for _ in range(chosen.rounds)]
            print(f"\n{backend}, {chosen.students:,} students: a student's page, the best of {chosen.rounds} rounds")
            heads = f"{'pages/s':>9}{'ratio':>7}{'median ms':>11}{'worst ms':>10}{'loop late ms':>14}{'by loop':>9}"
            print(f"{'meanwhile':<24}{heads}")
            best = {name: max((one[name] for one in rounds), key=lambda found: found.rate) for name in rounds[0]}
            for name, found in best.items():
                _print(name, found, best[IDLE])


def _round(site: Site, seconds: float) -> Iterator[tuple[str, Measured]]:
    yield IDLE, measure(site, seconds)
    for name, load in LOADS.items():
        with under(load, site):
            yield name, measure(site, seconds)


def _print(name: str, found: Measured, idle: Measured) -> None:
    rest = f"{found.median * 1000:>11.1f}{found.worst * 1000:>10.0f}{found.lag * 1000:>14.0f}"
    rest += f"{found.by_loop / idle.by_loop:>9.2f}"
    print(f"{name:<24}{found.rate:>9.0f}{found.rate / idle.rate:>7.2f}{rest}", flush=True)


if __name__ == "__main__":
    main()
