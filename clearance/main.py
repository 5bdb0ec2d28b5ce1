"""The `clearance` command: what can be asked of the program, by hand or by a service manager."""

from pathlib import Path
from typing import Annotated

import typer

from clearance import accounts as accounting
from clearance import (
    codes,
    deciding,
    demo_command,
    granting,
    importing,
    judging,
    keeping,
    numbering,
    paper,
    reading,
    reporting,
    reviewing,
    services,
    syncing,
    taking_back,
    tokening,
    verifying,
)
from clearance.context import Chosen
from clearance.wiring import CONFIG_VARIABLE

app = typer.Typer(
    help="Pulls what graduates still owe from the offices, and tells everyone where each student stands.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 changes pending, 4 suspended, 5 source unavailable or refused, "
    "6 verify failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def choose(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help=f"The settings file; else ${CONFIG_VARIABLE}, else clearance.toml here."),
    ] = None,
    cohort: Annotated[
        str | None, typer.Option("--cohort", help="Which cohort; the file's first when left out.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is going on.")] = False,  # noqa: FBT002 - as Typer has options
) -> None:
    """Note what was chosen before the command's own name."""
    context.obj = Chosen(config, cohort, verbose, context.call_on_close)


app.command()(syncing.check)
app.command()(syncing.plan)
app.command()(syncing.sync)
app.command()(verifying.verify)
app.command()(reading.status)
app.command()(reading.sources)
app.command()(reading.strangers)
app.command()(reporting.report)
app.command()(services.schedule)
app.command()(services.serve)
app.command()(paper.paper)
app.command()(keeping.backup)
app.command()(keeping.restore)
app.add_typer(demo_command.app, name="demo")

runs = typer.Typer(help="Runs: what happened, and what waits for a person.", no_args_is_help=True)
runs.command("list")(reading.list_runs)
runs.command("show")(reading.show_run)
runs.command("spot-check")(judging.spot_check)
runs.command("plausible")(judging.plausible)
runs.command("approve")(judging.approve)
runs.command("reject")(judging.reject)
runs.command("revert")(taking_back.revert)
app.add_typer(runs, name="runs")

waves = typer.Typer(help="Waves that offices announce: many students who will move at once.", no_args_is_help=True)
waves.command("announce")(judging.announce_wave)
waves.command("list")(judging.list_waves)
waves.command("withdraw")(judging.withdraw_wave)
app.add_typer(waves, name="waves")

override = typer.Typer(help="Decisions of operators on single steps.", no_args_is_help=True)
override.command("set")(deciding.set_override)
override.command("withdraw")(deciding.withdraw_override)
override.command("list")(deciding.list_overrides)
app.add_typer(override, name="override")

roster = typer.Typer(help="The registrar's list.", no_args_is_help=True)
roster.command("renumber")(numbering.renumber)
app.add_typer(roster, name="roster")

results = typer.Typer(help="Results of an office, brought as a sheet.", no_args_is_help=True)
results.command("results")(importing.import_results)
results.command("list")(importing.list_batches)
results.command("undo")(importing.undo)
results.command("template")(importing.template)
app.add_typer(results, name="import")

reviews = typer.Typer(help="The final review of each student.", no_args_is_help=True)
reviews.command("give")(reviewing.give)
reviews.command("withdraw")(reviewing.withdraw)
app.add_typer(reviews, name="reviews")

certificates = typer.Typer(help="What students leave with.", no_args_is_help=True)
certificates.command("issue")(reviewing.issue)
certificates.command("hand-over")(reviewing.hand_over)
certificates.command("revoke")(reviewing.revoke)
certificates.command("list")(reviewing.list_certificates)
app.add_typer(certificates, name="certificates")

accounts = typer.Typer(help="Who may sign in, and what each may do.", no_args_is_help=True)
accounts.command("add")(accounting.add)
accounts.command("list")(accounting.listed)
accounts.command("students")(accounting.students)
accounts.command("deactivate")(accounting.deactivate)
accounts.command("activate")(accounting.activate)
accounts.command("unlock")(accounting.unlock)
accounts.command("reset-factor")(accounting.reset_factor)
accounts.command("codes")(codes.codes)
accounts.command("password")(codes.password)
accounts.command("import-identities")(codes.import_identities)
accounts.command("grant")(granting.grant)
accounts.command("take")(granting.take)
accounts.command("hand-over")(granting.hand_over)
accounts.command("import-grants")(granting.import_grants)
app.add_typer(accounts, name="accounts")

tokens = typer.Typer(help="Other programs' keys to the API.", no_args_is_help=True)
tokens.command("make")(tokening.make)
tokens.command("list")(tokening.list_tokens)
tokens.command("withdraw")(tokening.withdraw)
app.add_typer(tokens, name="tokens")

database = typer.Typer(help="The status database.", no_args_is_help=True)
database.command("upgrade")(services.upgrade_database)
database.command("roles")(services.database_roles)
app.add_typer(database, name="db")


def main() -> None:
    """Run the command line."""
    app()
