"""The demo: a small university on this machine, built, synced and served."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DatabaseError

from clearance.commands.serve import WEB_TARGETS, ServedPart, upgrade_both
from clearance.commands.sync import exit_code, run_all
from clearance.context import GlobalOptions, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.demo_life import COLLEGE, announce, lived
from clearance.output import tables
from clearance.services import Program
from clearance.settings_file import CONFIG_VARIABLE
from demo.clock import DemoClock, today_in
from demo.offices import SEED, Offices
from demo.story import notable
from demo.university import Student
from portal.auth.passwords import hash_password
from portal.server import serve as serve_pages
from status_db.accounts.accounts import Act, Grant
from status_db.model import State

#: Everybody's password in the demo.
PASSWORD = "graduation-2019"  # noqa: S105 - printed for everybody to use, on this machine alone

FINANCE_PORT = 8619

#: The runs under way when the demo ends may take so many seconds more.
_SCHEDULE_ENDS = 30

_LIBRARY_VARIABLE = "DEMO_LIBRARY_URL"

#: A class of that college.
CLASS = "12151"

_STAFF: tuple[tuple[str, str, tuple[Grant, ...], str], ...] = (
    ("dean", "校领导", (Grant(Act.READ),), "reads every college"),
    ("counsellor", "就业辅导员", (Grant(Act.READ, None, {"college": (COLLEGE,)}),), f"reads one college, {COLLEGE}"),
    ("teacher", "班主任", (Grant(Act.READ, None, {"class": (CLASS,)}),), f"reads one class, {CLASS}"),
    (
        "librarian",
        "图书馆操作员",
        (Grant(Act.READ, "library"), Grant(Act.DECIDE, "library")),
        "decides for the library",
    ),
    ("cashier", "计财处操作员", (Grant(Act.READ, "finance"), Grant(Act.DECIDE, "finance")), "decides for finance"),
    ("warden", "宿管中心操作员", (Grant(Act.READ, "dorm"), Grant(Act.DECIDE, "dorm")), "decides for the dormitories"),
    (
        "college",
        "学院资料室",
        (
            Grant(Act.READ, "college_items", {"college": (COLLEGE,)}),
            Grant(Act.DECIDE, "college_items", {"college": (COLLEGE,)}),
        ),
        f"decides for the reading room of {COLLEGE}",
    ),
    (
        "reviewer",
        "学院终审",
        tuple(Grant(act, None, {"college": (COLLEGE,)}) for act in (Act.READ, Act.REVIEW, Act.ISSUE)),
        f"reviews {COLLEGE} and issues certificates",
    ),
    ("auditor", "审计员", (Grant(Act.AUDIT),), "reads everything, changes nothing"),
    ("admin", "系统管理员", (Grant(Act.MANAGE),), "looks after sources and runs"),
    ("second", "第二管理员", (Grant(Act.MANAGE),), "confirms what the other administrator asks for"),
)

app = typer.Typer(
    help="A small university on this machine: its offices, a sync, the pages.", invoke_without_command=True
)

FinancePort = Annotated[int, typer.Option("--finance-port", min=1, max=65535, help="Where the finance office listens.")]


#: Where the demo's own settings are copied. Their paths start at this file's folder and lead back to it.
_OWN_SETTINGS = Path(".demo", "demo.toml")


def _chosen(context: typer.Context) -> GlobalOptions:
    """Return what was chosen. Where no settings file was, and none is here, the program's own demo is copied here."""
    here = chosen(context)
    if here.config is not None or CONFIG_VARIABLE in os.environ or here.file.exists():
        return here
    if not _OWN_SETTINGS.exists():
        _OWN_SETTINGS.parent.mkdir(exist_ok=True)
        _OWN_SETTINGS.write_bytes(resources.files("config").joinpath("demo.toml").read_bytes())
    return replace(here, config=_OWN_SETTINGS)


def offices_of(file: Path) -> Offices:
    """Return the demo's offices: in .demo, beside the folder of the settings file."""
    return Offices(file.resolve().parent.parent / ".demo" / "offices", os.environ.get(_LIBRARY_VARIABLE, ""))


def _refuse_without_clock(here: GlobalOptions) -> None:
    """End a command of the demo, before it has touched anything, unless the settings have the demo's clock."""
    if not here.program().settings.is_demo:
        fail(
            f"{here.file} is not a demo's settings file: it has no [demo] clock_file. "
            "Nothing was written: the demo would fill this status database with invented students, and with accounts "
            "whose password is public. Use the demo's own settings: clearance --config config/demo.toml demo"
        )


def _build(here: GlobalOptions, offices: Offices) -> None:
    """Write the offices as on the first day, and have it be that day."""
    _write(offices, 0)
    _clock(here).start(today_in(here.program().settings.institution.timezone))


def _write(offices: Offices, day: int) -> None:
    """Write the offices as they are on a day of the story; end with the fix where one of their files is damaged."""
    try:
        offices.write(day)
    except (OSError, DatabaseError, sqlite3.DatabaseError) as error:
        fail(
            f"a file of the demo's offices in {offices.folder} cannot be written ({getattr(error, 'orig', error)}). "
            f"Remove {offices.folder.parent}, and build the university again: clearance demo"
        )


def _clock(here: GlobalOptions) -> DemoClock:
    file = here.program().settings.demo.clock_file
    assert file is not None  # noqa: S101 - each command has refused by now
    return DemoClock(file)


@app.callback()
@ends_well
def demo(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the sync and its summary.")] = False,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Where the pages are served.")] = None,
    finance_port: FinancePort = FINANCE_PORT,
) -> None:
    """Build the demo university if it is not there, sync it, show where everybody stands, and serve the pages."""
    if context.invoked_subcommand:
        return
    here = _chosen(context)
    _refuse_without_clock(here)
    stop_like_ctrl_c()
    offices = offices_of(here.file)
    if offices.day() is None:
        tables.OUT.print("Building the demo university: 4,215 graduates, four offices and a registrar …")
        _build(here, offices)
    tell_finance_port(finance_port)
    with finance_office(offices, finance_port):
        program = here.program()
        upgrade_both(program.settings)
        program.sync.open_cohort()
        began = time.monotonic()
        outcomes = run_all(program.season((program,)), list(program.sync.names()), "demo")
        tables.OUT.print(f"synced in {time.monotonic() - began:.1f} s")
        tables.OUT.print("")
        _summary(program)
        people = make_accounts(program, lived(program, SEED))
        _where_to_look(here, program, people, port, once=once)
        announce(program)
        if not once:
            with schedule_beside(here, offices.folder.parent):
                _serve(here, program, port)
    if code := exit_code(outcomes):
        raise typer.Exit(code)


@app.command()
@ends_well
def advance(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option("--days", min=1, max=30, help="So many days.")] = 1,
) -> None:
    """Move the story on: books come back, fees are paid or appear, rooms empty. The next sync shows it."""
    here = _chosen(context)
    _refuse_without_clock(here)
    offices = offices_of(here.file)
    day = offices.day()
    if day is None:
        fail("the demo university is not built yet. Run: clearance demo")
    _write(offices, day + days)
    _clock(here).advance(days)
    tables.OUT.print(
        f"the offices are at day {day + days} of the season now. Next: clearance plan, then clearance sync"
    )


@app.command()
@ends_well
def offices(context: typer.Context, *, finance_port: FinancePort = FINANCE_PORT) -> None:
    """Keep the finance office's program running, for commands in another window; the other offices are files."""
    here = _chosen(context)
    _refuse_without_clock(here)
    built = offices_of(here.file)
    if built.day() is None:
        _build(here, built)
    stop_like_ctrl_c()
    with finance_office(built, finance_port):
        tables.OUT.print(f"the finance office answers on http://127.0.0.1:{finance_port}; Ctrl-C closes it")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            tables.OUT.print("closed")


@contextmanager
def schedule_beside(here: GlobalOptions, folder: Path) -> Iterator[None]:
    """Have the schedule running in a process of its own, which ends with this; what it says goes into a file."""
    # Beside the pages, not inside of this process: the server forks its workers, and threads would not survive that.
    command = [sys.executable, "-m", "clearance", "--config", str(here.file)]
    with (folder / "schedule.log").open("ab") as said:
        process = subprocess.Popen([*command, "schedule"], stdin=subprocess.DEVNULL, stdout=said, stderr=said)  # noqa: S603 - our own program
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_SCHEDULE_ENDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def tell_finance_port(port: int) -> None:
    """Have the settings ask the finance office on this port."""
    if port != FINANCE_PORT:
        os.environ.setdefault("DEMO_FINANCE_ARREARS_URL", f"http://127.0.0.1:{port}/api/arrears")
        os.environ.setdefault("DEMO_FINANCE_TOKEN_URL", f"http://127.0.0.1:{port}/api/token")


@contextmanager
def finance_office(offices: Offices, port: int) -> Iterator[None]:
    """Have the finance office's program running: the one that is there already, or one of our own."""
    served = _served_folder(port)
    if served is not None:
        if served != str(offices.folder.resolve()):
            fail(f"port {port} serves another demo's finance office ({served}). Choose another with --finance-port.")
        yield
        return
    process = subprocess.Popen(  # noqa: S603 - our own program and our own paths
        [sys.executable, "-m", "demo.finance_api", "--data", str(offices.folder), "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while _served_folder(port) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                said = process.communicate()[1].strip()
                fail(
                    f"the finance office did not open: {said or 'no answer'}. Choose another port with --finance-port."
                )
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate()


def _served_folder(port: int) -> str | None:
    """Return the folder whose finance office listens there; None when nobody of ours does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return str(json.load(answer)["data"]["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _summary(program: Program) -> None:
    """Print how many stand where, step by step."""
    overview = program.reader.overview(program.cohort, program.clock())
    order = [step.key for step in program.settings.step if step.key in overview.by_step]
    shown = [s for s in State if any(overview.by_step[step].by_state.get(s) for step in order)]
    tables.table(
        ("step", *(tables.STATES[state][0] for state in shown)),
        ((step, *(f"{overview.by_step[step].by_state.get(s, 0):,}" for s in shown)) for step in order),
        title=f"{overview.students:,} students of {program.cohort}",
    )


def make_accounts(program: Program, through: list[tuple[Student, str]]) -> list[tuple[str, str]]:
    """Make the demo's accounts where they are not there, those who are through included; return what each is for."""
    students = (*notable(SEED), *((student.number, student.name, what) for student, what in through))
    wanted: list[tuple[str, str, str | None, tuple[Grant, ...]]] = [(n, name, n, ()) for n, name, _ in students]
    wanted += [(account, name, None, grants) for account, name, grants, _ in _STAFF]
    hashed = ""
    for account, name, student, grants in wanted:
        if program.accounts.find(account) is None:
            hashed = hashed or hash_password(PASSWORD)
            now = program.clock()
            program.accounts.add(account, name, hashed, student=student, grants=grants, now=now, demo=True)
    return [(number, f"{name}: {what}") for number, name, what in students] + [
        (account, f"{name}: {what}") for account, name, _, what in _STAFF
    ]


def _where_to_look(
    here: GlobalOptions, program: Program, people: list[tuple[str, str]], port: int | None, *, once: bool
) -> None:
    portal = program.settings.portal
    tables.OUT.print("")
    tables.table(("sign in as", "who"), people)
    tables.OUT.print(f"password for each: {PASSWORD}")
    tables.OUT.print("")
    command = f"{sys.argv[0]} --config {here.file}"
    if once:
        tables.OUT.print(f"Serve the pages:   {command} demo")
        tables.OUT.print(f"Or open finance:   {command} demo offices   (the other offices are files)")
    else:
        tables.OUT.print(f"The pages:         http://{portal.host}:{port or portal.port}/")
    tables.OUT.print(f"Let a day pass:    {command} demo advance")
    tables.OUT.print(f"What would change: {command} plan")
    tables.OUT.print(f"Change it:         {command} sync")


def _serve(here: GlobalOptions, program: Program, port: int | None) -> None:
    portal = program.settings.portal
    os.environ[CONFIG_VARIABLE] = str(here.file.resolve())
    tables.OUT.print("Ctrl-C ends the demo; what it has made stays in .demo")
    serve_pages(WEB_TARGETS[ServedPart.ALL], portal.host, port or portal.port, portal.workers, portal.limits)
