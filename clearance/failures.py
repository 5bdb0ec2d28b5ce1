"""What a command says when something went wrong that no other part of the program expects."""

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

#: How the output itself fails: full, broken, or closed by its reader.
_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EPIPE)


def unexpected(error: Exception) -> int:
    """Say in a sentence what went wrong, with the fix; return the exit code.

    The traceback goes into a file that this user alone can read, under a number that the message names: a message is
    no place for it, since an error's text may hold a secret.
    """
    if isinstance(error, OSError) and error.errno in _OUTPUT and not error.filename:
        end_output()
        if error.errno == errno.EPIPE:
            # Whoever read our output has seen enough.
            return 0
        ERR.print(f"The output could not be written: {error.strerror}. Make room there, or write to another place.")
        return ERROR
    number = secrets.token_hex(4)
    kept = _kept(error, number)
    where = f"Its details are in {kept}." if kept else "Its details could not be kept: no folder takes a file."
    ERR.print(
        f"Error {number}: the program has met something it does not expect ({type(error).__name__}). A change that was "
        f"not complete is not stored. {where} Run the command again; if it fails the same way, send that file to those "
        "who maintain the program."
    )
    return ERROR


def _kept(error: Exception, number: str) -> Path | None:
    """Write the traceback, without student numbers, into a file; return the file, None where none can be written."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix=f"clearance-{number}-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"python {sys.version}\n{plain(without_numbers(text))}")
    except OSError:
        return None
    return Path(name)
