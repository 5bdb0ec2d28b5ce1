"""Commands about accounts: create, list, deactivate, activate and unlock them."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import Json, chosen, ends_well, fail
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.grant_words import GrantUnreadable, grant_of, grants_text, stored_grant
from clearance.services import Program
from config.tables.plain_text import unprintable_in
from foundation.translation import tr, tr_n
from status_db.accounts import demo_accounts
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.reviewer_coverage import ENOUGH, short_of_reviewers
from status_db.inbox.pending_changes import ADMINISTRATORS
from status_db.sign_in.second_factor import AccountFactors, asked_of

#: The most account names that are printed.
_MOST_NAMES = 5

Grants = Annotated[
    list[str] | None,
    typer.Option(
        "--grant",
        help="ACT, ACT:STEP, or ACT:STEP:COLUMN=VALUE,VALUE;COLUMN=VALUE; * for every step. Repeatable.",
    ),
]
UntilCohort = Annotated[
    str | None, typer.Option("--until-cohort", help="End the grants with this cohort (default: never).")
]
College = Annotated[str, typer.Option("--college", help="Only this college.")]
ClassName = Annotated[str, typer.Option("--class", help="Only this class.")]


@ends_well
def add(
    context: typer.Context,
    account: str,
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    *,
    student: Annotated[str, typer.Option("--student", help="The student number of a student.")] = "",
    grant: Grants = None,
    until_cohort: UntilCohort = None,
    password_from_input: Annotated[
        bool, typer.Option("--password-from-input", help="Read the password from standard input.")
    ] = False,
    author: Author = "",
) -> None:
    """Create an account. Without a password, print a one-time code to set one."""
    program = chosen(context).program()
    by = author_of(program, author)
    try:
        grants = [grant_of(program, text, until_cohort) for text in grant or ()]
    except GrantUnreadable as error:
        raise typer.BadParameter(str(error)) from None
    hashed = None
    if password_from_input:
        try:
            password = sys.stdin.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            fail(tr("the password is not text in this terminal's encoding. Use UTF-8."))
        if unprintable_in(password):
            fail(tr("the password has a control character, or is not text in this terminal's encoding. Use UTF-8."))
        from portal.auth.passwords import hash_password, weakness  # noqa: PLC0415 - its word lists load slowly

        if why := weakness(password, (account, name, student)):
            fail(tr("the password is too easy to guess ({why}). Use a few unrelated words.", why=word(why)))
        hashed = hash_password(password)
    now = program.clock()
    made = program.accounts.add(account, name, hashed, student=student or None, grants=grants, now=now)
    note(program, AuditEvent.ACCOUNT_MADE, by, of=made.account, grants=[stored_grant(g) for g in made.grants])
    tables.OUT.print(tr("account {account} is created for {name}", account=made.account, name=made.name))
    if hashed is None and program.settings.auth.local:
        code = program.codes.make(made.account, made_by=by, now=now, lasts=program.settings.auth.code_lasts)
        note(program, AuditEvent.CODES_MADE, by, of=made.account, count=1)
        tables.OUT.print(
            tr("one-time code, shown only once: {code}   (to enter on the page /first-password)", code=code)
        )
    if asked_of(program.settings.auth, made):
        tables.OUT.print(
            tr(
                "It needs a second factor. Create its set-up code, and hand it over in person: clearance accounts "
                "codes --second-factor {account}",
                account=made.account,
            ),
            markup=False,
        )


@ends_well
def listed(context: typer.Context, *, json: Json = False) -> None:
    """List accounts and their grants, with the numbers to revoke them by."""
    program = chosen(context).program()
    accounts = program.accounts.listed()
    held = program.factors.held_by([a.account for a in accounts if not a.student or a.grants])
    if json:
        tables.as_json(
            [
                {
                    "account": a.account,
                    "name": a.name,
                    "student": a.student,
                    "active": a.active,
                    "altered": a.altered,
                    "demo": a.demo,
                    "password": a.password_hash is not None,
                    "second_factor": held.get(a.account, AccountFactors()).any,
                    "second_factor_asked": asked_of(program.settings.auth, a),
                    "grants": a.grants,
                }
                for a in accounts
            ]
        )
        return
    tables.table(
        (tr("account"), tr("name"), tr("student"), tr("active"), tr("password"), tr("second factor"), tr("grants")),
        (
            (
                a.account,
                a.name,
                a.student or "",
                _activity_text(program, a),
                tr("yes") if a.password_hash else tr("none yet"),
                _factors_text(program, a, held.get(a.account, AccountFactors())),
                grants_text(a.grants, numbered=True),
            )
            for a in accounts
        ),
        none=tr("No account matches. To add one: clearance accounts add"),
    )
    for line in (*second_administrator(program), *lacking_reviewers(program)):
        tables.ERR.print(tr("warning: {text}", text=line))


def _factors_text(program: Program, account: Account, held: AccountFactors) -> str:
    """Return the second factors of an account as text; empty when it has none and needs none."""
    parts = [
        tr("app") if held.app else "",
        tr_n("{number} passkey", "{number} passkeys", held.passkeys) if held.passkeys else "",
        tr("{codes} recovery codes", codes=held.recovery) if held.any else "",
    ]
    if held.any:
        return joined(part for part in parts if part)
    if asked_of(program.settings.auth, account):
        return tr("none yet")
    return tr("exempt, a demo account") if asked_of(program.settings.auth, replace(account, demo=False)) else ""


def second_factor_off(program: Program) -> list[str]:
    """Warn when no account needs a second factor."""
    if program.settings.auth.asks_second_factor_of != "off":
        return []
    return [
        tr(
            'second_factor = "off" in [auth]: administrators, reviewers and issuers sign in with a password alone. '
            'Write "privileged", or remove the key, and create their set-up codes: clearance accounts codes '
            "--second-factor"
        )
    ]


def _activity_text(program: Program, account: Account) -> str:
    """Return whether an account can sign in, and why not."""
    if account.active:
        return tr("yes")
    if account.altered:
        return tr("no, altered: clearance verify")
    return tr("no, the demo's") if account.demo and not program.settings.is_demo else tr("no")


def second_administrator(program: Program) -> list[str]:
    """Warn when one administrator suffices, and when two are needed and there are fewer. Raises StoreError."""
    if not program.settings.auth.second_administrator:
        return [
            tr(
                "second_administrator = false in [auth]: on the pages, one administrator alone gives grants to act, "
                "and creates codes for accounts that have one. If you have two administrators, remove the key."
            )
        ]
    if program.changes.administrators() != ADMINISTRATORS - 1:
        return []
    return [
        tr(
            "only one active account has the grant manage without an end: no second one can confirm its changes. "
            "Give it to a second account: clearance accounts grant ACCOUNT manage. With one administrator alone, "
            "write second_administrator = false in [auth]"
        )
    ]


def of_the_demo(program: Program) -> list[str]:
    """Warn of accounts that the demo created, unless these are a demo's settings. Raises StoreError."""
    names = () if program.settings.is_demo else demo_accounts.listed(program.desk)
    if not names:
        return []
    shown, more = ", ".join(names[:_MOST_NAMES]), len(names) - _MOST_NAMES
    if more > 0:
        shown = tr("{names} and {more} more", names=shown, more=more)
    return [
        tr(
            "the demo created accounts in this database: {names}. Their password is public, so they cannot sign in "
            "here. Point [status_db] url and desk_url at a database of your own, or restore a backup: "
            "clearance restore FOLDER",
            names=shown,
        )
    ]


def lacking_reviewers(program: Program) -> list[str]:
    """Return the colleges with too few reviewers, a line for each cohort. Raises StoreError."""
    settings = program.settings
    reviews = {entry.step for flow in settings.flow for entry in flow.entries if entry.kind == "review"}
    colleges = {cohort: program.leavers.values(cohort, "college") for cohort in settings.cohort_keys()}
    lines: dict[str, list[str]] = {}
    for short in short_of_reviewers(program.accounts.listed(), colleges, reviews):
        lines.setdefault(short.cohort, []).append(f"{short.college} ({short.reviewers})")
    return [
        tr(
            "{cohort}: fewer than {enough} active reviewers for {colleges}. Add one: clearance accounts grant",
            cohort=cohort,
            enough=ENOUGH,
            colleges=joined(found),
        )
        for cohort, found in lines.items()
    ]


@ends_well
def students(context: typer.Context, *, college: College = "", class_name: ClassName = "", author: Author = "") -> None:
    """Create accounts without a password for all graduates that have none."""
    program = chosen(context).program()
    by = author_of(program, author)
    inside = {column: value for column, value in (("college", college), ("class", class_name)) if value}
    leavers = program.leavers.listed(program.cohort, inside)
    if not leavers:
        fail(
            tr(
                "no student of this selection leaves with {cohort}. Check the names, or run: clearance sync roster",
                cohort=program.cohort,
            )
        )
    made, taken = program.accounts.add_students([(one.student, one.name) for one in leavers], program.clock())
    if made:
        note(program, AuditEvent.ACCOUNT_MADE, by, cohort=program.cohort, count=made, **inside)
    tables.OUT.print(
        tr(
            "{made} accounts are created; {existing} of {all} existed already",
            made=made,
            existing=len(leavers) - made - len(taken),
            all=len(leavers),
        )
    )
    if taken:
        fail(
            tr(
                "{accounts}: another person's account has this number as its sign-in name. Give that person "
                "another account first.",
                accounts=joined(taken),
            )
        )


@ends_well
def deactivate(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Deactivate an account. Its sessions and one-time codes end; its grants stay."""
    program = chosen(context).program()
    by = author_of(program, author)
    program.accounts.deactivate(account)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=normalise_account(account), what="deactivated")
    tables.OUT.print(tr("account {account} is deactivated", account=normalise_account(account)))


@ends_well
def activate(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Activate a deactivated account."""
    program = chosen(context).program()
    by = author_of(program, author)
    program.accounts.activate(account)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=normalise_account(account), what="activated")
    tables.OUT.print(tr("account {account} is active", account=normalise_account(account)))


@ends_well
def unlock(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Reset an account's failed sign-ins, so that the next one does not wait."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    if program.accounts.find(name) is None:
        fail(tr('there is no account "{name}". See: clearance accounts list', name=name))
    from portal.auth.throttle import Throttle  # noqa: PLC0415 - see above

    Throttle.of(program.attempts, program.settings.auth, program.settings.portal).unlock(name)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=name, what="unlocked")
    tables.OUT.print(tr("account {name} can sign in without a wait", name=name))


@ends_well
def reset_factor(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Remove an account's second factors and recovery codes, for example when a device is lost."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    if not program.factors.reset(name):
        fail(tr('there is no account "{name}" with a second factor. See: clearance accounts list', name=name))
    note(program, AuditEvent.SECOND_FACTOR_RESET, by, of=name)
    tables.OUT.print(tr("the second factors of account {name} are removed; its sessions have ended", name=name))
    tables.OUT.print(
        tr("Create a code to set up a new one: clearance accounts codes --second-factor {name}", name=name),
        markup=False,
    )


@ends_well
def seal(context: typer.Context) -> None:
    """Seal accounts, grants and other rows that give rights, once after an upgrade.

    First check each account and grant: clearance accounts list. Afterwards a row that was altered outside this program
    is ignored.
    """
    program = chosen(context).program()
    tables.OUT.print(
        tr("{rows} rows are sealed; clearance verify checks them", rows=program.desk_store.seal_all(program.clock()))
    )
