"""Commands that keep running, and the one that prepares the database."""

import os
import threading
from typing import Annotated

import typer

from clearance import show
from clearance.context import chosen, ends_well, stop_like_ctrl_c
from clearance.wiring import CONFIG_VARIABLE
from config.settings import Settings
from portal.server import serve as serve_pages
from status_db.accounts import desk_url
from status_db.migrate import upgrade
from sync.schedule import Schedule

#: What the server imports in each of its processes.
WEB_TARGET = "clearance.web:app"


@ends_well
def schedule(context: typer.Context) -> None:
    """Ask every source as its schedule says, until stopped."""
    program = chosen(context).program(service=True)
    stop_like_ctrl_c()
    running = Schedule(program.settings, program.sync, program.clock, program.decisions.sweep, program.serving.serve)
    running.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        running.stop()


@ends_well
def serve(
    context: typer.Context,
    *,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen, if not as [portal] says.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65535, help="Likewise.")] = None,
) -> None:
    """Serve the pages, until stopped."""
    here = chosen(context)
    program = here.program(service=True)
    _ = program.reader, program.accounts
    portal = program.settings.portal
    os.environ[CONFIG_VARIABLE] = str(here.file.resolve())
    serve_pages(WEB_TARGET, host or portal.host, port or portal.port, portal.workers)


@ends_well
def upgrade_database(context: typer.Context) -> None:
    """Make the status database's tables, or bring them to this program's."""
    for line in upgrade_both(chosen(context).program().settings):
        show.OUT.print(line, markup=False)


def upgrade_both(settings: Settings) -> list[str]:
    """Bring the marks and the desk to the newest tables; return a line for each."""
    lines: list[str] = []
    for part, url in (("marks", settings.status_db.url.get_secret_value()), ("desk", desk_url(settings.status_db))):
        before, after = upgrade(url, part)  # type: ignore[arg-type]  # a tuple of literals is read as text
        lines.append(f"{part}: at {after}" + ("" if before == after else f", from {before or 'nothing'}"))
    return lines
