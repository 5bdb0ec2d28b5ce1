"""Commands about accounts: make, list, shut and open them."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import Json, chosen, ends_well, fail
from clearance.output import tables
from clearance.output.grant_words import GrantUnreadable, all_told, grant_of
from clearance.services import Program
from config.tables.plain_text import unprintable_in
from status_db.accounts import demo_accounts
from status_db.accounts.accounts import Account, normalise_account
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.reviewer_coverage import ENOUGH, short_of_reviewers
from status_db.inbox.pending_changes import ADMINISTRATORS
from status_db.sign_in.second_factor import AccountFactors, asked_of

#: So many names of accounts are printed.
_NAMED = 5

Grants = Annotated[
    list[str] | None,
    typer.Option(
        "--grant",
        help="ACT, ACT:STEP, or ACT:STEP:COLUMN=VALUE,VALUE;COLUMN=VALUE; * for every step. May be given again.",
    ),
]
UntilCohort = Annotated[
    str | None, typer.Option("--until-cohort", help="The grants end with this cohort; with none when left out.")
]
College = Annotated[str, typer.Option("--college", help="Of this college.")]
ClassName = Annotated[str, typer.Option("--class", help="Of this class.")]


@ends_well
def add(
    context: typer.Context,
    account: str,
    name: Annotated[str, typer.Option("--name", help="The person's name.")],
    *,
    student: Annotated[str, typer.Option("--student", help="The student number, when this is a student.")] = "",
    grant: Grants = None,
    until_cohort: UntilCohort = None,
    password_from_input: Annotated[
        bool, typer.Option("--password-from-input", help="Read the password's line from standard input.")
    ] = False,
    author: Author = "",
) -> None:
    """Make an account. Without a password given, a one-time code is printed with which the person sets one."""
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
            fail("the password is not text in this terminal's encoding. Use UTF-8.")
        if unprintable_in(password):
            fail("the password has a control character, or is not text in this terminal's encoding. Use UTF-8.")
        from portal.auth.passwords import hash_password, weakness  # noqa: PLC0415 - its lists of words take their time

        if why := weakness(password, (account, name, student)):
            fail(f"the password is too easy to guess ({why.value}). Give one of a few unrelated words.")
        hashed = hash_password(password)
    now = program.clock()
    made = program.accounts.add(account, name, hashed, student=student or None, grants=grants, now=now)
    note(program, AuditEvent.ACCOUNT_MADE, by, of=made.account, grants=[all_told([g]) for g in made.grants])
    tables.OUT.print(f"account {made.account} is made for {made.name}")
    if hashed is None and program.settings.auth.local:
        code = program.codes.make(made.account, made_by=by, now=now, lasts=program.settings.auth.code_lasts)
        note(program, AuditEvent.CODES_MADE, by, of=made.account, count=1)
        tables.OUT.print(f"one-time code, shown this once: {code}   (the page /first-password asks for it)")
    if asked_of(program.settings.auth, made):
        tables.OUT.print(
            "It shows a second factor. Make its set-up code, and hand it over in person: "
            f"clearance accounts codes --second-factor {made.account}",
            markup=False,
        )


@ends_well
def listed(context: typer.Context, *, json: Json = False) -> None:
    """List accounts and what each may do; a grant's number is what takes it back."""
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
        ("account", "name", "student", "active", "password", "second factor", "grants"),
        (
            (
                a.account,
                a.name,
                a.student or "",
                _open(program, a),
                "yes" if a.password_hash else "none yet",
                _factors(program, a, held.get(a.account, AccountFactors())),
                all_told(a.grants, numbered=True),
            )
            for a in accounts
        ),
    )
    for line in (*second_administrator(program), *lacking_reviewers(program)):
        tables.ERR.print(f"look at this: {line}")


def _factors(program: Program, account: Account, held: AccountFactors) -> str:
    """Say which second factors an account has; an empty text where it has none and needs none."""
    parts = [
        "app" if held.app else "",
        f"{held.passkeys} passkey{'s' if held.passkeys > 1 else ''}" if held.passkeys else "",
        f"{held.recovery} recovery codes" if held.any else "",
    ]
    if held.any:
        return ", ".join(part for part in parts if part)
    if asked_of(program.settings.auth, account):
        return "none yet"
    return "let off, a demo account" if asked_of(program.settings.auth, replace(account, demo=False)) else ""


def second_factor_off(program: Program) -> list[str]:
    """Warn where nobody is asked for a second factor."""
    if program.settings.auth.asks_second_factor_of != "off":
        return []
    found = 'second_factor = "off" in [auth]: a password alone opens what administrators, reviewers and issuers may do.'
    fix = (
        'Write "privileged", or take the key out, and make their set-up codes: clearance accounts codes --second-factor'
    )
    return [f"{found} {fix}"]


def _open(program: Program, account: Account) -> str:
    """Say whether an account opens anything, and why it does not."""
    if account.active:
        return "yes"
    if account.altered:
        return "no, altered: clearance verify"
    return "no, the demo's" if account.demo and not program.settings.is_demo else "no"


def second_administrator(program: Program) -> list[str]:
    """Warn where one administrator suffices, and where two are asked for and there are fewer. Raises StoreError."""
    if not program.settings.auth.second_administrator:
        found = "second_administrator = false in [auth]: on the pages, one administrator alone gives grants to act, and"
        fix = "makes codes for whoever has one. Where there are two, take the key out."
        return [f"{found} {fix}"]
    if program.changes.administrators() != ADMINISTRATORS - 1:
        return []
    found = "one active account may manage for good: nobody confirms what takes two on the pages."
    fix = "Give a second one the grant: clearance accounts grant ACCOUNT manage. With one alone, write"
    return [f"{found} {fix} second_administrator = false in [auth]"]


def of_the_demo(program: Program) -> list[str]:
    """Warn of accounts that the demo made here, where these are not a demo's settings. Raises StoreError."""
    names = () if program.settings.is_demo else demo_accounts.listed(program.desk)
    if not names:
        return []
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    found = (
        f"the demo has made accounts in this database: {shown}. Their password is public, so they open nothing here."
    )
    fix = "Point [status_db] url and desk_url at a database of your own, or put a backup back: clearance restore FOLDER"
    return [f"{found} {fix}"]


def lacking_reviewers(program: Program) -> list[str]:
    """Say which colleges too few people may review, a line for each cohort. Raises StoreError."""
    settings = program.settings
    reviews = {entry.step for flow in settings.flow for entry in flow.entries if entry.kind == "review"}
    colleges = {cohort: program.leavers.values(cohort, "college") for cohort in settings.cohort_keys()}
    lines: dict[str, list[str]] = {}
    for short in short_of_reviewers(program.accounts.listed(), colleges, reviews):
        lines.setdefault(short.cohort, []).append(f"{short.college} ({short.reviewers})")
    return [
        f"{cohort}: fewer than {ENOUGH} active reviewers for {', '.join(found)}. Give another: clearance accounts grant"
        for cohort, found in lines.items()
    ]


@ends_well
def students(context: typer.Context, *, college: College = "", class_name: ClassName = "", author: Author = "") -> None:
    """Make an account without a password for every student of the cohort who leaves and has none."""
    program = chosen(context).program()
    by = author_of(program, author)
    inside = {column: value for column, value in (("college", college), ("class", class_name)) if value}
    leavers = program.leavers.listed(program.cohort, inside)
    if not leavers:
        fail(f"nobody leaves there with {program.cohort}. Look at the names, or sync the roster.")
    made, taken = program.accounts.add_students([(one.student, one.name) for one in leavers], program.clock())
    if made:
        note(program, AuditEvent.ACCOUNT_MADE, by, cohort=program.cohort, count=made, **inside)
    tables.OUT.print(
        f"{made} accounts are made; {len(leavers) - made - len(taken)} of {len(leavers)} were there already"
    )
    if taken:
        fail(f"{', '.join(taken)}: the number is somebody else's sign-in name. Rename that account's owner's first.")


@ends_well
def deactivate(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Shut an account: its sessions and one-time codes end at once; its grants stay for when it is opened again."""
    program = chosen(context).program()
    by = author_of(program, author)
    program.accounts.deactivate(account)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=normalise_account(account), what="deactivated")
    tables.OUT.print(f"account {normalise_account(account)} is shut")


@ends_well
def activate(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Open a shut account again."""
    program = chosen(context).program()
    by = author_of(program, author)
    program.accounts.activate(account)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=normalise_account(account), what="activated")
    tables.OUT.print(f"account {normalise_account(account)} is open")


@ends_well
def unlock(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Forget an account's failed tries, so that the next one need not wait."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    if program.accounts.find(name) is None:
        fail(f'there is no account "{name}". See: clearance accounts list')
    from portal.auth.throttle import Throttle  # noqa: PLC0415 - see above

    Throttle.of(program.attempts, program.settings.auth, program.settings.portal).unlock(name)
    note(program, AuditEvent.ACCOUNT_CHANGED, by, of=name, what="unlocked")
    tables.OUT.print(f"account {name} need not wait any more")


@ends_well
def reset_factor(context: typer.Context, account: str, *, author: Author = "") -> None:
    """Take an account's second factors and recovery codes away, when a device is lost; a new set-up code is needed."""
    program, name = chosen(context).program(), normalise_account(account)
    by = author_of(program, author)
    if not program.factors.reset(name):
        fail(f'there is no account "{name}" with a second factor. See: clearance accounts list')
    note(program, AuditEvent.SECOND_FACTOR_RESET, by, of=name)
    tables.OUT.print(f"account {name} has no second factor any more; its sessions have ended")
    tables.OUT.print(f"Make a code to set up a new one: clearance accounts codes --second-factor {name}", markup=False)


@ends_well
def seal(context: typer.Context) -> None:
    """Seal accounts, grants and all other rows that give somebody rights: once, after an upgrade.

    First check that each account and grant is right: clearance accounts list. From then on a row that was altered
    past this program is ignored.
    """
    program = chosen(context).program()
    tables.OUT.print(f"{program.desk_store.seal_all(program.clock())} rows are sealed; clearance verify looks at them")
