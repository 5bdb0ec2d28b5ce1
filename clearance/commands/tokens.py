"""Commands `tokens`: API tokens of other programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well, system_user
from clearance.output import tables
from clearance.output.code_words import joined
from clearance.services import Program
from config.renames import stored_name
from foundation.translation import tr
from foundation.zones import in_zone
from status_db.accounts import api_tokens
from status_db.accounts.audit_log import AuditEvent


@ends_well
def create(
    context: typer.Context,
    title: Annotated[str, typer.Argument(help="The program that uses it.")],
    *,
    account: Annotated[str, typer.Option("--as", help="Give it the grants of this account.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until",
            help=f"End it at this local time (default: after {api_tokens.LIFE.days} days).",
        ),
    ] = None,
    recheck: Annotated[
        list[str] | None,
        typer.Option("--recheck", help="Let it request rechecks of this source; * for each. Can be repeated."),
    ] = None,
) -> None:
    """Create an API token. It is printed only once."""
    program = chosen(context).program()
    sources = _sources(program, recheck or ())
    now, zone, by = program.clock(), program.settings.institution.timezone, system_user()
    end = in_zone(until, zone) if until else now + api_tokens.LIFE
    secret = api_tokens.new_token()
    made = program.tokens.make(api_tokens.hash_of(secret), title, account, end, by=by, now=now, recheck=sources)
    program.audit.note(
        AuditEvent.TOKEN_MADE,
        account=by,
        now=now,
        token=made.id,
        title=made.title,
        whose=made.account,
        until=end.isoformat(),
        recheck=sources,
    )
    tables.OUT.print(
        tr(
            "token {token} has the grants of {account} until {until}",
            token=made.id,
            account=made.account,
            until=tables.moment(end, zone),
        )
    )
    if made.recheck:
        tables.OUT.print(tr("it can request rechecks of {sources}", sources=joined(made.recheck)))
    tables.OUT.print(tr("shown only once: {secret}", secret=secret))


def _sources(program: Program, given: Sequence[str]) -> list[str]:
    """Return the stored names of sources, or `*`. Exits if there is no such source."""
    sources = [stored_name(program.settings, name.strip()) for name in given]
    for name in sources:
        if name != api_tokens.EVERY_SOURCE and name not in program.settings.source:
            known = ", ".join(program.settings.source)
            raise typer.BadParameter(
                tr('there is no source "{name}": write one of {known}, or * for each', name=name, known=known)
            )
    return sources


@ends_well
def list_tokens(context: typer.Context, *, json: Json = False) -> None:
    """List tokens, the newest first, including expired and revoked ones."""
    program = chosen(context).program()
    now, zone, found = program.clock(), program.settings.institution.timezone, program.tokens.listed()
    if json:
        tables.as_json(found)
        return
    tables.table(
        (
            tr("token"),
            tr("title"),
            tr("account"),
            tr("created"),
            tr("by"),
            tr("until"),
            tr("used"),
            tr("rechecks"),
            tr("valid"),
        ),
        (
            (
                t.id,
                t.title,
                t.account,
                tables.moment(t.made_at, zone),
                t.made_by,
                tables.moment(t.until, zone),
                tables.moment(t.used_at, zone),
                ", ".join(t.recheck),
                tr("yes") if t.opens(now) else tr("revoked") if t.withdrawn_at else tr("lapsed"),
            )
            for t in found
        ),
        none=tr("There are no tokens. Create one: clearance tokens create"),
    )


@ends_well
def revoke(context: typer.Context, token: Annotated[str, typer.Argument(help="The token's name in the list.")]) -> None:
    """Revoke a token."""
    program = chosen(context).program()
    now, by = program.clock(), system_user()
    revoked = program.tokens.withdraw(token, now)
    program.audit.note(
        AuditEvent.TOKEN_WITHDRAWN, account=by, now=now, token=revoked.id, title=revoked.title, whose=revoked.account
    )
    tables.OUT.print(tr("token {token} ({title}) is revoked", token=revoked.id, title=revoked.title))
