"""Commands that keep running, and those that prepare the database."""

import os
import signal
import sys
import threading
from enum import StrEnum
from functools import partial
from typing import Annotated

import structlog
import typer
from sqlalchemy import make_url

from clearance.commands.paper import nightly
from clearance.context import ServedCohorts, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.monitoring.observed import ScheduleMetrics, serve_workers_metrics
from clearance.notify.assembly import notify_service
from clearance.output import tables
from clearance.settings_file import CONFIG_VARIABLE
from config.load import SettingsError
from config.processes import Process
from config.settings import Settings
from portal.server import serve as serve_pages
from status_db.desk.address import desk_url
from status_db.store.engine import StoreError, sqlite_file
from status_db.store.migrate import Part, upgrade
from status_db.store.roles import Roles, apply, planned
from sync.run.season import for_each
from sync.service.reloading import Loaded, run_until_stopped
from sync.service.schedule import Schedule


class ServedPart(StrEnum):
    """The pages that one process serves."""

    #: The pages and the desk.
    ALL = "all"
    #: The pages of students.
    PAGES = "pages"
    #: The pages of staff, with the desk.
    DESK = "desk"


#: The function that each process of the server imports to create the application.
WEB_TARGETS = {
    ServedPart.ALL: "clearance.web:both",
    ServedPart.PAGES: "clearance.web:pages",
    ServedPart.DESK: "clearance.web:desk",
}


_PROCESSES = {ServedPart.ALL: Process.ALL, ServedPart.PAGES: Process.PAGES, ServedPart.DESK: Process.DESK}


@ends_well
def schedule(context: typer.Context) -> None:
    """Query each source on its schedule, until stopped. SIGHUP loads the settings again."""
    stopped, reload = stop_like_ctrl_c(), _reload_on_hangup()
    metrics = ScheduleMetrics()
    if not run_until_stopped(lambda: _loaded(context, metrics), stopped, reload, metrics.started):
        # A run is under way. Its threads would keep the process; the database rolls its transaction back.
        sys.stderr.flush()
        os._exit(0)


def _reload_on_hangup() -> threading.Event:
    """Return the event that SIGHUP sets."""
    reload = threading.Event()
    signal.signal(signal.SIGHUP, lambda _signal, _frame: reload.set())
    return reload


def _loaded(context: typer.Context, metrics: ScheduleMetrics) -> Loaded:
    """Load the settings, and make a schedule of them. Raises Refused."""
    here = chosen(context)
    try:
        served = here.season(Process.SCHEDULE, service=True)
    except typer.Exit as ended:
        raise SettingsError(here.file, [f'[[cohort]]: there is no "{here.cohort}": add it, or start again']) from ended
    loaded = Loaded(served.first.settings, _schedule_of(served), served.first.close)
    metrics.of(loaded, served)
    return loaded


def _schedule_of(served: ServedCohorts) -> Schedule:
    programs = served.programs
    return Schedule(
        served.first.settings,
        served.season,
        served.first.clock,
        lambda at: sum(for_each(partial(program.decision_writer.sweep, at) for program in programs)),
        lambda: sum(for_each(program.serving.serve for program in programs)),
        lambda slot: sum(for_each(partial(nightly(program), slot) for program in programs)),
        lambda: served.first.retention,
        served.first.gate.wait,
        lambda: [service] if (service := notify_service(served.first)) is not None else [],
    )


@ends_well
def serve(
    context: typer.Context,
    what: Annotated[ServedPart, typer.Argument(help="all, or pages and desk in separate processes")] = ServedPart.ALL,
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Listen on this host (default: from the settings).")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Listen on this port (default: from the settings).")
    ] = None,
) -> None:
    """Serve the pages, the desk, or both, until stopped."""
    here = chosen(context)
    program = here.program(_PROCESSES[what], service=True)
    # An error that would end each worker ends the command here, with a message.
    program.look_at_marks(_PROCESSES[what])
    _ = program.accounts, program.key.of("serving")
    if what is ServedPart.DESK and not program.settings.desk.enabled:
        fail("there is no desk: enabled = false in [desk]. Write true, or serve the pages alone: clearance serve pages")
    portal = program.settings.portal
    for warning in portal.warnings:
        structlog.get_logger("clearance.portal").warning(warning)
    os.environ[CONFIG_VARIABLE] = str(here.file.resolve())
    serve_workers_metrics(program.settings, _PROCESSES[what])
    serve_pages(WEB_TARGETS[what], host or portal.host, port or portal.port, portal.workers, portal.limits)


@ends_well
def upgrade_database(context: typer.Context) -> None:
    """Create the tables of the status database, or upgrade them to this version."""
    for line in upgrade_both(chosen(context).program().settings):
        tables.OUT.print(line)


@ends_well
def database_roles(
    context: typer.Context,
    *,
    sync: Annotated[str, typer.Option("--sync", help="Role that writes the marks.")] = "clearance_sync",
    desk: Annotated[
        str, typer.Option("--desk", help="Role that writes accounts, sessions and requests.")
    ] = "clearance_desk",
    portal: Annotated[str, typer.Option("--portal", help="Role that reads the marks.")] = "clearance_portal",
    operator: Annotated[str, typer.Option("--operator", help="Role that enters decisions.")] = "clearance_operator",
    students: Annotated[str, typer.Option("--students", help="Role of the students' pages.")] = "clearance_students",
    only_print: Annotated[bool, typer.Option("--print", help="Print the statements; run none.")] = False,
) -> None:
    """Grant five PostgreSQL roles their rights. Run it again after each upgrade."""
    settings, named = chosen(context).program().settings, Roles(sync, desk, portal, operator, students)
    marks, accounts = settings.status_db.url.reveal(), desk_url(settings.status_db)
    together = _same_database(marks, accounts)
    where: list[tuple[str, tuple[Part, ...]]] = (
        [(marks, ("marks", "desk"))] if together else [(marks, ("marks",)), (accounts, ("desk",))]
    )
    for url, parts in where:
        database = make_url(url).database
        if only_print:
            tables.OUT.print(f"-- in {database}, as the owner of its tables")
            plan = planned(url, named, parts)
            for statement in plan.owners:
                tables.OUT.print(f"{statement};")
            tables.OUT.print(f"-- in {database}, as a superuser of the server")
            for statement in plan.superusers:
                tables.OUT.print(f"{statement};")
        else:
            run, left = apply(url, named, parts)
            tables.OUT.print(f"{database}: {run} statements run")
            if left:
                tables.OUT.print(f"{database}: {left} need a superuser of the server: clearance db roles --print")


def _same_database(one: str, other: str) -> bool:
    a, b = make_url(one), make_url(other)
    return (a.host, a.port, a.database, a.query.get("host")) == (b.host, b.port, b.database, b.query.get("host"))


def _refuse_lost_database(settings: Settings) -> None:
    """Raise StoreError when the SQLite file is missing or empty, and the ledger's key shows that there was one."""
    file, key = sqlite_file(settings.status_db.url.reveal()), settings.status_db.ledger_key_file
    if file is None or not key.exists() or (file.exists() and file.stat().st_size):
        return
    raise StoreError(
        f"The status database {file} is {'empty' if file.exists() else 'missing'}, and the ledger's key {key} shows "
        "that there was one. Restore a backup: clearance restore FOLDER. To start a new database instead, move the "
        "key away first."
    )


def upgrade_both(settings: Settings) -> list[str]:
    """Upgrade the tables of the marks and of the desk; return a line for each."""
    _refuse_lost_database(settings)
    lines: list[str] = []
    for part, url in (("marks", settings.status_db.url.reveal()), ("desk", desk_url(settings.status_db))):
        before, after = upgrade(url, part)  # type: ignore[arg-type]  # a tuple of literals is read as text
        lines.append(f"{part}: at {after}" + ("" if before == after else f", from {before or 'nothing'}"))
    return lines
