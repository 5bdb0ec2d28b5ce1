"""The demo's folder: its settings file, its databases, its clock and its offices."""

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import typer

from clearance.context import USAGE, GlobalOptions, chosen, fail
from clearance.settings_file import CONFIG_VARIABLE
from demo.clock import DemoClock
from demo.offices import Offices
from foundation.translation import tr

_LIBRARY_VARIABLE = "DEMO_LIBRARY_URL"

#: Where everything is, unless the command line names another folder.
_DEFAULT = Path(".demo")

_NAME = "demo.toml"

#: Where a command keeps the folder of --folder for its subcommands.
_META = "clearance.demo.folder"


def choose_folder(context: typer.Context, folder: Path | None) -> None:
    """Have this command and its subcommands use a folder. Exit if the command line names a settings file as well."""
    if folder is not None and chosen(context).config is not None:
        fail(tr("--folder and --config contradict each other. Give one of them."), USAGE)
    context.meta[_META] = folder


def demo_options(context: typer.Context) -> GlobalOptions:
    """Return the global options. If there is no settings file, copy the demo's own into its folder first."""
    here, folder = chosen(context), context.meta.get(_META)
    if folder is None and (here.config is not None or CONFIG_VARIABLE in os.environ or here.file.exists()):
        return here
    file = (folder or _DEFAULT) / _NAME
    if not file.exists():
        if folder is not None and folder.is_dir() and any(folder.iterdir()):
            fail(
                tr(
                    "the folder {folder} has other files, and no demo. Nothing was written. Name an empty folder, or "
                    "one that does not exist yet.",
                    folder=folder,
                )
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        # In the project the settings are beside this folder; here they are in it.
        own = resources.files("config").joinpath(_NAME).read_bytes()
        file.write_bytes(own.replace(f"../{_DEFAULT}/".encode(), b""))
    return replace(here, config=file)


def demo_clock(here: GlobalOptions) -> DemoClock:
    """Return the clock of the settings, which each command checks first."""
    file = here.program().settings.demo.clock_file
    assert file is not None  # noqa: S101 - as checked
    return DemoClock(file)


def offices_of(here: GlobalOptions) -> Offices:
    """Return the demo's offices: beside its clock."""
    return Offices(demo_clock(here).file.parent / "offices", os.environ.get(_LIBRARY_VARIABLE, ""))


def as_shown(folder: Path) -> Path:
    """Return a folder as a person names it: below the current folder without the way to that one."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
