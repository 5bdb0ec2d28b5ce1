"""The `clearance` command: what can be asked of the program, by hand or by a service manager."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from clearance import failures
from clearance.completion import cohorts
from clearance.context import USAGE, GlobalOptions
from clearance.lazy import group
from clearance.output import tables, terminal
from clearance.output.tables import ERR, OUT
from clearance.settings_file import CONFIG_VARIABLE
from foundation.private_files import UMASK

#: In the order in which the help lists them, before the groups. Nothing of a command is imported until it is called.
_COMMANDS = {
    "check": "sync:check",
    "plan": "sync:plan",
    "sync": "sync:sync",
    "verify": "verify:verify",
    "status": "status:status",
    "sources": "status:sources",
    "strangers": "status:unmatched_keys",
    "report": "report:report",
    "log-name": "log_name:name_in_log",
    "schedule": "serve:schedule",
    "serve": "serve:serve",
    "paper": "paper:paper",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "retention": "retention:retention",
    "demo": "demo:app",
}

app = typer.Typer(
    cls=group(_COMMANDS),
    help="Pulls what graduates still owe from the offices, and tells everyone where each student stands.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 changes pending, 4 suspended, 5 source unavailable or refused, "
    "6 verify failed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer has options
    """Print which version this is, and end."""
    if wanted:
        from foundation.version import UNKNOWN, program_version  # noqa: PLC0415 - few ask

        version = program_version()
        if version == UNKNOWN:
            ERR.print("The version is not known, because the program is not installed. Install it: make install")
            raise typer.Exit(1)
        OUT.print(f"clearance {version}")
        raise typer.Exit


@app.callback()
def choose(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help=f"The settings file; else ${CONFIG_VARIABLE}, else clearance.toml here."),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option("--cohort", help="Which cohort; the file's first when left out.", autocompletion=cohorts),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is going on.")] = False,  # noqa: FBT002 - as Typer has options
    version: Annotated[  # noqa: ARG001, FBT002 - its callback answers
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Note what was chosen before the command's own name."""
    tables.speak_of()
    context.obj = GlobalOptions(config, cohort, verbose, context.call_on_close)


def _grouped(name: str, text: str, places: dict[str, str]) -> None:
    app.add_typer(typer.Typer(cls=group(places), help=text, no_args_is_help=True), name=name)


_grouped(
    "runs",
    "Runs: what happened, and what waits for a person.",
    {
        "list": "status:list_runs",
        "show": "status:show_run",
        "spot-check": "runs:spot_check",
        "plausible": "runs:plausible",
        "approve": "runs:approve",
        "reject": "runs:reject",
        "revert": "revert:revert",
    },
)
_grouped(
    "waves",
    "Waves that offices announce: many students who will move at once.",
    {
        "announce": "runs:announce_expected_change",
        "list": "runs:list_expected_changes",
        "withdraw": "runs:withdraw_expected_change",
    },
)
_grouped(
    "override",
    "Decisions of operators on single steps.",
    {
        "set": "override:set_override",
        "withdraw": "override:withdraw_override",
        "list": "override:list_overrides",
    },
)
_grouped("roster", "The registrar's list.", {"renumber": "roster:renumber"})
_grouped(
    "import",
    "Results of an office, brought as a sheet.",
    {
        "results": "imports:import_results",
        "list": "imports:list_batches",
        "undo": "imports:undo",
        "template": "imports:template",
    },
)
_grouped(
    "reviews",
    "The final review of each student.",
    {
        "give": "reviews:give",
        "withdraw": "reviews:withdraw",
    },
)
_grouped(
    "certificates",
    "What students leave with.",
    {
        "issue": "reviews:issue",
        "hand-over": "reviews:hand_over",
        "revoke": "reviews:revoke",
        "list": "reviews:list_certificates",
    },
)
_grouped(
    "accounts",
    "Who may sign in, and what each may do.",
    {
        "add": "accounts:add",
        "list": "accounts:listed",
        "students": "accounts:students",
        "deactivate": "accounts:deactivate",
        "activate": "accounts:activate",
        "unlock": "accounts:unlock",
        "reset-factor": "accounts:reset_factor",
        "seal": "accounts:seal",
        "codes": "codes:codes",
        "password": "codes:password",
        "import-identities": "codes:import_identities",
        "grant": "grants:grant",
        "take": "grants:take",
        "hand-over": "grants:hand_over",
        "import-grants": "grants:import_grants",
    },
)
_grouped(
    "tokens",
    "Other programs' keys to the API.",
    {
        "make": "tokens:make",
        "list": "tokens:list_tokens",
        "withdraw": "tokens:withdraw",
    },
)
_grouped(
    "db",
    "The status database.",
    {
        "upgrade": "serve:upgrade_database",
        "roles": "serve:database_roles",
    },
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with these words, else with the process's own; end with a documented exit code."""
    # Nothing that a command or its children write is for other users of this machine.
    os.umask(UMASK)
    terminal.take_any_text()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if wrong := terminal.unreadable_word(words):
        ERR.print(wrong)
        sys.exit(USAGE)
    code: str | int | None = 0
    try:
        try:
            # The name is fixed: completion is installed for it, and `python -m clearance` would give another.
            app(words, prog_name="clearance")
        except SystemExit as ended:
            code = ended.code
        # What is written last may be what finds no room.
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - nobody sees a traceback
        code = failures.unexpected(error)
    sys.exit(code)
