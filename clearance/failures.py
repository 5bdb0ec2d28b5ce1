"""What a command says when something went wrong that no other part of the program expects."""

import errno
import os
import secrets
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from clearance.context import ERROR
from clearance.show import ERR
from config.plain_text import plain


def unexpected(error: Exception) -> int:
    """Tell what went wrong in a sentence with the fix; return the exit code.

    The traceback goes into a file that this user alone can read, under a number that the message names: a message is
    no place for it, since an error's text may hold a secret.
    """
    if _lost_output(error):
        with suppress(OSError):
            ERR.print(f"The output could not be written: {error}. Make room there, or write to another place.")
        return ERROR
    number = secrets.token_hex(4)
    kept = _kept(error, number)
    where = f"Its details are in {kept}." if kept else "Its details could not be kept: no folder takes a file."
    ERR.print(
        f"Error {number}: the program has met something it does not expect ({type(error).__name__}). A change that was "
        f"not complete is not stored. {where} Run the command again; if it ends so again, send that file to those who "
        "maintain the program."
    )
    return ERROR


def _lost_output(error: Exception) -> bool:
    """Say whether it is the output itself that takes no more."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EPIPE) and not error.filename


def _kept(error: Exception, number: str) -> Path | None:
    """Write the traceback into a file, with the command; return the file, None where none can be written."""
    text = "".join(traceback.format_exception(error))
    try:
        handle, name = tempfile.mkstemp(prefix=f"clearance-{number}-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"python {sys.version}\n{plain(text)}")
    except OSError:
        return None
    return Path(name)
