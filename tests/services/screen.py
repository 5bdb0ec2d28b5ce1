"""A command on a real terminal, and what is on the screen when it has ended."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from termios import TIOCSWINSZ

from tests.patience import PATIENCE

_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n\b])|([^\x1b\r\n\b]+)", re.DOTALL)


def on_a_terminal(arguments: Sequence[str], environ: Mapping[str, str], columns: int = 200) -> tuple[int, str]:
    """Run `python -m clearance` with a terminal for every stream; return its exit code and all that it wrote."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "clearance", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"TERM": "xterm-256color", **environ},
    )
    os.close(slave)
    written, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline and select.select([master], [], [], PATIENCE)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:
            # Linux says so when the last process has closed its end.
            break
        if not part:
            break
        written += part
    os.close(master)
    return process.wait(PATIENCE), written.decode("utf-8")


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows after this, without the blanks at their ends."""
    lines, row, column = [""], 0, 0
    for found in _PIECE.finditer(written):
        arguments, command, moved, text = found.groups()
        if moved == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif moved:
            column = 0 if moved == "\r" else max(0, column - 1)
        elif text:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
        elif command == "A":
            row = max(0, row - int(arguments or 1))
        elif command == "K":
            lines[row] = "" if arguments == "2" else lines[row][:column]
    return [line.rstrip() for line in lines]
