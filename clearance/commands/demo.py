"""The demo: a small university on this machine, built, synced and served."""

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DatabaseError

from clearance.commands.serve import WEB_TARGETS, ServedPart, upgrade_both
from clearance.commands.sync import exit_code, run_all
from clearance.context import USAGE, GlobalOptions, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.demo_university.life import (
    add_first_results,
    announce,
    approve_waiting,
    live,
)
from clearance.demo_university.people import PASSWORD, make_accounts
from clearance.output import tables
from clearance.output.code_words import joined
from clearance.services import Program
from clearance.settings_file import CONFIG_VARIABLE
from clearance.supervision.children import start, stop
from demo.clock import DemoClock, today_in
from demo.offices import SEED, Offices
from demo.story import FIRST_DAY, LAST_DAY
from foundation.translation import tr
from portal.server import serve as serve_pages
from status_db.model import State
from sync.run.outcome import Outcome

FINANCE_PORT = 8619

#: Seconds to wait for runs in progress when the demo ends.
_SCHEDULE_ENDS = 30

_LIBRARY_VARIABLE = "DEMO_LIBRARY_URL"

app = typer.Typer(
    help="Run a small university on this machine: its offices, a sync, the pages.", invoke_without_command=True
)

FinancePort = Annotated[
    int, typer.Option("--finance-port", min=1, max=65535, help="Run the finance office on this port.")
]


#: The copy of the demo's own settings. Their paths are relative to its folder.
_OWN_SETTINGS = Path(".demo", "demo.toml")


def _demo_options(context: typer.Context) -> GlobalOptions:
    """Return the global options. If there is no settings file, copy the demo's own here first."""
    here = chosen(context)
    if here.config is not None or CONFIG_VARIABLE in os.environ or here.file.exists():
        return here
    if not _OWN_SETTINGS.exists():
        _OWN_SETTINGS.parent.mkdir(exist_ok=True)
        _OWN_SETTINGS.write_bytes(resources.files("config").joinpath("demo.toml").read_bytes())
    return replace(here, config=_OWN_SETTINGS)


def offices_of(file: Path) -> Offices:
    """Return the demo's offices: in .demo, next to the folder of the settings file."""
    return Offices(file.resolve().parent.parent / ".demo" / "offices", os.environ.get(_LIBRARY_VARIABLE, ""))


def _refuse_without_clock(here: GlobalOptions) -> None:
    """Exit before any change, unless the settings have the demo's clock."""
    if not here.program().settings.is_demo:
        fail(
            tr(
                "{file} is not a demo's settings file: it has no [demo] clock_file. Nothing was written, because "
                "the demo would add invented students to this status database, and accounts with a public "
                "password. Use the demo's own settings: clearance --config config/demo.toml demo",
                file=here.file,
            )
        )


def _build(here: GlobalOptions, offices: Offices) -> None:
    """Write the offices of the first day, and set the clock to that day."""
    _write_offices(offices, 0)
    _demo_clock(here).start(today_in(here.program().settings.institution.timezone))


def _write_offices(offices: Offices, day: int) -> None:
    """Write the offices of one day of the story; exit when a file cannot be written."""
    try:
        offices.write(day)
    except (OSError, DatabaseError, sqlite3.DatabaseError) as error:
        fail(
            tr(
                "a file of the demo's offices in {folder} cannot be written ({why}). Remove {parent}, and build "
                "the university again: clearance demo",
                folder=offices.folder,
                why=getattr(error, "orig", error),
                parent=offices.folder.parent,
            )
        )


def _demo_clock(here: GlobalOptions) -> DemoClock:
    file = here.program().settings.demo.clock_file
    assert file is not None  # noqa: S101 - each command checks it first
    return DemoClock(file)


@app.callback()
@ends_well
def demo(
    context: typer.Context,
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the sync and its summary.")] = False,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Serve the pages on this port.")] = None,
    finance_port: FinancePort = FINANCE_PORT,
) -> None:
    """Build the demo university, sync it, print a summary, and serve the pages."""
    if context.invoked_subcommand:
        return
    here = _demo_options(context)
    _refuse_without_clock(here)
    stop_like_ctrl_c()
    offices = offices_of(here.file)
    if offices.day() is None:
        tables.OUT.print(tr("Building the demo university: 4,215 graduates, four offices and a registrar …"))
        _build(here, offices)
    use_finance_port(finance_port)
    with finance_office(offices, finance_port):
        program = here.program()
        upgrade_both(program.settings)
        program.sync.open_cohort()
        began = time.monotonic()
        outcomes = run_all(program.season((program,)), list(program.sync.names()), "demo")
        tables.OUT.print(tr("synced in {seconds:.1f} s", seconds=time.monotonic() - began))
        outcomes = _approved(program, outcomes)
        tables.OUT.print("")
        _print_summary(program)
        people = make_accounts(program, add_first_results(program, SEED))
        _print_next_steps(here, program, people, port, once=once)
        announce(program)
        if not once:
            with schedule_beside(here, offices.folder.parent):
                _serve_pages(here, program, port)
    if code := exit_code(outcomes):
        raise typer.Exit(code)


@app.command()
@ends_well
def advance(
    context: typer.Context,
    *,
    days: Annotated[int | None, typer.Option("--days", min=1, max=30, help="Advance by this many days: 1.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Advance to this day, and sync on each day until then.")
    ] = None,
    finance_port: FinancePort = FINANCE_PORT,
) -> None:
    """Advance the story: books are returned, fees are paid or added, rooms become empty, classes are reviewed."""
    here = _demo_options(context)
    _refuse_without_clock(here)
    stop_like_ctrl_c()
    offices = offices_of(here.file)
    day = offices.day()
    if day is None:
        fail(tr("the demo university is not built yet. Run: clearance demo"))
    if to is None:
        _advance(here, offices, range(day, day + (days or 1)))
        tables.OUT.print(
            tr(
                "the offices are now at day {day} of the season. Next: clearance plan, then clearance sync",
                day=day + (days or 1),
            )
        )
        return
    if days is not None:
        fail(tr("--days and --to contradict each other. Give one of them."), USAGE)
    last = _day_of(to, day)
    use_finance_port(finance_port)
    with finance_office(offices, finance_port):
        for each in range(day, last):
            _advance(here, offices, range(each, each + 1))
            with closing(here.program()) as program:
                _approved(program, run_all(program.season((program,)), list(program.sync.names()), "demo"))
        _live(here, last)
    _print_summary(here.program())


def _day_of(text: str, day: int) -> int:
    """Return the day of the story of a date, after `day`; exit when it is not one."""
    last = FIRST_DAY + timedelta(days=LAST_DAY)
    try:
        wanted = (date.fromisoformat(text) - FIRST_DAY).days
    except ValueError:
        fail(tr('"{text}" is not a date. Write one such as {last}.', text=text, last=last), USAGE)
    if not day < wanted <= LAST_DAY:
        here = FIRST_DAY + timedelta(days=day)
        fail(
            tr(
                "the demo is at {day}, and its story ends on {last}. Write a later day than the first, up to the last.",
                day=here,
                last=last,
            )
        )
    return wanted


def _advance(here: GlobalOptions, offices: Offices, days: range) -> None:
    """Let the colleges do each day's work, then write the offices of the next day and move the clock."""
    for day in days:
        _live(here, day)
        _write_offices(offices, day + 1)
        _demo_clock(here).advance(1)


def _live(here: GlobalOptions, day: int) -> None:
    with closing(here.program()) as program:
        work = live(program, SEED, day)
        tables.OUT.print(
            tr(
                "{day}: reading rooms cleared {cleared:,} students, {reviewed:,} were reviewed, {issued:,} received "
                "their certificate",
                day=FIRST_DAY + timedelta(days=day),
                cleared=work.cleared,
                reviewed=work.reviewed,
                issued=work.issued,
            )
        )


def _approved(program: Program, outcomes: list[Outcome]) -> list[Outcome]:
    """Approve the runs that wait, as the demo's administrator, and say so; return how all ended."""
    ended = {outcome.run: outcome for outcome in approve_waiting(program, outcomes)}
    if ended:
        names = joined(tr("{source} (run {run})", source=each.source, run=each.run) for each in ended.values())
        tables.OUT.print(
            tr(
                "The demo's administrator approved: {names}. At a university, a person first compares a few students "
                "with the office: clearance runs spot-check",
                names=names,
            )
        )
    return [ended.get(outcome.run, outcome) for outcome in outcomes]


@app.command()
@ends_well
def offices(context: typer.Context, *, finance_port: FinancePort = FINANCE_PORT) -> None:
    """Run the finance office's program, for commands in another window."""
    here = _demo_options(context)
    _refuse_without_clock(here)
    built = offices_of(here.file)
    if built.day() is None:
        _build(here, built)
    stop_like_ctrl_c()
    with finance_office(built, finance_port):
        tables.OUT.print(
            tr(
                "the finance office runs on http://127.0.0.1:{finance_port}; press Ctrl-C to stop it",
                finance_port=finance_port,
            )
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            tables.OUT.print(tr("closed"))


@contextmanager
def schedule_beside(here: GlobalOptions, folder: Path) -> Iterator[None]:
    """Run the schedule in a separate process until this ends, with its output in a file."""
    # In a separate process, because the server forks its workers, and threads do not survive a fork.
    with (folder / "schedule.log").open("ab") as log:
        process = start(["--config", str(here.file), "schedule"], log)
        try:
            yield
        finally:
            stop(process, _SCHEDULE_ENDS)


def use_finance_port(port: int) -> None:
    """Make the settings use this port for the finance office."""
    if port != FINANCE_PORT:
        os.environ.setdefault("DEMO_FINANCE_ARREARS_URL", f"http://127.0.0.1:{port}/api/arrears")
        os.environ.setdefault("DEMO_FINANCE_TOKEN_URL", f"http://127.0.0.1:{port}/api/token")


@contextmanager
def finance_office(offices: Offices, port: int) -> Iterator[None]:
    """Run the finance office's program until this ends, unless it already runs."""
    served = _served_folder(port)
    if served is not None:
        if served != str(offices.folder.resolve()):
            fail(
                tr(
                    "port {port} is used by another demo's finance office ({served}). Use another --finance-port.",
                    port=port,
                    served=served,
                )
            )
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
                error = process.communicate()[1].strip()
                fail(
                    tr(
                        "the finance office did not start: {error}. Use another --finance-port.",
                        error=error or tr("no response"),
                    )
                )
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate()


def _served_folder(port: int) -> str | None:
    """Return the folder of the finance office on this port; None when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return str(json.load(answer)["data"]["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _print_summary(program: Program) -> None:
    """Print the number of students in each state, step by step."""
    overview = program.reader.overview(program.cohort, program.clock())
    order = [step.key for step in program.settings.step if step.key in overview.by_step]
    shown = [s for s in State if any(overview.by_step[step].by_state.get(s) for step in order)]
    tables.table(
        (tr("step"), *(tr(tables.STATES[state][0]) for state in shown)),
        ((step, *(f"{overview.by_step[step].by_state.get(s, 0):,}" for s in shown)) for step in order),
        title=tr("{students:,} students of {cohort}", students=overview.students, cohort=program.cohort),
    )


def _print_next_steps(
    here: GlobalOptions, program: Program, people: list[tuple[str, str]], port: int | None, *, once: bool
) -> None:
    portal = program.settings.portal
    tables.OUT.print("")
    tables.table((tr("sign in as"), tr("person")), people)
    tables.OUT.print(tr("password for each: {password}", password=PASSWORD))
    tables.OUT.print("")
    command = f"{sys.argv[0]} --config {here.file}"
    if once:
        tables.OUT.print(tr("Serve the pages:   {command} demo", command=command))
        tables.OUT.print(
            tr("Or run finance:    {command} demo offices   (the other offices are files)", command=command)
        )
    else:
        address = f"http://{portal.host}:{port or portal.port}/"
        tables.OUT.print(tr("The pages:         {address}", address=address))
    tables.OUT.print(tr("Advance one day:   {command} demo advance", command=command))
    tables.OUT.print(tr("Show the changes:  {command} plan", command=command))
    tables.OUT.print(tr("Apply them:        {command} sync", command=command))


def _serve_pages(here: GlobalOptions, program: Program, port: int | None) -> None:
    portal = program.settings.portal
    os.environ[CONFIG_VARIABLE] = str(here.file.resolve())
    tables.OUT.print(tr("Press Ctrl-C to end the demo; its files stay in .demo"))
    serve_pages(WEB_TARGETS[ServedPart.ALL], portal.host, port or portal.port, portal.workers, portal.limits)
