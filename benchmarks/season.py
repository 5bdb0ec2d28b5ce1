"""4,000 students who reload their page within ten minutes, sign-ins included: `python -m benchmarks.season`.

The real server on loopback, one worker. The run takes a part of the ten minutes, and as large a part of the students:
with `--seconds 60`, 400 students arrive at random in a minute. Each signs in with a password, is shown the own page,
and reloads it once. `--signed-in 0.5` gives half of them an open session. Each latency counts from the time at which
the request was due, so a server that is late for one is late for those behind it.

It also compares the page with a constant page of the same server, by one client: the page of one student again and
again, and the pages of different students one after another. Compare the ratios: the clients share the machine's cores
with the server.
"""

import argparse
import http.client
import os
import random
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.load import PASSWORD, Site, serving
from benchmarks.pages import places
from clearance.settings_file import load_settings
from portal.auth.passwords import hash_password
from portal.auth.sessions import hash_of, new_token
from status_db.accounts.accounts import Accounts
from status_db.desk.address import desk_url
from status_db.desk.store import DeskStore
from status_db.store.engine import open_writing

STUDENTS, WITHIN = 4_000, 600

#: Students whose pages are compared with the constant page.
_DIFFERENT = 200


@dataclass(slots=True)
class Latencies:
    """What the students waited, in seconds."""

    pages: list[float] = field(default_factory=list)
    sign_ins: list[float] = field(default_factory=list)
    refused: int = 0


def number_of(index: int) -> str:
    """Return a student's number, as `benchmarks.pages.fill` writes it."""
    return f"2015{index:07d}"


def sessions_of(folder: Path, count: int) -> list[str]:
    """Make an account and a session for each of the first students; return the tokens."""
    own = load_settings(folder / "bench.toml").status_db
    engine, now = open_writing(desk_url(own)), datetime.now(UTC)
    accounts, hashed, tokens = Accounts(DeskStore(engine, own.ledger_key_file)), hash_password(PASSWORD), []
    for index in range(count):
        number = number_of(index)
        if accounts.find(number) is None:
            accounts.add(number, f"Student {index}", hashed, student=number, now=now)
        tokens.append(new_token())
        accounts.open_session(hash_of(tokens[-1]), number, now, longest=timedelta(hours=12))
    engine.dispose()
    return tokens


def sign_in(site: Site, number: str) -> str:
    """Sign a student in as a browser does; return the token, empty where the server refuses it now."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    with closing(connection):
        connection.request("GET", "/sign-in")
        answer = connection.getresponse()
        cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        found = re.search(rb'name="form_token" value="([0-9a-f]+)"', answer.read())
        if found is None:
            return ""
        form = urlencode({"account": number, "password": PASSWORD, "form_token": found[1].decode()})
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/sign-in", form, headers)
        answer = connection.getresponse()
        answer.read()
        set_cookie = answer.getheader("Set-Cookie") or ""
        return set_cookie.partition(";")[0].partition("=")[2] if answer.status == 303 else ""


def arrive(site: Site, tokens: Sequence[str], seconds: float, signed_in: float) -> Latencies:
    """Have the students arrive at random times, each with a first page and a reload."""
    chance, found = random.Random(1), Latencies()
    began = time.monotonic() + 1

    def one(index: int, due: float, reload: float) -> None:
        token = tokens[index]
        time.sleep(max(0.0, due - time.monotonic()))
        if chance.random() >= signed_in:
            token = sign_in(site, number_of(index))
            found.sign_ins.append(time.monotonic() - due)
            if not token:
                found.refused += 1
                return
            _page(site, token, time.monotonic(), found)
        else:
            _page(site, token, due, found)
        time.sleep(max(0.0, reload - time.monotonic()))
        _page(site, token, max(reload, time.monotonic()), found)

    with ThreadPoolExecutor(len(tokens)) as pool:
        for index in range(len(tokens)):
            due = began + chance.random() * seconds
            pool.submit(one, index, due, due + chance.random() * (began + seconds - due))
    return found


def _page(site: Site, token: str, due: float, found: Latencies) -> None:
    status, _ = site.ask("/", token)
    if status == 200:
        found.pages.append(time.monotonic() - due)
    else:
        found.refused += 1


def by_one_client(site: Site, path: str, tokens: Sequence[str], seconds: float) -> tuple[float, float, float]:
    """Request a page as these people in turn; return pages per second, and p50 and p99 in milliseconds."""
    took: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    with closing(connection):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            before = time.monotonic()
            connection.request("GET", path, headers={"Cookie": f"clearance={tokens[len(took) % len(tokens)]}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path} answered {answer.status}")
            took.append(time.monotonic() - before)
    return len(took) / sum(took), statistics.median(took) * 1000, percentile(took, 0.99) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def computed(pid: int) -> float:
    """Return the seconds that a process and its children have computed so far."""
    total, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parts = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if folder.name == str(pid) or parts[1] == str(pid):
            total += (int(parts[11]) + int(parts[12])) / ticks
    return total


def report(site: Site, tokens: Sequence[str], seconds: float, signed_in: float) -> None:
    """Compare the page with the constant page, and have the students arrive."""
    kinds: tuple[tuple[str, str, Sequence[str]], ...] = (
        ("a constant page", "/constant", tokens[:1]),
        ("one student's page, again", "/", tokens[:1]),
        ("different students' pages", "/", tokens[:_DIFFERENT]),
    )
    print(f"{'by one client':<28}{'pages/s':>9}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}")
    constant = 0.0
    for name, path, whose in kinds:
        by_one_client(site, path, whose, 0.5)
        before = computed(site.pid)
        rate, middle, late = by_one_client(site, path, whose, 4)
        cpu = (computed(site.pid) - before) / (rate * 4) * 1000
        constant = constant or rate
        print(f"{name:<28}{rate:>9.0f}{rate / constant:>8.3f}{middle:>9.2f}{late:>9.2f}{cpu:>9.2f}", flush=True)
    before = computed(site.pid)
    found = arrive(site, tokens, seconds, signed_in)
    cores = (computed(site.pid) - before) / seconds
    print(f"\n{len(tokens)} students in {seconds:.0f} seconds, {found.refused} refused, {cores:.2f} cores")
    rows: tuple[tuple[str, list[float]], ...] = (("pages", found.pages), ("sign-ins", found.sign_ins))
    for name, took in rows:
        figures = "".join(f"{percentile(took, share) * 1000:>9.0f}" for share in (0.5, 0.99, 1))
        print(f"{name:<12}{len(took):>7} p50, p99, worst ms:{figures}", flush=True)


def main() -> None:
    """Measure on each backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how much of the ten minutes to run")
    parser.add_argument("--signed-in", type=float, default=0.0, help="the share of students with an open session")
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), action="append")
    chosen = parser.parse_args()
    for backend in chosen.backend or ["sqlite"]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            url = stack.enter_context(places(backend, folder))
            site = stack.enter_context(serving(url, folder, STUDENTS))
            arriving = round(STUDENTS * chosen.seconds / WITHIN)
            tokens = sessions_of(folder, max(arriving, _DIFFERENT))
            print(f"\n{backend}, {STUDENTS:,} students")
            report(site, tokens[: max(arriving, 1)], chosen.seconds, chosen.signed_in)


if __name__ == "__main__":
    main()
