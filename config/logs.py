"""Logging, set up once: constant events with keys, as lines for people or as JSON for collectors."""

import logging
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

import structlog

from config.log_names import nameless, use_key, without_numbers
from config.settings import Log
from config.tables.plain_text import json_plain, plain

#: A traceback keeps so many of its last calls, and so many letters.
_CALLS = 40
_LONGEST_TRACEBACK = 12_000

_Broken = tuple[type[BaseException], BaseException, TracebackType | None]


def bounded_traceback(exc_info: _Broken) -> str:
    """Return the traceback of an exception and of those behind it: without local variables and student numbers,
    harmless to print, and with its middle left out where it is longer than 12,000 letters.
    """
    # The last calls of each exception are the ones that matter; the first are the server's own.
    whole = "".join(traceback.TracebackException(*exc_info, limit=-_CALLS, compact=True).format()).rstrip("\n")
    if len(whole) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        whole = f"{whole[:half]}\n… {len(whole) - 2 * half:,} letters left out …\n{whole[-half:]}"
    return plain(without_numbers(whole))


def _write_traceback(out: TextIO, broken: _Broken) -> None:
    out.write("\n" + bounded_traceback(broken))


class _Standard:
    """Standard error as it is when something is written: a progress bar stands in for it while it is shown."""

    def write(self, text: str) -> int:
        """Write a text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Have it seen."""
        sys.stderr.flush()


def _plain(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Leave no text of others in an event that would change anything on a terminal."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


def _nameless(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Leave no student number in an event: see `config.log_names`."""
    return {key: value if key in _TECHNICAL else nameless(value, key) for key, value in event.items()}


#: What the last steps still need as it is: `bounded_traceback` takes the numbers out of it.
_TECHNICAL = {"exc_info", "_record", "_from_structlog"}


class _JsonLines(structlog.processors.JSONRenderer):
    """JSON in which characters that are harmful to print are escapes."""

    def __call__(
        self, logger: structlog.typing.WrappedLogger, name: str, event_dict: structlog.typing.EventDict
    ) -> str | bytes:
        """Write one event."""
        written = super().__call__(logger, name, event_dict)
        return json_plain(written) if isinstance(written, str) else written


def configure(log: Log, key: Callable[[], bytes | None] = lambda: None) -> None:
    """Send structlog's events to standard error in the chosen form; other libraries' warnings go the same way.

    `key` gives what student numbers are hashed with, None where it is not there yet.
    """
    use_key(key)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: structlog.typing.Processor
    if log.format == "json":
        shared += [structlog.processors.ExceptionRenderer(bounded_traceback), _nameless]
        last = _JsonLines(ensure_ascii=False)
    else:
        shared += [_nameless, _plain]
        # Rich's own tracebacks show local variables, and passwords among them; each takes most of a second to draw.
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    level = getattr(logging, log.level.upper())
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_Standard()),  # type: ignore[arg-type]  # it needs no more
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Standard())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
