"""Logging setup: constant events with keys, as lines for people or as JSON for collectors."""

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
from foundation import acting

#: The most calls and characters of a traceback that are logged.
_MOST_CALLS = 40
_LONGEST_TRACEBACK = 12_000

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def bounded_traceback(exc_info: _ExcInfo) -> str:
    """Return the traceback of an exception and its causes, without local variables and student numbers.

    It is safe to print. If it is longer than 12,000 characters, its middle is omitted.
    """
    # The last calls of each exception matter; the first are the server's own.
    whole = "".join(traceback.TracebackException(*exc_info, limit=-_MOST_CALLS, compact=True).format()).rstrip("\n")
    if len(whole) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        whole = f"{whole[:half]}\n… {len(whole) - 2 * half:,} letters left out …\n{whole[-half:]}"
    return plain(without_numbers(whole))


def _write_traceback(out: TextIO, broken: _ExcInfo) -> None:
    out.write("\n" + bounded_traceback(broken))


def _name_institution(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Add the institution, where there are several."""
    if key := acting.institution():
        event.setdefault("institution", key)
    return event


class _StandardError:
    """The standard error of the moment: a progress bar replaces `sys.stderr` while it is shown."""

    def write(self, text: str) -> int:
        """Write a text."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        sys.stderr.flush()


def _escape_texts(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape every character of an event that would change the terminal."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


def _hide_numbers(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace student numbers in an event by log names: see `config.log_names`."""
    return {key: value if key in _TECHNICAL else nameless(value, key) for key, value in event.items()}


#: Fields that later processors need unchanged; `bounded_traceback` removes the numbers from them.
_TECHNICAL = {"exc_info", "_record", "_from_structlog"}


class _JsonLines(structlog.processors.JSONRenderer):
    """JSON lines in which characters that are unsafe to print are escaped."""

    def __call__(
        self, logger: structlog.typing.WrappedLogger, name: str, event_dict: structlog.typing.EventDict
    ) -> str | bytes:
        """Write one event."""
        written = super().__call__(logger, name, event_dict)
        return json_plain(written) if isinstance(written, str) else written


def configure(log: Log, key: Callable[[], bytes | None] = lambda: None) -> None:
    """Write structlog's events and other libraries' warnings to standard error in the configured format.

    `key` returns the key that student numbers are hashed with; None if it does not exist yet.
    """
    use_key(key)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_institution,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: structlog.typing.Processor
    if log.format == "json":
        shared += [structlog.processors.ExceptionRenderer(bounded_traceback), _hide_numbers]
        last = _JsonLines(ensure_ascii=False)
    else:
        shared += [_hide_numbers, _escape_texts]
        # Rich's own tracebacks show local variables, including passwords, and each takes most of a second to draw.
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    level = getattr(logging, log.level.upper())
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(_StandardError()),  # type: ignore[arg-type]  # it needs no more
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=last, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
