"""Catches what would hold up every request: work without a bound, done on the event loop's own thread.

A page that renders a traceback, hashes a password, reads a workbook, writes one, draws a PDF, asks another server or
starts a process does so in a thread or in a helper. On the loop each of these refuses here.
"""

import asyncio
import functools
import subprocess
import threading
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import argon2
import fpdf
import openpyxl
import python_calamine
import requests
import xlsxwriter
import zxcvbn

from portal.auth import passwords
from status_db.store import engine

#: Where each is called, and by which name.
BLOCKING: tuple[tuple[Any, str], ...] = (
    (argon2.PasswordHasher, "hash"),
    (argon2.PasswordHasher, "verify"),
    (passwords, "zxcvbn"),
    (zxcvbn, "zxcvbn"),
    (traceback, "format_exception"),
    (traceback, "print_exception"),
    (traceback.TracebackException, "__init__"),
    (openpyxl, "load_workbook"),
    (python_calamine, "load_workbook"),
    (xlsxwriter.Workbook, "__init__"),
    (fpdf.FPDF, "__init__"),
    (zipfile.ZipFile, "__init__"),
    (requests.Session, "send"),
    (subprocess.Popen, "__init__"),
    (time, "sleep"),
    # Whoever writes waits for its turn, and for the disk.
    (engine, "_confirm_version"),
)


class OnTheLoop(BaseException):
    """Something without a bound was done on the event loop. No page answers this as one of its own faults."""


@contextmanager
def refused_on_the_loop() -> Iterator[None]:
    """Have each of these refuse to run where an event loop runs."""
    with ExitStack() as patched:
        for place, name in BLOCKING:
            patched.enter_context(patch.object(place, name, _refusing(getattr(place, name), name)))
        yield


def _refusing(work: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(work)
    def refusing(*args: Any, **kwargs: Any) -> Any:
        # Pages are served in threads here; the main thread is the test's, where a browser may keep a loop of its own.
        served = threading.current_thread() is not threading.main_thread()
        if served and asyncio._get_running_loop() is not None:
            raise OnTheLoop(f"{name} on the event loop: do it in a thread (Context.ask_long) or in its turn")
        return work(*args, **kwargs)

    return refusing
