"""Command `up`: the scheduler, the pages and the desk as children of one process, for a small place."""

import json
import os
import sys
from threading import Lock
from typing import Annotated

import typer

from clearance.context import GlobalOptions, chosen, ends_well, fail
from clearance.institution_programs import institution_folder_of
from clearance.institutions.folder import log_faults
from clearance.supervision.children import STOPS_WITHIN, Child, Supervisor
from config.processes import Process
from config.settings import Settings
from foundation.service_manager import ServiceManager
from foundation.translation import tr
from portal.server import local_address, refuse_used_port


@ends_well
def up(
    context: typer.Context,
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Listen on this host (default: from the settings).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Serve students on this port (default: from the settings)."),
    ] = None,
    desk_port: Annotated[
        int | None,
        typer.Option("--desk-port", min=1, max=65535, help="Serve staff on this port (default: the next port)."),
    ] = None,
    stop_within: Annotated[
        float, typer.Option("--stop-within", min=1, help="Kill what has not ended so many seconds after a stop.")
    ] = STOPS_WITHIN,
) -> None:
    """Run the schedule, the pages and the desk; start again what ends, until stopped."""
    manager = ServiceManager.of(os.environ)
    here = chosen(context)
    if here.several:
        here.refuse_cohort()
        found = institution_folder_of(here).read()
        log_faults(found)
        portal, log = found.process.portal, found.process.log
        has_desk = not found.settings or any(one.desk.enabled for one in found.settings.values())
    else:
        settings = _checked_settings(here)
        portal, log, has_desk = settings.portal, settings.log, settings.desk.enabled
    children = _children(here, host or portal.host, port or portal.port, desk_port, has_desk=has_desk)
    lines = _Lines(as_json=log.format == "json")
    if not Supervisor(children, lines.show, manager, stop_within).run():
        fail(
            tr(
                "Not every process ended in time, and the rest was killed. What it had not finished is not stored. "
                "Allow more time: --stop-within"
            )
        )


def _checked_settings(here: GlobalOptions) -> Settings:
    """Return the settings. Raises what would end a child at once: SettingsError, StoreError."""
    settings = here.program(Process.SCHEDULE, service=True).settings
    for process in (Process.PAGES, Process.DESK) if settings.desk.enabled else (Process.ALL,):
        here.program(process, service=True).look_at_marks(process)
    return settings


def _children(here: GlobalOptions, host: str, port: int, desk_port: int | None, *, has_desk: bool) -> list[Child]:
    """Return the children. Without a desk, one process serves all pages. Raises CannotListen."""
    options = here.words()
    staff_port = desk_port or port % 65535 + 1
    if staff_port == port:
        fail(tr("--desk-port is the port of the students' pages: choose another one."))
    served = [("pages", port), ("desk", staff_port)] if has_desk else [("all", port)]
    children = [Child("schedule", [*options, "schedule"])]
    for what, number in served:
        refuse_used_port(host, number)
        words = [*options, "serve", what, "--host", host, "--port", str(number)]
        children.append(Child("pages" if what == "all" else what, words, (local_address(host), number)))
    return children


class _Lines:
    """Prints the lines of the children on standard error, each with the name of its process."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._turn = Lock()

    def show(self, name: str, line: bytes) -> None:
        """Print one line. An object of a JSON log gets the key `process`; in such a log, any other line is one, too."""
        if not self._as_json:
            written = f"{name:<8} | ".encode() + line
        elif line.startswith(b"{"):
            written = f'{{"process": "{name}", '.encode() + line[1:]
        else:
            text = line.decode("utf-8", "replace")
            written = json.dumps({"process": name, "event": text}, ensure_ascii=False).encode()
        with self._turn:
            sys.stderr.buffer.write(written + b"\n")
            sys.stderr.buffer.flush()
