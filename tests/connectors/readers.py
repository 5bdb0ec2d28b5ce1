"""Readers for the sandbox's tests: good ones, broken ones, hostile ones. A child process imports them from here."""

import os
import signal
import sys
import time as clock
from collections.abc import Generator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable

Rows = Generator[tuple[object, ...], None, Any]

#: One cell of each type, and the values where a type is easily lost.
EVERY_TYPE: tuple[object, ...] = (
    "东区",
    20151001,
    20151001.0,
    Decimal("3.20"),
    date(2019, 5, 30),
    datetime(2019, 5, 30, 7, 40),  # noqa: DTZ001 - as a sheet holds it
    datetime(2019, 5, 30, 7, 40, tzinfo=UTC),
    time(7, 40),
    timedelta(minutes=3),
    True,
    b"\x00",
    None,
)


def every_type(_path: Path, _asked: object) -> Rows:
    yield EVERY_TYPE
    return ("columns", 1)


def many(_path: Path, asked: int) -> Rows:
    for number in range(asked):
        yield (number,)


def unavailable(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    raise SourceUnavailable("it is away", "Try again.")


def refused(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    raise SourceRefused("it says no", "Call someone.")


def garbled(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    raise SourceGarbled("it makes no sense", "Mend it.")


def mistaken(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    raise ZeroDivisionError("nothing to share")


def opening(path: Path, _asked: object) -> Rows:
    with path.open("rb") as file:
        yield (file.read(),)


def aborting(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    os.abort()


def leaving(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    os._exit(0)


def killed(_path: Path, _asked: object) -> Rows:
    yield ("a part",)
    os.kill(os.getpid(), signal.SIGKILL)


def greedy(_path: Path, _asked: object) -> Rows:
    hoard: list[bytes] = []
    while True:
        hoard.append(b"x" * 1_000_000)
        if not hoard:
            yield ()


def generous(_path: Path, _asked: object) -> Rows:
    while True:
        yield ("x" * 1_000,)


def busy(_path: Path, asked: object) -> Rows:
    while True:
        if asked is not None:
            yield ()


def idle(_path: Path, _asked: object) -> Rows:
    clock.sleep(3_600)
    yield ()


def chatty(_path: Path, _asked: object) -> Rows:
    sys.stdout.write("warning: something")
    sys.stdout.flush()
    os.write(1, b"and more")
    yield ("said",)


def smuggling(path: Path, _asked: object) -> Rows:
    yield (path,)


def surroundings(_path: Path, _asked: object) -> Rows:
    yield tuple(os.environ)


def writing(path: Path, _asked: object) -> Rows:
    path.write_bytes(b"x")
    yield ("written",)


def endless(_path: Path, _asked: object) -> Rows:
    """Tell the process's number, in a whole batch, and then nothing more."""
    for _ in range(1_000):
        yield (os.getpid(),)
    clock.sleep(3_600)
