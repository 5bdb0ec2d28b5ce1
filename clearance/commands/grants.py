"""Commands about grants: give, revoke, hand over, and import from a list."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.commands.accounts import UntilCohort
from clearance.context import chosen, ends_well, fail
from clearance.files.lists import rows_in
from clearance.output import tables
from clearance.output.grant_words import GrantUnreadable, grant_of, grant_text, grants_of, grants_text, stored_grant
from clearance.services import Program
from connectors.port import SourceError
from foundation.translation import tr
from status_db.accounts.accounts import Grant, normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.sign_in.second_factor import AccountFactors, asked_of

_COLUMNS = ("账号", "姓名", "权限", "环节", "范围", "届别")
#: The columns of lists that were made for an earlier release.
_FORMER_COLUMNS = ("账号", "姓名", "权限", "事项", "范围", "届别")


@ends_well
def grant(
    context: typer.Context,
    account: str,
    grants: Annotated[
        list[str], typer.Argument(help="ACT, ACT:STEP, or ACT:STEP:COLUMN=VALUE,VALUE;COLUMN=VALUE; * for every step.")
    ],
    *,
    until_cohort: UntilCohort = None,
    author: Author = "",
) -> None:
    """Give grants to an account. Its other grants stay."""
    program = chosen(context).program()
    by = author_of(program, author)
    try:
        wanted = [grant_of(program, text, until_cohort) for text in grants]
    except GrantUnreadable as error:
        raise typer.BadParameter(str(error)) from None
    given = program.accounts.grant(account, wanted)
    if given:
        note(program, AuditEvent.GRANTED, by, of=normalise_account(account), grants=[stored_grant(g) for g in given])
    for one in given:
        tables.OUT.print(tr("grant {number}: {grant}", number=one.id, grant=grant_text(one)))
    if not given:
        tables.OUT.print(tr("the account already has these grants"))


@ends_well
def revoke_grant(context: typer.Context, account: str, number: int, *, author: Author = "") -> None:
    """Revoke a grant, by its number in `accounts list`."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    if number not in {one.id for one in program.accounts.grants(name)}:
        fail(tr('"{name}" has no grant {number}. See: clearance accounts list', name=name, number=number))
    _, taken = program.accounts.take_grant(number)
    note(program, AuditEvent.GRANT_TAKEN, by, of=name, grants=[stored_grant(taken)])
    tables.OUT.print(tr("revoked from {name}: {grant}", name=name, grant=grant_text(taken)))


@ends_well
def hand_over(context: typer.Context, before: str, after: str, *, author: Author = "") -> None:
    """Move all grants of one account to another."""
    program = chosen(context).program()
    by = author_of(program, author)
    moved = program.accounts.hand_over(before, after)
    source, target = normalise_account(before), normalise_account(after)
    note(program, AuditEvent.HANDED_OVER, by, before=source, after=target, grants=[stored_grant(g) for g in moved])
    tables.OUT.print(
        tr("{target} now has the grants of {source}: {grants}", target=target, source=source, grants=grants_text(moved))
    )


def _rows(file: Path, clock: Callable[[], datetime]) -> list[tuple[str, ...]]:
    """Return the rows of a list of grants. Raises SourceError."""
    try:
        return rows_in(file, _COLUMNS, clock)
    except SourceError:
        with suppress(SourceError):
            return rows_in(file, _FORMER_COLUMNS, clock)
        raise


@ends_well
def import_grants(
    context: typer.Context,
    file: Path,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the grants; write nothing.")] = False,
    author: Author = "",
) -> None:
    """Import a list of grants: columns 账号, 姓名, 权限, 环节, 范围, 届别. It is imported whole or not at all."""
    program = chosen(context).program()
    by = author_of(program, author)
    mistakes: list[str] = []
    wanted: dict[str, tuple[str, list[Grant]]] = {}
    for entry, cells in enumerate(_rows(file, program.clock), 1):
        account, name = normalise_account(cells[0]), cells[1].strip()
        about = account or tr("no account")
        try:
            grants = grants_of(program, *cells[2:])
        except GrantUnreadable as error:
            mistakes.append(tr("entry {entry} ({about}): {fault}", entry=entry, about=about, fault=error))
            grants = ()
        mistakes += [
            tr("entry {entry} ({about}): {fault}", entry=entry, about=about, fault=fault)
            for fault in _entry_errors(program, wanted, account, name, grants)
        ]
        wanted.setdefault(account, (name, []))[1].extend(grants)
    if mistakes:
        fail(tr("Nothing is written. Fix these entries, and import the list again:"), about=mistakes)
    if dry_run:
        for account, (name, grants_wanted) in wanted.items():
            tables.OUT.print(f"{account} {name}: {grants_text(grants_wanted)}")
        tables.OUT.print(tr("{accounts} accounts in the list; nothing is written", accounts=len(wanted)))
        return
    made, given = program.accounts.take_in(wanted, program.clock())
    for account in made:
        note(program, AuditEvent.ACCOUNT_MADE, by, of=account)
    for account, grants_given in given.items():
        note(program, AuditEvent.GRANTED, by, of=account, grants=[stored_grant(g) for g in grants_given])
    count = sum(len(one) for one in given.values())
    tables.OUT.print(tr("{count} grants are given, {accounts} accounts created", count=count, accounts=len(made)))
    if made and program.settings.auth.local:
        tables.OUT.print(
            tr("Give the new ones their one-time codes: clearance accounts codes {accounts}", accounts=" ".join(made)),
            markup=False,
        )
    if without := _lacking_second_factor(program, tuple(given)):
        tables.OUT.print(
            tr(
                "These need a second factor and have none yet: clearance accounts codes --second-factor {accounts}",
                accounts=" ".join(without),
            ),
            markup=False,
        )


def _lacking_second_factor(program: Program, accounts: Sequence[str]) -> list[str]:
    """Return the accounts that need a second factor and have none."""
    held = program.factors.held_by(accounts)
    found = [program.accounts.find(account) for account in accounts]
    asked = [one.account for one in found if one is not None and asked_of(program.settings.auth, one)]
    return [account for account in asked if not held.get(account, AccountFactors()).any]


def _entry_errors(
    program: Program, earlier: dict[str, tuple[str, list[Grant]]], account: str, name: str, grants: Sequence[Grant]
) -> Iterator[str]:
    """Yield the errors of one entry, other than unreadable grants."""
    if not account or len(account) > 100:
        yield tr("the sign-in name is missing, or has more than 100 characters")
        return
    known = program.accounts.find(account)
    if known is None and not name:
        yield tr("this account does not exist yet, and the name of its person is missing")
    if known is not None and name and known.name != name:
        yield tr("this account belongs to {known} here, and to {name} in the list", known=known.name, name=name)
    if account in earlier and name and earlier[account][0] != name:
        yield tr("an earlier entry has the name {other}", other=earlier[account][0])
    for one in grants:
        cohorts = (one.cohort,) if one.cohort else program.settings.cohort_keys()
        for column, values in one.scope.items():
            found = set().union(*(program.leavers.values(cohort, column) for cohort in cohorts))
            # Before the first sync of the roster there is nothing to compare with.
            if found and (unknown := sorted(set(values) - found)):
                yield tr("no student on the roster has {scope}", scope=f"{column}={', '.join(unknown)}")
