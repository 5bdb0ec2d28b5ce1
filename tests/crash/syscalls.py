"""Faults at single calls into the kernel, by strace: a signal or an error at the n-th write, sync or removal."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Never

import pytest

from tests.crash.processes import Actor

#: Every call by which a process changes a file or waits until a change is on disk.
CHANGES = (
    "write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "sync_file_range", "fallocate", "truncate",
    "ftruncate", "unlink", "unlinkat", "rename", "renameat", "renameat2",
)  # fmt: skip

# Not every machine has all of them: `?` lets one be missing.
_TRACE = ",".join(f"?{name}" for name in CHANGES)

REQUIRE_VARIABLE = "CLEARANCE_TEST_REQUIRE_STRACE"


def cannot_be_had(why: str) -> Never:
    """Skip the test, or fail it where strace is required."""
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"strace is required here, and cannot be had: {why}")
    pytest.skip(why)


@contextmanager
def traced(actor: Actor, log: Path, *injected: str, whole: bool = False) -> Iterator[None]:
    """Write an actor's changing calls into a file, one a line, and inject faults into some of them.

    With `whole`, strings come in full and hexadecimal.
    """
    strace = shutil.which("strace")
    if strace is None:
        cannot_be_had("no strace: install it to try the faults of single calls")
    faults = [word for fault in injected for word in ("-e", f"inject={fault}")]
    strings = ("-xx", "-s", "100000") if whole else ()
    # `-y` writes the file behind each number.
    command = [strace, "-y", *strings, "-p", str(actor.pid), "-o", str(log), "-e", f"trace={_TRACE}", *faults]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    try:
        first = tracer.stderr.readline()
        if "attached" not in first:
            tracer.wait(10)
            cannot_be_had(f"strace may not trace here ({first.strip()}): allow ptrace")
        yield
    finally:
        # Ended by its actor's end; or by us, where that is alive still.
        if actor.process.is_alive():
            tracer.terminate()
        tracer.wait(30)
        tracer.stderr.close()


def calls(log: Path) -> list[tuple[str, str]]:
    """Return each call of a log: its name, and its line."""
    found = (re.match(r"(\w+)\(", line) for line in log.read_text(encoding="utf-8").splitlines())
    return [(match[1], match.string) for match in found if match]


def points(log: Path) -> list[tuple[str, int]]:
    """Return each call in order, as its name and how many of that name have come, itself included."""
    seen: dict[str, int] = {}
    listed = []
    for name, _ in calls(log):
        seen[name] = seen.get(name, 0) + 1
        listed.append((name, seen[name]))
    return listed
