"""The commands that a message suggests, as they run when copied: the same program and the same settings as now."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from config.cohorts import COMMANDS, OF_NO_SETTINGS

#: The command's name where nothing else is known. The texts of the code suggest it.
NAME = "clearance"

#: The options of this process that name its settings, before the command's name.
_options: list[str] = []

_SUGGESTED = re.compile(rf"(?<![\w/.-])(?<!-m ){NAME} (?=((?:--(?:cohort|institution) \S+ )*)({'|'.join(COMMANDS)})\b)")


def use_options(words: Sequence[str] = ()) -> None:
    """Set the options that every suggested command gets from now on."""
    _options[:] = [shlex.quote(word) for word in words]


def program() -> str:
    """Return what starts this program: its name where the shell finds it, else the words that started it."""
    started = sys.argv[0] if sys.argv else ""
    if Path(started).name == "__main__.py" and Path(started).parent.name == NAME:
        return f"{shlex.quote(sys.orig_argv[0])} -m {NAME}"
    found = shutil.which(NAME)
    if Path(started).name != NAME or (found and os.path.realpath(found) == os.path.realpath(started)):
        return NAME
    return shlex.quote(started)


def as_started(text: str) -> str:
    """Return a text in which each suggested command is called as this process was."""
    if NAME not in text:
        return text
    return _SUGGESTED.sub(_call, text)


def _call(found: re.Match[str]) -> str:
    options = () if found[2] in OF_NO_SETTINGS else _options
    return " ".join((program(), *options, ""))
