"""Commands about one-time codes for passwords and second factors, and about identity documents."""

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
from clearance.output.code_words import joined
from clearance.output.slips import HandoutSlip, write_slips
from clearance.services import Program
from connectors.port import Cell, SourceGarbled
from foundation.private_files import write_new
from foundation.translation import N_, tr
from status_db.accounts.accounts import normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.model import normalise_number
from status_db.sign_in.identity_numbers import normalise_document
from status_db.sign_in.one_time_codes import CodeKind
from status_db.sign_in.second_factor import AccountFactors, asked_of

#: Excel keeps this many digits of a number, and writes zeros for the rest.
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
    accounts: Annotated[
        list[str] | None, typer.Argument(help="Create codes for these accounts.", show_default=False)
    ] = None,
    *,
    college: College = "",
    class_name: ClassName = "",
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write slips to cut and hand out, by class.")] = None,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Create codes to set up a second factor.")
    ] = False,
    author: Author = "",
) -> None:
    """Create one-time codes for accounts, or for students of a class or college without a password.

    Earlier codes of the same accounts end. The codes are shown only once and are not stored.
    """
    program = chosen(context).program()
    by = author_of(program, author)
    if second_factor:
        if not accounts or college or class_name or xlsx:
            raise typer.BadParameter(
                tr("--second-factor needs the names of accounts, and allows no other option: remove the others")
            )
        _set_up_codes(program, accounts, by)
        return
    _refuse_without_passwords(program)
    if bool(accounts) == bool(college or class_name):
        raise typer.BadParameter(tr("name accounts, or give --class or --college, not both"))
    owners = _owners_of(program, accounts) if accounts else _owners_in_class(program, college, class_name)
    now, lasts = program.clock(), program.settings.auth.code_lasts
    if xlsx is not None:
        _create_private_file(xlsx)
    made = program.codes.make_all([one.account for one in owners], made_by=by, now=now, lasts=lasts)
    scope = {key: value for key, value in (("college", college), ("class", class_name)) if value}
    about: dict[str, Any] = {**scope} if scope else {"of": [one.account for one in owners]}
    note(program, AuditEvent.CODES_MADE, by, cohort=program.cohort if scope else None, count=len(made), **about)
    slips = [HandoutSlip(one.account, one.name, one.college, one.class_name, made[one.account]) for one in owners]
    if xlsx is None:
        tables.table(
            (tr("college"), tr("class"), tr("account"), tr("name"), tr("one-time code")),
            ((s.college, s.class_name, s.account, s.name, s.code) for s in slips),
        )
        tables.ERR.print(
            tr("valid until {until}", until=tables.moment(now + lasts, program.settings.institution.timezone))
        )
        return
    write_slips(xlsx, slips, program.settings, now=now, until=now + lasts, by=by)
    tables.OUT.print(
        tr(
            "{slips} slips are in {xlsx}. The codes in it open accounts: keep the file safe, and delete it afterwards",
            slips=len(slips),
            xlsx=xlsx,
        )
    )


def _set_up_codes(program: Program, accounts: Sequence[str], by: str) -> None:
    """Create codes to set up a first second factor, and print them."""
    owners = [program.accounts.find(account) for account in accounts]
    held = program.factors.held_by(accounts)
    for account, owner in zip(accounts, owners, strict=True):
        name = normalise_account(account)
        if owner is not None and not asked_of(program.settings.auth, owner):
            fail(_not_asked_text(program, name, demo=owner.demo))
        if held.get(name, AccountFactors()).any:
            fail(
                tr(
                    '"{name}" already has a second factor, so a code would have no effect. If its device is lost, '
                    "remove it first: clearance accounts reset-factor {name}",
                    name=name,
                )
            )
    now, lasts = program.clock(), program.settings.auth.code_lasts
    made = program.codes.make_all(accounts, made_by=by, now=now, lasts=lasts, kind=CodeKind.FACTOR)
    note(program, AuditEvent.CODES_MADE, by, count=len(made), kind="second factor", of=list(made))
    tables.table((tr("account"), tr("set-up code")), made.items())
    until = tables.moment(now + lasts, program.settings.institution.timezone)
    tables.ERR.print(
        tr("valid until {until}; hand each over in person, separately from the code for a password", until=until)
    )


def _not_asked_text(program: Program, name: str, *, demo: bool) -> str:
    """Return the error of an account that needs no second factor, with the fix."""
    asked = program.settings.auth.asks_second_factor_of
    if demo:
        text = N_(
            'No code is created. "{name}" needs no second factor: the demo created it. Choose another account: '
            "clearance accounts list"
        )
    elif asked == "off":
        text = N_(
            'No code is created. "{name}" needs no second factor: second_factor = "off" in [auth]. Write "privileged" '
            'or "staff" there.'
        )
    elif asked == "privileged":
        text = N_(
            'No code is created. "{name}" needs no second factor: it has no grant to manage, review or issue. Give it '
            "one: clearance accounts grant"
        )
    else:
        text = N_(
            'No code is created. "{name}" needs no second factor: it has no grant at all. Give it one: '
            "clearance accounts grant"
        )
    return tr(text, name=name)


@ends_well
def password(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Create a one-time code to set a new password. The old password works until then."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    _refuse_without_passwords(program)
    lasts = program.settings.auth.code_lasts
    code = program.codes.make(name, made_by=by, now=program.clock(), lasts=lasts)
    note(program, AuditEvent.CODES_MADE, by, of=name, count=1)
    tables.OUT.print(tr("one-time code of {name}, shown only once: {code}", name=name, code=code))


@ends_well
def import_identities(context: typer.Context, file: Path, *, author: Author = "") -> None:
    """Import a list of 学号 and 证件号码, by which students set a password. Only keyed hashes are stored."""
    program = chosen(context).program()
    by = author_of(program, author)
    if program.settings.auth.identity == "off":
        fail(
            tr(
                'identity = "off" in [auth], so the numbers cannot be used. Read docs/accounts.md, then change '
                "that key."
            )
        )
    try:
        rows = cells_in(file, _IDENTITY_COLUMNS, program.clock)
    except SourceGarbled:
        # Its own message can contain cells of the file.
        fail(
            tr(
                "{file} is not a list with the columns {columns}. Save it as .xlsx or .csv.",
                file=file,
                columns=" and ".join(_IDENTITY_COLUMNS),
            )
        )
    numbers: dict[str, str] = {}
    mistakes: list[str] = []
    for entry, (student, document) in enumerate(rows, 1):
        key, number = normalise_number(student or ""), _document_number(document)
        if not key or number is None:
            about = key or tr("no number")
            fault = _identity_fault(document, key)
            mistakes.append(tr("entry {entry} ({about}): {fault}", entry=entry, about=about, fault=fault))
        elif numbers.setdefault(key, number) != number:
            fault = tr("the list has two different numbers for this student")
            mistakes.append(tr("entry {entry} ({about}): {fault}", entry=entry, about=key, fault=fault))
    if mistakes:
        fail(tr("Nothing is written. Fix these entries, and import the list again:"), about=mistakes)
    missing = program.identities.keep(numbers)
    kept = len(numbers) - len(missing)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, what="numbers of identity documents", count=kept)
    tables.OUT.print(
        tr("{kept} students' numbers are stored as hashes. Delete the list now: {file}", kept=kept, file=file)
    )
    if missing:
        tables.ERR.print(
            tr(
                "without an account: {students}. Create them: clearance accounts students",
                students=joined(sorted(missing)),
            )
        )


def _document_number(cell: Cell) -> str | None:
    """Return a document's number; None when a spreadsheet has damaged it, or it is too short."""
    if isinstance(cell, int) and not isinstance(cell, bool) and len(str(cell)) <= _KEPT_DIGITS:
        cell = str(cell)
    if not isinstance(cell, str) or "E+" in cell.upper():
        return None
    number = normalise_document(cell)
    return number if len(number) >= 6 else None


def _identity_fault(cell: Cell, student: str) -> str:
    if not student:
        return tr("the student number is missing")
    if cell is None or isinstance(cell, str):
        return tr("the document's number is missing, too short, or damaged by a spreadsheet: format the column as text")
    return tr("a spreadsheet has converted the document's number: format the column as text and paste it again")


def _owners_of(program: Program, accounts: Sequence[str]) -> list[_CodeOwner]:
    owners: list[_CodeOwner] = []
    for name in dict.fromkeys(normalise_account(one) for one in accounts):
        found = program.accounts.find(name)
        if found is None or not found.active:
            fail(tr('there is no active account "{name}". See: clearance accounts list', name=name))
        owners.append(_CodeOwner(found.account, found.name))
    return owners


def _owners_in_class(program: Program, college: str, class_name: str) -> list[_CodeOwner]:
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
        fail(
            tr(
                "no student of this selection waits for a first password. Check the names, or first run: clearance "
                "accounts students"
            )
        )
    return owners


def _refuse_without_passwords(program: Program) -> None:
    if not program.settings.auth.local:
        fail(
            tr(
                "no code is created, because there are no passwords here. To use passwords, write local = true in "
                "[auth]."
            )
        )


def _create_private_file(file: Path) -> None:
    """Create the file for this user alone, before the codes: an unwritable file must not end earlier codes."""
    try:
        file.unlink(missing_ok=True)
        write_new(file, b"")
    except OSError as error:
        fail(tr("{file} cannot be written ({why}). Name another file with --xlsx.", file=file, why=error.strerror))
