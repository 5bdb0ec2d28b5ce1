"""The `clearance` command line: its commands, groups and global options."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from clearance import failures
from clearance.completion import cohorts, institution_keys
from clearance.context import USAGE, GlobalOptions
from clearance.lazy import group
from clearance.output import tables, terminal
from clearance.output.tables import ERR, OUT
from clearance.settings_file import CONFIG_VARIABLE, INSTITUTION_VARIABLE, INSTITUTIONS_VARIABLE
from foundation.private_files import UMASK
from foundation.translation import language_of, tr, use_language, wrong_language

#: Commands in the order of the help, before the groups. A command is imported when it is called.
_COMMANDS = {
    "check": "sync:check",
    "plan": "sync:plan",
    "sync": "sync:sync",
    "verify": "verify:verify",
    "status": "status:status",
    "sources": "sources:app",
    "unmatched": "status:unmatched_keys",
    "report": "report:report",
    "log-name": "log_name:name_in_log",
    "schedule": "serve:schedule",
    "worker": "worker:worker",
    "serve": "serve:serve",
    "up": "up:up",
    "paper": "paper:paper",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "retention": "retention:retention",
    "demo": "demo:app",
}

#: Old → new names. The old ones work for one release and are not listed.
RENAMED = {
    "waves": "expect",
    "strangers": "unmatched",
    "runs plausible": "runs confirm",
    "tokens make": "tokens create",
    "tokens withdraw": "tokens revoke",
    "accounts take": "accounts revoke-grant",
}

app = typer.Typer(
    cls=group(_COMMANDS, RENAMED),
    help="Collect what graduates still owe from the offices, and show the status of each student.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 changes pending, 4 suspended, 5 source unavailable or refused, "
    "6 verify failed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer has options
    """Print the version, and exit."""
    if wanted:
        from foundation.version import UNKNOWN, program_version  # noqa: PLC0415 - needed for --version alone

        version = program_version()
        if version == UNKNOWN:
            ERR.print(tr("The version is unknown because the program is not installed. Install it: make install"))
            raise typer.Exit(1)
        OUT.print(f"clearance {version}")
        raise typer.Exit


def _path_in(variable: str) -> Path | None:
    return Path(found) if (found := os.environ.get(variable)) else None


@app.callback()
def choose(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help=f"Use this settings file (default: ${CONFIG_VARIABLE}, or clearance.toml)."
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option("--cohort", help="Use this cohort (default: the first open one).", autocompletion=cohorts),
    ] = None,
    institutions: Annotated[
        Path | None,
        typer.Option(
            "--institutions",
            help=f"Use this folder with a settings file for each institution (default: ${INSTITUTIONS_VARIABLE}).",
        ),
    ] = None,
    institution: Annotated[
        str | None,
        typer.Option(
            "--institution",
            help=f"Use this institution of the folder (default: ${INSTITUTION_VARIABLE}).",
            autocompletion=institution_keys,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the log.")] = False,  # noqa: FBT002 - as Typer has options
    version: Annotated[  # noqa: ARG001, FBT002 - its callback answers
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Store the global options."""
    tables.set_cohort_naming()
    if config is None:
        institutions = institutions or _path_in(INSTITUTIONS_VARIABLE)
        institution = institution or os.environ.get(INSTITUTION_VARIABLE) or None
    context.obj = GlobalOptions(config, cohort, verbose, context.call_on_close, institutions, institution)


def _add_group(name: str, text: str, places: dict[str, str]) -> None:
    app.add_typer(typer.Typer(cls=group(places, RENAMED, name), help=text, no_args_is_help=True), name=name)


_add_group(
    "runs",
    "Show runs; confirm, approve, reject or revert them.",
    {
        "list": "status:list_runs",
        "show": "status:show_run",
        "spot-check": "runs:spot_check",
        "confirm": "runs:confirm",
        "approve": "runs:approve",
        "reject": "runs:reject",
        "revert": "revert:revert",
    },
)
_add_group(
    "expect",
    "Announce large changes that the guard must expect.",
    {
        "announce": "runs:announce_expected_change",
        "list": "runs:list_expected_changes",
        "withdraw": "runs:withdraw_expected_change",
    },
)
_add_group(
    "override",
    "Decide a step of one student.",
    {
        "set": "override:set_override",
        "withdraw": "override:withdraw_override",
        "list": "override:list_overrides",
    },
)
_add_group("roster", "Correct the roster.", {"renumber": "roster:renumber"})
_add_group(
    "import",
    "Import an office's results from a sheet.",
    {
        "results": "imports:import_results",
        "list": "imports:list_batches",
        "undo": "imports:undo",
        "template": "imports:template",
    },
)
_add_group(
    "reviews",
    "Give or withdraw the final review of a student.",
    {
        "give": "reviews:give",
        "withdraw": "reviews:withdraw",
    },
)
_add_group(
    "certificates",
    "Issue, hand over, revoke and list certificates.",
    {
        "issue": "reviews:issue",
        "hand-over": "reviews:hand_over",
        "revoke": "reviews:revoke",
        "list": "reviews:list_certificates",
    },
)
_add_group(
    "accounts",
    "Manage accounts, their grants and their codes.",
    {
        "add": "accounts:add",
        "list": "accounts:listed",
        "students": "accounts:students",
        "deactivate": "accounts:deactivate",
        "activate": "accounts:activate",
        "unlock": "accounts:unlock",
        "reset-factor": "accounts:reset_factor",
        "addresses": "notify:addresses",
        "seal": "accounts:seal",
        "codes": "codes:codes",
        "password": "codes:password",
        "import-identities": "codes:import_identities",
        "grant": "grants:grant",
        "revoke-grant": "grants:revoke_grant",
        "hand-over": "grants:hand_over",
        "import-grants": "grants:import_grants",
    },
)
_add_group(
    "notify",
    "Try the notifications, and list them.",
    {
        "test": "notify:try_channels",
        "list": "notify:list_notices",
    },
)
_add_group(
    "tokens",
    "Manage the API tokens of other programs.",
    {
        "create": "tokens:create",
        "list": "tokens:list_tokens",
        "revoke": "tokens:revoke",
    },
)
_add_group(
    "institutions",
    "List the institutions of this installation, and add one.",
    {
        "list": "institutions:list_institutions",
        "add": "institutions:add",
    },
)
_add_group(
    "db",
    "Prepare the status database.",
    {
        "upgrade": "serve:upgrade_database",
        "roles": "serve:database_roles",
    },
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line with these arguments, or with the process's own; exit with a documented code."""
    # Other users of this machine must not read what a command or its children write.
    os.umask(UMASK)
    terminal.replace_unencodable()
    words = list(sys.argv[1:] if arguments is None else arguments)
    use_language(language_of(os.environ))
    if fault := wrong_language(os.environ):
        ERR.print(fault)
        sys.exit(USAGE)
    if fault := terminal.unreadable_word(words):
        ERR.print(fault)
        sys.exit(USAGE)
    code: str | int | None = 0
    try:
        try:
            # Completion is installed for this name; `python -m clearance` would set another one.
            app(words, prog_name="clearance")
        except SystemExit as ended:
            code = ended.code
        # The disk may be full only at the last write.
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - no traceback on the terminal
        code = failures.unexpected(error)
    sys.exit(code)
