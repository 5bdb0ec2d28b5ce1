"""Shell completion of names in the settings file: cohorts, sources and steps.

The file is not checked and no database is queried, because the shell waits for the result.
"""

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from clearance.settings_file import INSTITUTION_VARIABLE, INSTITUTIONS_VARIABLE, chosen_file
from config.institutions import institution_in, institutions_in


def cohorts(context: typer.Context, incomplete: str) -> list[str]:
    """Return the cohorts' keys that begin with this text."""
    return _matching(_keys_in(context, "cohort"), incomplete)


def sources(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the roster and of the sources that begin with this text."""
    return _matching(["roster", *_source_names(context)], incomplete)


def sources_alone(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the sources that begin with this text."""
    return _matching(_source_names(context), incomplete)


def steps(context: typer.Context, incomplete: str) -> list[str]:
    """Return the steps' keys that begin with this text."""
    return _matching(_keys_in(context, "step"), incomplete)


#: The key of a step, as an argument of a command.
StepKey = Annotated[str, typer.Argument(autocompletion=steps)]


def _keys_in(context: typer.Context, tables: str) -> Iterable[Any]:
    listed = _read_settings(context).get(tables)
    return (entry.get("key") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()


def _source_names(context: typer.Context) -> Iterable[Any]:
    table = _read_settings(context).get("source")
    return table if isinstance(table, dict) else ()


def institution_keys(context: typer.Context, incomplete: str) -> list[str]:
    """Return the keys of the institutions that begin with this text."""
    named = context.find_root().params.get("institutions") or os.environ.get(INSTITUTIONS_VARIABLE)
    try:
        return _matching((one.key for one in institutions_in(Path(named))) if named else (), incomplete)
    except OSError:
        return []


def _read_settings(context: typer.Context) -> dict[str, Any]:
    """Return the content of the settings file; empty when it cannot be read."""
    options = context.find_root().params
    named = options.get("config")
    folder = None if named else options.get("institutions") or os.environ.get(INSTITUTIONS_VARIABLE)
    key = options.get("institution") or os.environ.get(INSTITUTION_VARIABLE) or ""
    file = institution_in(Path(folder), key).file if folder else chosen_file(Path(named) if named else None)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}


def _matching(names: Iterable[Any], incomplete: str) -> list[str]:
    return [name for name in names if isinstance(name, str) and name.startswith(incomplete)]
