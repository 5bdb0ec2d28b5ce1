"""The page of codes: exit codes of commands, statuses of the API, and the code of each refusal."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

from clearance import context
from foundation.refusals import Refused
from portal.api.document import PROBLEMS
from supply.error_texts import FOLDERS
from supply.reference.doc_comments import doc_comments, module_comments
from supply.reference.markdown import code, table

_EXIT_CODES = ("SUCCESS", "ERROR", "USAGE", "PENDING", "SUSPENDED", "UNAVAILABLE", "VERIFY_FAILED")

_HEAD = """# Codes

What the program returns to other programs: exit codes of commands, statuses of the API, and the code of each refusal.
[Error texts](../error-texts.md) lists the texts that people read. `make reference` writes this page from the code.

## Exit codes

Every command ends with one of these.
"""

_PROBLEMS = """## Statuses of the API

An error of the [API](../api.md) is `application/problem+json`. Its `detail` has the cause and the fix.
"""

_REFUSALS = """## Refusals

Every error that a person reads is a `Refused` with a code of its own family. The code selects the sentence of a page. A
command prints the text and returns the exit code.
"""


def page() -> str:
    """Return the page."""
    exits = module_comments(context)
    rows = ((str(getattr(context, name)), exits[name]) for name in _EXIT_CODES)
    problems = ((status, meaning) for status, meaning in PROBLEMS.items())
    pieces = [
        _HEAD.strip(),
        table(("exit code", "meaning"), rows),
        _PROBLEMS.strip(),
        table(("status", "meaning"), problems),
        _REFUSALS.strip(),
    ]
    for family in families():
        codes = codes_of(family)
        meanings = doc_comments(codes)
        pieces.append(f"### {family.__name__}")
        pieces.append(f"{inspect.getdoc(family)}".partition("\n\n")[0].replace("\n", " "))
        pieces.append(table(("code", "meaning"), ((code(each.value), meanings[each.name]) for each in codes)))
    return "\n\n".join(pieces) + "\n"


def families() -> tuple[type[Refused[Any]], ...]:
    """Return the classes of refusals that have codes of their own, by name."""
    for folder in FOLDERS:
        package = importlib.import_module(folder)
        for module in pkgutil.walk_packages(package.__path__, f"{folder}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return tuple(sorted(Refused.__subclasses__(), key=lambda each: each.__name__))


def codes_of(family: type[Refused[Any]]) -> type[StrEnum]:
    """Return the codes of a class of refusals."""
    (codes,) = next(_arguments(family))
    return codes


def _arguments(family: type[Refused[Any]]) -> Iterator[tuple[type[StrEnum], ...]]:
    yield from (get_args(base) for base in family.__dict__["__orig_bases__"] if get_args(base))
