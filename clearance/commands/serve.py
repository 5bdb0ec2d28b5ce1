"""Commands that keep running, and those that prepare the database."""

import atexit
import os
import shutil
import signal
import sys
import threading
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, NoReturn

import structlog
import typer
from sqlalchemy import make_url

from clearance.commands.paper import nightly
from clearance.context import GlobalOptions, ServedCohorts, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.institution_programs import institution_folder_of, programs_of
from clearance.institutions.folder import Institutions
from clearance.institutions.schedules import Schedules
from clearance.monitoring.observed import ScheduleMetrics, serve_workers_metrics
from clearance.notify.assembly import notify_service
from clearance.output import tables
from clearance.settings_file import CONFIG_VARIABLE, INSTITUTION_VARIABLE, INSTITUTIONS_VARIABLE, KEPT_VARIABLE
from config import logs
from config.load import SettingsError
from config.processes import Process
from config.settings import Settings
from foundation.service_manager import ServiceManager
from foundation.translation import N_, tr
from portal.server import serve as serve_pages
from status_db.desk.address import desk_url
from status_db.store.engine import StoreError, sqlite_file
from status_db.store.migrate import Part, upgrade
from status_db.store.roles import Roles, apply, planned
from sync.run.season import for_each
from sync.service.inbox import OTHERS, RECHECKS
from sync.service.polling import RECHECKS_EVERY, Polling
from sync.service.reloading import Loaded, run_until_stopped
from sync.service.schedule import Background, Schedule


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
    metrics, manager = ScheduleMetrics(), ServiceManager.of(os.environ)
    here = chosen(context)
    if here.several:
        if not _schedules(here, metrics).run(
            stopped, reload, manager.ready, manager.alive, manager.stopping, manager.beat
        ):
            _leave_at_once()
        return

    def running(loaded: Loaded) -> None:
        manager.ready()
        if manager.beat is not None:
            loaded.schedule.repeat(manager.alive, manager.beat)

    if not run_until_stopped(
        lambda: _loaded(context, metrics), stopped, reload, metrics.started, running, manager.stopping
    ):
        _leave_at_once()


def _leave_at_once() -> NoReturn:
    """End the process while a run is under way: its threads would keep it. The database rolls the run back."""
    sys.stderr.flush()
    os._exit(0)


def _schedules(here: GlobalOptions, metrics: ScheduleMetrics) -> Schedules:
    """Return the schedules of all institutions. Raises SettingsError."""
    here.refuse_cohort()

    def load(settings: Settings) -> Loaded:
        served = programs_of(here, settings, Process.SCHEDULE)
        loaded = Loaded(settings, _schedule_of(served), served.first.close)
        metrics.of(loaded, served)
        return loaded

    def changed(found: Institutions) -> None:
        logs.configure(found.process.log)
        metrics.share(found.process, found.usable())

    return Schedules(institution_folder_of(here), load, metrics, changed)


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
        lambda: sum(for_each(partial(program.serving.serve, OTHERS) for program in programs)),
        lambda slot: sum(for_each(partial(nightly(program), slot) for program in programs)),
        lambda: served.first.retention,
        served.first.gate.wait,
        lambda: _beside(served),
    )


def _beside(served: ServedCohorts) -> list[Background]:
    """Return what runs beside the schedule: rechecks, and the notifications where the settings have a channel."""
    within = served.first.settings.schedule.stop_within.total_seconds()
    rechecks = Polling(
        lambda: sum(for_each(partial(program.serving.serve, RECHECKS) for program in served.programs)),
        RECHECKS_EVERY,
        within,
    )
    notifying = notify_service(served.first)
    return [rechecks, notifying] if notifying is not None else [rechecks]


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
    manager = ServiceManager.of(os.environ)
    here = chosen(context)
    if here.several:
        _serve_several(here, what, host, port, manager)
        return
    program = here.program(_PROCESSES[what], service=True)
    # An error that would end each worker ends the command here, with a message.
    program.look_at_marks(_PROCESSES[what])
    _ = program.accounts, program.key.of("serving")
    if what is ServedPart.DESK and not program.settings.desk.enabled:
        fail(
            tr(
                "there is no desk: enabled = false in [desk]. Write true, or serve the pages alone: clearance "
                "serve pages"
            )
        )
    portal = program.settings.portal
    for warning in portal.warnings:
        structlog.get_logger("clearance.portal").warning(warning)
    if here.institutions is not None:
        os.environ[INSTITUTIONS_VARIABLE] = str(here.institutions.resolve())
        os.environ[INSTITUTION_VARIABLE] = program.settings.key
    else:
        for variable in (INSTITUTIONS_VARIABLE, INSTITUTION_VARIABLE):
            os.environ.pop(variable, None)
        os.environ[CONFIG_VARIABLE] = str(here.file.resolve())
    serve_workers_metrics(program.settings.metrics, _PROCESSES[what])
    serve_pages(WEB_TARGETS[what], host or portal.host, port or portal.port, portal.workers, portal.limits, manager)


def _serve_several(
    here: GlobalOptions, what: ServedPart, host: str | None, port: int | None, manager: ServiceManager
) -> None:
    """Serve the pages of all institutions. SIGHUP replaces the workers, which read the folder again."""
    here.refuse_cohort()
    folder = institution_folder_of(here)
    os.environ[INSTITUTIONS_VARIABLE] = str(folder.folder.resolve())
    kept = mkdtemp(prefix="clearance-institutions-")
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    os.environ[KEPT_VARIABLE] = kept
    folder.kept = Path(kept)
    found = folder.read()
    logs.configure(found.process.log)
    for settings in found.settings.values():
        for warning in settings.portal.warnings:
            structlog.get_logger("clearance.portal").warning(warning, institution=settings.key)
    portal = found.process.portal
    serve_workers_metrics(found.process.metrics, _PROCESSES[what])
    serve_pages(WEB_TARGETS[what], host or portal.host, port or portal.port, portal.workers, portal.limits, manager)


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
            tables.OUT.print(tr("-- in {database}, as the owner of its tables", database=database))
            plan = planned(url, named, parts)
            for statement in plan.owners:
                tables.OUT.print(f"{statement};")
            tables.OUT.print(tr("-- in {database}, as a superuser of the server", database=database))
            for statement in plan.superusers:
                tables.OUT.print(f"{statement};")
        else:
            run, left = apply(url, named, parts)
            tables.OUT.print(tr("{database}: {run} statements run", database=database, run=run))
            if left:
                tables.OUT.print(
                    tr(
                        "{database}: {left} need a superuser of the server: clearance db roles --print",
                        database=database,
                        left=left,
                    )
                )


def _same_database(one: str, other: str) -> bool:
    a, b = make_url(one), make_url(other)
    return (a.host, a.port, a.database, a.query.get("host")) == (b.host, b.port, b.database, b.query.get("host"))


def _refuse_lost_database(settings: Settings) -> None:
    """Raise StoreError when the SQLite file is missing or empty, and the ledger's key shows that there was one."""
    file, key = sqlite_file(settings.status_db.url.reveal()), settings.status_db.ledger_key_file
    if file is None or not key.exists() or (file.exists() and file.stat().st_size):
        return
    text = (
        N_(
            "The status database {file} is empty, and the ledger's key {key} shows that there was one. Restore a "
            "backup: clearance restore FOLDER. To start a new database instead, move the key away first."
        )
        if file.exists()
        else N_(
            "The status database {file} is missing, and the ledger's key {key} shows that there was one. Restore a "
            "backup: clearance restore FOLDER. To start a new database instead, move the key away first."
        )
    )
    raise StoreError(tr(text, file=file, key=key))


def upgrade_both(settings: Settings) -> list[str]:
    """Upgrade the tables of the marks and of the desk; return a line for each."""
    _refuse_lost_database(settings)
    lines: list[str] = []
    for part, url in (("marks", settings.status_db.url.reveal()), ("desk", desk_url(settings.status_db))):
        before, after = upgrade(url, part)  # type: ignore[arg-type]  # a tuple of literals is read as text
        text = N_("{part}: at {after}") if before == after else N_("{part}: at {after}, from {before}")
        lines.append(tr(text, part=part, after=after, before=before or tr("nothing")))
    return lines
