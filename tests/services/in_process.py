"""The real command, run in this process: the same words, environment, outputs and exit code, without its start.

It is for tests whose subject is what a command does. Where the process itself is the subject, its signals, its memory
or its end, start one: `University.start`.
"""

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import structlog
from sqlalchemy import Engine

from clearance.main import main
from foundation import translation
from tests.compiling import create_engine


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def command(arguments: Sequence[str], environ: Mapping[str, str], stdin: str = "", encoding: str = "utf-8") -> Ended:
    """Run the command with these words and nothing but this environment, on a console of this encoding."""
    assert threading.current_thread() is threading.main_thread(), "outputs and environment are the whole process's"
    out, err = _Output(encoding), _Output(encoding)
    with _left_as_found(), patch.dict(os.environ, environ, clear=True), redirect_stdout(out), redirect_stderr(err):
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape")), encoding="utf-8")
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Ended(code, out.text(), err.text())


class _Output(io.TextIOWrapper):
    """An output as a process has it: text over bytes."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="", write_through=True)

    def text(self) -> str:
        """Return what was written."""
        self.flush()
        written: Any = self.buffer
        return str(written.getvalue().decode(self.encoding))


@contextmanager
def _left_as_found() -> Iterator[None]:
    """Let go of every database that is opened inside, as the end of a process does, and put back what it set."""
    root, stdin, opened = logging.getLogger(), sys.stdin, list[Engine]()
    handlers, level, stop = list(root.handlers), root.level, signal.getsignal(signal.SIGTERM)
    chosen = list(translation._chosen)

    def kept(*args: Any, **kwargs: Any) -> Engine:
        opened.append(create_engine(*args, **kwargs))
        return opened[-1]

    try:
        with patch("status_db.store.engine.create_engine", kept):
            yield
    finally:
        for each in opened:
            each.dispose()
        root.handlers[:], sys.stdin = handlers, stdin
        root.setLevel(level)
        translation._chosen[:] = chosen
        signal.signal(signal.SIGTERM, stop)
        structlog.reset_defaults()
