"""Commands about tokens: other programs' keys to the API."""

from datetime import datetime
from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well, system_user
from clearance.output import tables
from foundation.zones import in_zone
from status_db.accounts import api_tokens
from status_db.accounts.audit_log import AuditEvent


@ends_well
def make(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="Which program uses it.")],
    *,
    account: Annotated[str, typer.Option("--as", help="The account whose grants it has.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            help=f"When it ends, on the institution's clocks; after {api_tokens.LIFE.days} days when left out.",
        ),
    ] = None,
) -> None:
    """Make a token for the API. It is printed this once."""
    program = chosen(context).program()
    now, zone, by = program.clock(), program.settings.institution.timezone, system_user()
    end = in_zone(until, zone) if until else now + api_tokens.LIFE
    secret = api_tokens.new_token()
    made = program.tokens.make(api_tokens.hash_of(secret), title, account, end, by=by, now=now)
    program.audit.note(
        AuditEvent.TOKEN_MADE,
        account=by,
        now=now,
        token=made.id,
        title=made.title,
        whose=made.account,
        until=end.isoformat(),
    )
    tables.OUT.print(f"token {made.id} has the grants of {made.account} until {tables.moment(end, zone)}")
    tables.OUT.print(f"shown this once: {secret}")


@ends_well
def list_tokens(context: typer.Context, *, json: Json = False) -> None:
    """List tokens, the newest first, those that open nothing any more too."""
    program = chosen(context).program()
    now, zone, found = program.clock(), program.settings.institution.timezone, program.tokens.listed()
    if json:
        tables.as_json(found)
        return
    tables.table(
        ("token", "title", "account", "made", "by", "until", "used", "opens"),
        (
            (
                t.id,
                t.title,
                t.account,
                tables.moment(t.made_at, zone),
                t.made_by,
                tables.moment(t.until, zone),
                tables.moment(t.used_at, zone),
                "yes" if t.opens(now) else "withdrawn" if t.withdrawn_at else "ended",
            )
            for t in found
        ),
    )


@ends_well
def withdraw(context: typer.Context, token: Annotated[str, typer.Argument(help="As the list names it.")]) -> None:
    """Have a token open nothing from now on."""
    program = chosen(context).program()
    now, by = program.clock(), system_user()
    gone = program.tokens.withdraw(token, now)
    program.audit.note(
        AuditEvent.TOKEN_WITHDRAWN, account=by, now=now, token=gone.id, title=gone.title, whose=gone.account
    )
    tables.OUT.print(f"token {gone.id} ({gone.title}) opens nothing any more")
