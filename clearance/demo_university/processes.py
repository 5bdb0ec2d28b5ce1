"""What runs beside the demo's pages, and ends with them: the schedule and the finance office's program."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from clearance.context import GlobalOptions, fail
from clearance.supervision.children import start, stop
from demo.offices import Offices
from foundation.translation import tr
from portal.server import OnHangup

FINANCE_PORT = 8619

#: Seconds to wait for runs in progress when the demo ends.
_SCHEDULE_ENDS = 30


def end_with_terminal() -> OnHangup:
    """Make SIGHUP, which a closed terminal sends, end the command as Ctrl-C does. Return what a server does at it.

    Where SIGHUP is ignored, as under nohup, it stays ignored.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return OnHangup.IGNORE

    def end(_signal: int, _frame: object) -> NoReturn:
        # A shell passes the signal on, and the system sends it again when the shell ends.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGHUP, end)
    return OnHangup.STOP


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
        # It is closed after what it had was shown as an error.
        if process.stderr is not None and not process.stderr.closed:
            process.communicate()


def _served_folder(port: int) -> str | None:
    """Return the folder of the finance office on this port; None when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return str(json.load(answer)["data"]["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
