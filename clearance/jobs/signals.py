"""What the schedule and the worker share: signals, and the cohorts that they load."""

import signal
import threading

import typer

from clearance.context import GlobalOptions, ServedCohorts
from clearance.jobs.cluster import refuse_unusable_queue
from config.load import SettingsError
from config.processes import Process


def reload_on_hangup() -> threading.Event:
    """Return the event that SIGHUP sets."""
    reload = threading.Event()
    signal.signal(signal.SIGHUP, lambda _signal, _frame: reload.set())
    return reload


def loaded_cohorts(here: GlobalOptions, process: Process) -> ServedCohorts:
    """Load the settings, and return the cohorts to serve. Raises Refused, also where the cohort is not there any more.

    What a service uses later is opened now, so that it fails now.
    """
    try:
        served = here.season(process, service=True)
    except typer.Exit as ended:
        raise SettingsError(here.file, [f'[[cohort]]: there is no "{here.cohort}": add it, or start again']) from ended
    refuse_unusable_queue(served.first.settings, here.file)
    open_all(served)
    return served


def open_all(served: ServedCohorts) -> None:
    """Open what the cohorts' jobs use. Raises StoreError."""
    _ = [(program.sync, program.serving, program.votes) for program in served.programs]
    _ = served.season, served.first.gate, served.first.desk
