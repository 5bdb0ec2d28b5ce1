"""The message for an unexpected error, and the file with its traceback."""

import errno
import os
import secrets
import sys
import tempfile
import traceback
from pathlib import Path

from clearance.context import ERROR, end_output
from clearance.output.tables import ERR
from config.log_names import without_numbers
from config.tables.plain_text import plain
from foundation.translation import tr

#: Errors of the output itself: full, broken, or closed by its reader.
_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EPIPE)


def unexpected(error: Exception) -> int:
    """Print a message with the fix; return the exit code.

    The traceback is written to a file that only this user can read, because an error's text may contain a secret. The
    message names the file.
    """
    if isinstance(error, OSError) and error.errno in _OUTPUT and not error.filename:
        end_output()
        if error.errno == errno.EPIPE:
            # The reader of the output has closed it.
            return 0
        ERR.print(
            tr(
                "The output could not be written: {why}. Free some space, or write to another place.",
                why=error.strerror,
            )
        )
        return ERROR
    number, kind = secrets.token_hex(4), type(error).__name__
    if kept := _kept(error, number):
        text = tr(
            "Error {number}: unexpected error ({kind}). An incomplete change is not stored. Its details are in {file}. "
            "Run the command again; if it fails the same way, send that file to the maintainers of the program.",
            number=number,
            kind=kind,
            file=kept,
        )
    else:
        text = tr(
            "Error {number}: unexpected error ({kind}). An incomplete change is not stored. Its details could not be "
            "written: no folder is writable. Run the command again; if it fails the same way, make a folder for "
            "temporary files writable, and send the file that is then written to the maintainers of the program.",
            number=number,
            kind=kind,
        )
    ERR.print(text)
    return ERROR


def _kept(error: Exception, number: str) -> Path | None:
    """Write the traceback, without student numbers, to a file; return the file, or None when no file can be written."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix=f"clearance-{number}-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"python {sys.version}\n{plain(without_numbers(text))}")
    except OSError:
        return None
    return Path(name)
