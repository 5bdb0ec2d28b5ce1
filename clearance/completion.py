"""What a shell completes besides commands and options: names that stand in the settings file.

The file is read as it is and not checked, and nothing is asked of a database: a shell waits for the answer.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from clearance.settings_file import chosen_file


def cohorts(context: typer.Context, incomplete: str) -> list[str]:
    """Return the cohorts' keys that begin so."""
    return _beginning(_keys(context, "cohort"), incomplete)


def sources(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the roster and of the sources that begin so."""
    return _beginning(["roster", *_sources(context)], incomplete)


def sources_alone(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the sources that begin so."""
    return _beginning(_sources(context), incomplete)


def steps(context: typer.Context, incomplete: str) -> list[str]:
    """Return the steps' keys that begin so."""
    return _beginning(_keys(context, "step"), incomplete)


#: The key of a step, as a command takes it.
StepKey = Annotated[str, typer.Argument(autocompletion=steps)]


def _keys(context: typer.Context, tables: str) -> Iterable[Any]:
    listed = _settings(context).get(tables)
    return (entry.get("key") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()


def _sources(context: typer.Context) -> Iterable[Any]:
    table = _settings(context).get("source")
    return table if isinstance(table, dict) else ()


def _settings(context: typer.Context) -> dict[str, Any]:
    """Return what the settings file says; nothing where it cannot be read."""
    named = context.find_root().params.get("config")
    try:
        return tomllib.loads(chosen_file(Path(named) if named else None).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}


def _beginning(names: Iterable[Any], incomplete: str) -> list[str]:
    return [name for name in names if isinstance(name, str) and name.startswith(incomplete)]
