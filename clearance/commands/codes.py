"""Commands about one-time codes, for passwords and second factors, and about the numbers of identity documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from clearance.actor import Author, author_of, note
from clearance.commands.accounts import ClassName, College
from clearance.context import chosen, ends_well, fail
from clearance.files.lists import cells_in
from clearance.output import tables
from clearance.output.slips import HandoutSlip, write_slips
from clearance.services import Program
from connectors.port import Cell, SourceGarbled
from foundation.private_files import write_new
from status_db.accounts.accounts import normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.model import normalise_number
from status_db.sign_in.identity_numbers import normalise_document
from status_db.sign_in.one_time_codes import CodeKind
from status_db.sign_in.second_factor import AccountFactors, asked_of

#: Excel keeps so many digits of a number, and writes noughts for the rest.
_KEPT_DIGITS = 15

_IDENTITY_COLUMNS = ("学号", "证件号码")


@dataclass(frozen=True, slots=True)
class _CodeOwner:
    account: str
    name: str
    college: str = ""
    class_name: str = ""


@ends_well
def codes(
    context: typer.Context,
    accounts: Annotated[list[str] | None, typer.Argument(help="Of these accounts.", show_default=False)] = None,
    *,
    college: College = "",
    class_name: ClassName = "",
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write slips to cut and hand out, by class.")] = None,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="To set up the first second factor, in place of a password.")
    ] = False,
    author: Author = "",
) -> None:
    """Make one-time codes: for named accounts, or for every student of a class or college without a password yet.

    The codes made before for the same accounts end. They are shown this once, and stored nowhere.
    """
    program = chosen(context).program()
    by = author_of(program, author)
    if second_factor:
        if not accounts or college or class_name or xlsx:
            raise typer.BadParameter("--second-factor goes with the names of accounts, and with nothing else")
        _set_up_codes(program, accounts, by)
        return
    _refuse_elsewhere(program)
    if bool(accounts) == bool(college or class_name):
        raise typer.BadParameter("name accounts, or --class, or --college")
    owners = _named(program, accounts) if accounts else _in_class(program, college, class_name)
    now, lasts = program.clock(), program.settings.auth.code_lasts
    if xlsx is not None:
        _claim(xlsx)
    made = program.codes.make_all([one.account for one in owners], made_by=by, now=now, lasts=lasts)
    scope = {key: value for key, value in (("college", college), ("class", class_name)) if value}
    about: dict[str, Any] = {**scope} if scope else {"of": [one.account for one in owners]}
    note(program, AuditEvent.CODES_MADE, by, cohort=program.cohort if scope else None, count=len(made), **about)
    slips = [HandoutSlip(one.account, one.name, one.college, one.class_name, made[one.account]) for one in owners]
    if xlsx is None:
        tables.table(
            ("college", "class", "account", "name", "one-time code"),
            ((s.college, s.class_name, s.account, s.name, s.code) for s in slips),
        )
        tables.ERR.print(f"good until {tables.moment(now + lasts, program.settings.institution.timezone)}")
        return
    write_slips(xlsx, slips, program.settings, now=now, until=now + lasts, by=by)
    tables.OUT.print(f"{len(slips)} slips are in {xlsx}; it opens accounts: keep it, and delete it after")


def _set_up_codes(program: Program, accounts: Sequence[str], by: str) -> None:
    """Make codes to set up the first second factor, and print them."""
    owners = [program.accounts.find(account) for account in accounts]
    held = program.factors.held_by(accounts)
    for account, owner in zip(accounts, owners, strict=True):
        name = normalise_account(account)
        if owner is not None and not asked_of(program.settings.auth, owner):
            why = _why_not_asked(program, demo=owner.demo)
            fail(f'Nothing is made. "{name}" is asked for no second factor: {why}')
        if held.get(name, AccountFactors()).any:
            fail(
                f'"{name}" has a second factor already, and a code would open nothing. If its device is lost, take it '
                f"away first: clearance accounts reset-factor {name}"
            )
    now, lasts = program.clock(), program.settings.auth.code_lasts
    made = program.codes.make_all(accounts, made_by=by, now=now, lasts=lasts, kind=CodeKind.FACTOR)
    note(program, AuditEvent.CODES_MADE, by, count=len(made), kind="second factor", of=list(made))
    tables.table(("account", "set-up code"), made.items())
    until = tables.moment(now + lasts, program.settings.institution.timezone)
    tables.ERR.print(f"good until {until}; hand each over in person, apart from the code for a password")


def _why_not_asked(program: Program, *, demo: bool) -> str:
    if demo:
        return "the demo has made it. Name another account: clearance accounts list"
    asked = program.settings.auth.asks_second_factor_of
    if asked == "off":
        return 'second_factor = "off" in [auth]. Write "privileged" or "staff" there.'
    lacks = "to manage, review or issue" if asked == "privileged" else "at all"
    return f"it has no grant {lacks}. Give it one: clearance accounts grant"


@ends_well
def password(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Make a new one-time code for an account whose password is forgotten; the old password works until it is used."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    _refuse_elsewhere(program)
    lasts = program.settings.auth.code_lasts
    code = program.codes.make(name, made_by=by, now=program.clock(), lasts=lasts)
    note(program, AuditEvent.CODES_MADE, by, of=name, count=1)
    tables.OUT.print(f"one-time code of {name}, shown this once: {code}")


@ends_well
def import_identities(context: typer.Context, file: Path, *, author: Author = "") -> None:
    """Take in a list of 学号 and 证件号码, for [auth] identity. Only keyed hashes of the numbers are kept."""
    program = chosen(context).program()
    by = author_of(program, author)
    if program.settings.auth.identity == "off":
        fail('the settings have identity = "off" in [auth]: nobody could use them. Read docs/accounts.md before that.')
    try:
        rows = cells_in(file, _IDENTITY_COLUMNS, program.clock)
    except SourceGarbled:
        # Its own message may repeat what stands in the file.
        fail(
            f"{file} is no list with the columns {' and '.join(_IDENTITY_COLUMNS)}. Save it as .xlsx or .csv with them."
        )
    numbers: dict[str, str] = {}
    mistakes: list[str] = []
    for entry, (student, document) in enumerate(rows, 1):
        key, number = normalise_number(student or ""), _document(document)
        if not key or number is None:
            mistakes.append(f"entry {entry} ({key or 'no number'}): {_identity_fault(document, key)}")
        elif numbers.setdefault(key, number) != number:
            mistakes.append(f"entry {entry} ({key}): the list has two different numbers for this student")
    if mistakes:
        fail("Nothing is written; mend these and give the list again:", about=mistakes)
    missing = program.identities.keep(numbers)
    kept = len(numbers) - len(missing)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, what="numbers of identity documents", count=kept)
    tables.OUT.print(f"{kept} students' numbers are kept, as hashes. Delete the list now: {file}")
    if missing:
        tables.ERR.print(f"without an account: {', '.join(sorted(missing))}. Make them: clearance accounts students")


def _document(cell: Cell) -> str | None:
    """Return a document's number; None for what a spreadsheet has made of one, and for too few characters."""
    if isinstance(cell, int) and not isinstance(cell, bool) and len(str(cell)) <= _KEPT_DIGITS:
        cell = str(cell)
    if not isinstance(cell, str) or "E+" in cell.upper():
        return None
    number = normalise_document(cell)
    return number if len(number) >= 6 else None


def _identity_fault(cell: Cell, student: str) -> str:
    if not student:
        return "the student number is missing"
    if cell is None or isinstance(cell, str):
        return "the document's number is missing, too short, or ruined by a spreadsheet: format the column as text"
    return "a spreadsheet has taken the document's number for a number: format the column as text and paste it again"


def _named(program: Program, accounts: Sequence[str]) -> list[_CodeOwner]:
    owners: list[_CodeOwner] = []
    for name in dict.fromkeys(normalise_account(one) for one in accounts):
        found = program.accounts.find(name)
        if found is None or not found.active:
            fail(f'there is no active account "{name}". See: clearance accounts list')
        owners.append(_CodeOwner(found.account, found.name))
    return owners


def _in_class(program: Program, college: str, class_name: str) -> list[_CodeOwner]:
    inside = {column: value for column, value in (("college", college), ("class", class_name)) if value}
    without = {
        account.student: account.account
        for account in program.accounts.listed()
        if account.student and account.active and account.password_hash is None
    }
    owners = [
        _CodeOwner(without[one.student], one.name, one.college, one.class_name)
        for one in program.leavers.listed(program.cohort, inside)
        if one.student in without
    ]
    if not owners:
        fail("nobody there waits for a first password. Look at the names, or first: clearance accounts students")
    return owners


def _refuse_elsewhere(program: Program) -> None:
    if not program.settings.auth.local:
        fail("there are no passwords here, so no codes for them. To have both, write local = true in [auth].")


def _claim(file: Path) -> None:
    """Make the file, for this user's eyes alone, before any code is made: one that cannot be written costs none."""
    try:
        file.unlink(missing_ok=True)
        write_new(file, b"")
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror}). Name another file with --xlsx.")
