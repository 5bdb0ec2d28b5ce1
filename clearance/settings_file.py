"""The settings file of a command, with the connectors' own keys, and the clock it configures."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from pydantic import BaseModel

import connectors
from clearance.institutions.folder import InstitutionFolder
from config.institutions import InstitutionFile
from config.load import load
from config.settings import Settings
from connectors.port import Connector, Question
from foundation.shifted_clock import ShiftedClock

#: Names the settings file when the command line does not.
CONFIG_VARIABLE = "CLEARANCE_CONFIG"

#: Name the folder of the institutions and one of them, when the command line does not.
INSTITUTIONS_VARIABLE, INSTITUTION_VARIABLE = "CLEARANCE_INSTITUTIONS", "CLEARANCE_INSTITUTION"

#: For the processes that a server starts: where it keeps the settings that could be used.
KEPT_VARIABLE = "CLEARANCE_INSTITUTIONS_KEPT"


class _Module(Protocol):
    """A connector's module."""

    Settings: type[BaseModel]

    def connect(self, settings: Any, question: Question) -> Connector:  # noqa: ANN401 - each connector's own keys
        """Make the connector."""
        ...


@cache
def connector_module(name: str) -> _Module | None:
    """Return the module of a connector; None when there is no connector of that name.

    Raises ImportError when it needs a module that is not installed.
    """
    if name not in {module.name for module in iter_modules(connectors.__path__)}:
        return None
    module = import_module(f"connectors.{name}")
    return cast("_Module", module) if hasattr(module, "connect") else None


def schema_of(connector: str) -> type[BaseModel] | None:
    """Return the schema of a connector's own keys; None when there is no connector of that name.

    Raises ImportError when it needs a module that is not installed.
    """
    module = connector_module(connector)
    return module.Settings if module else None


def load_settings(file: Path, institution: InstitutionFile | None = None) -> Settings:
    """Return the settings of a file, overridden by the environment. Raises SettingsError."""
    return load(file, schema_of, institution=institution)


def chosen_file(file: Path | None) -> Path:
    """Return the settings file: the one given, the environment's, or the one in this folder."""
    return file or Path(os.environ.get(CONFIG_VARIABLE, "clearance.toml"))


def institution_folder(folder: Path | None = None) -> InstitutionFolder | None:
    """Return the folder of the institutions: the one given, or the environment's; None for a single institution."""
    named = folder or os.environ.get(INSTITUTIONS_VARIABLE)
    kept = os.environ.get(KEPT_VARIABLE)
    return InstitutionFolder(Path(named), schema_of, kept=Path(kept) if kept else None) if named else None


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


def clock_of(settings: Settings) -> Callable[[], datetime]:
    """Return the clock of the program: the demo's own clock for the demo, else the real one."""
    return ShiftedClock(settings.demo.clock_file) if settings.demo.clock_file is not None else now
