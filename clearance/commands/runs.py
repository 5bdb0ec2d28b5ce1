"""Commands `runs spot-check`, `confirm`, `approve` and `reject`, and `expect` for expected changes."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from clearance import completion
from clearance.actor import Author, author_of
from clearance.commands.sync import exit_code
from clearance.context import Json, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.granted import active
from clearance.output import tables
from clearance.output.code_words import word
from clearance.output.spot_check import write_spot_check
from clearance.services import Program
from connectors.port import SourceError
from foundation.translation import N_, tr
from foundation.zones import in_zone
from status_db.accounts.accounts import Act
from status_db.marks.approvals import ApprovalVote, Missing, approvers
from status_db.marks.impact import Impact, ImpactPerson
from status_db.model import ROSTER, RunState, Verdict, VoteKind
from status_db.views import RunView

#: The most unmatched rows that are printed.
_UNMATCHED = 20


@ends_well
def approve(context: typer.Context, run: int, *, by: Author = "") -> None:
    """Approve a suspended run, and apply it. If the marks have changed since, the guard checks it again."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    _suspended_run(program, run)
    author, began = author_of(program, by), time.monotonic()
    result = program.approvals.vote(run, VoteKind.APPROVE, author=author, now=program.clock())
    if result.missing:
        still_needed = _missing_text(result.missing[0], run, program.votes.of_run(run))
        tables.OUT.print(
            tr("noted: {author} approves run {run}. {still_needed}", author=author, run=run, still_needed=still_needed)
        )
        return
    if result.outcome is None:
        fail(tr("run {run} has already been decided. See: clearance runs show {run}", run=run))
    tables.outcome(result.outcome, time.monotonic() - began)
    if code := exit_code([result.outcome]):
        raise typer.Exit(code)


@ends_well
def reject(
    context: typer.Context,
    run: int,
    reason: Annotated[str, typer.Option("--reason", help="Record this reason with the run.")],
    *,
    by: Author = "",
) -> None:
    """Reject a suspended run. None of it is applied."""
    program = chosen(context).program()
    found, author = _suspended_run(program, run), author_of(program, by)
    result = program.approvals.vote(run, VoteKind.REJECT, author=author, reason=reason, now=program.clock())
    if result.outcome is None or result.outcome.state is not RunState.REJECTED:
        fail(tr("run {run} has already been decided. See: clearance runs show {run}", run=run))
    tables.OUT.print(
        tr("run {run} of {source} is rejected; the next sync asks {source} again.", run=run, source=found.source)
    )


@ends_well
def confirm(
    context: typer.Context,
    run: int,
    *,
    operator: Annotated[str, typer.Option("--as", help="Act as this operator, with a grant to decide the step.")],
    reason: Annotated[str, typer.Option("--reason", help="Record what was checked.")] = "",
) -> None:
    """Confirm a suspended run for the office. An administrator approves it afterwards."""
    program = chosen(context).program()
    found = _suspended_run(program, run)
    if found.source == ROSTER:
        fail(
            tr(
                "the roster belongs to no office. Have an administrator approve the run: clearance runs approve {run}",
                run=run,
            )
        )
    if found.source not in program.settings.source:
        fail(
            tr(
                "a change of settings belongs to no office. Have an administrator approve it: clearance runs "
                "approve {run}",
                run=run,
            )
        )
    step = program.settings.source[found.source].step
    account = active(program, operator)
    if not any(g.act is Act.DECIDE and g.step in (None, step) for g in account.grants):
        fail(
            tr(
                '"{account}" has no grant to decide {step}. Ask an administrator for one: clearance accounts grant',
                account=operator,
                step=step,
            )
        )
    program.votes.record(run, VoteKind.CONFIRM, author=account.account, reason=reason, now=program.clock())
    tables.OUT.print(
        tr("noted: {account} confirms run {run} of {source}.", account=account.account, run=run, source=found.source)
    )


@ends_well
def spot_check(
    context: typer.Context,
    run: int,
    *,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write an Excel workbook, to tick.")] = None,
    json: Json = False,
) -> None:
    """List students to check in the office's own system before a suspended run is approved."""
    program = chosen(context).program()
    found = _suspended_run(program, run)
    impact = _impact_of(program, found)
    if xlsx is not None:
        write_spot_check(xlsx, found, impact, program.settings.institution.timezone)
        tables.OUT.print(tr("{students} students are listed in {xlsx}", students=len(impact.spot_check), xlsx=xlsx))
    elif json:
        tables.as_json(impact.spot_check)
    else:
        tables.table(
            (
                tr("student"),
                tr("name"),
                tr("college"),
                tr("class"),
                tr("source result"),
                tr("owed"),
                tr("same in the office's system"),
            ),
            (
                (*_person_cells(c), word(c.after), tables.owed(c.evidence), tr("[ ] yes   [ ] no"))
                for c in impact.spot_check
            ),
            none=tr("This run changes no students that can be checked."),
        )
        _print_unmatched(impact)


def show_waiting(program: Program, found: RunView, votes: tuple[ApprovalVote, ...]) -> None:
    """Print why a run waits, its impact by college, some of its changes, and its votes."""
    try:
        impact = _impact_of(program, found)
    except SourceError as error:
        tables.ERR.print(tr("  it can no longer be applied: {error}", error=error))
        return
    for reason in impact.reasons:
        tables.OUT.print(tr("  because: {reason}", reason=reason))
    for line in impact.changes:
        tables.OUT.print(f"  {line}")
    if impact.moved:
        tables.table(
            (tr("college"), tr("from"), tr("to"), tr("students")),
            ((m.college, word(m.before), word(m.after), m.students) for m in impact.moved),
        )
    if impact.sample:
        tables.table(
            (tr("student"), tr("name"), tr("college"), tr("class"), tr("from"), tr("to"), tr("evidence")),
            ((*_person_cells(c), word(c.before), word(c.after), tables.owed(c.evidence)) for c in impact.sample),
            title=tr("some of its changes"),
        )
    _print_unmatched(impact)
    zone = program.settings.institution.timezone
    for vote in votes:
        line = tr(
            "  {author}: {vote}, {at}", author=vote.author, vote=tr(_VOTES[vote.kind]), at=tables.moment(vote.at, zone)
        )
        tables.OUT.print(tr("{event}: {reason}", event=line, reason=vote.reason) if vote.reason else line)
    number = found.run
    if impact.spot_check:
        tables.OUT.print(tr("Check some of them first: clearance runs spot-check {number} --xlsx FILE", number=number))
    tables.OUT.print(
        tr('Decide it: clearance runs approve {number}, or clearance runs reject {number} --reason "…"', number=number)
    )


@ends_well
def announce_expected_change(
    context: typer.Context,
    source: Annotated[str, typer.Argument(autocompletion=completion.sources_alone)],
    towards: Annotated[Verdict, typer.Argument(help="cleared or held")],
    *,
    most: Annotated[int, typer.Option("--most", min=1, help="Expect at most this many students.")],
    until: Annotated[datetime, typer.Option("--until", help="Expect them until this local time.")],
    note: Annotated[str, typer.Option("--note", help="Record this reason.")] = "",
    by: Author = "",
) -> None:
    """Announce that many students will change by the next results of a source."""
    program = chosen(context).program()
    if source not in program.settings.source:
        raise typer.BadParameter(
            tr(
                'there is no source "{source}": write one of {known}',
                source=source,
                known=", ".join(program.settings.source),
            )
        )
    end = in_zone(until, program.settings.institution.timezone)
    expected_change = program.expected_changes.announce(
        source, towards, most, end, author=author_of(program, by), note=note, now=program.clock()
    )
    tables.OUT.print(
        tr(
            "expected change {number}: {source} can move {most} students to {verdict} until {until}",
            number=expected_change.id,
            source=source,
            most=most,
            verdict=word(towards),
            until=until,
        )
    )


@ends_well
def withdraw_expected_change(context: typer.Context, expected_change: int, *, by: Author = "") -> None:
    """Withdraw an expected change. The guard's ordinary limits apply again."""
    program = chosen(context).program()
    withdrawn = program.expected_changes.withdraw(expected_change, author=author_of(program, by), now=program.clock())
    tables.OUT.print(
        tr(
            "expected change {expected_change} of {source} is withdrawn",
            expected_change=expected_change,
            source=withdrawn.source,
        )
    )


@ends_well
def list_expected_changes(context: typer.Context, *, json: Json = False) -> None:
    """List expected changes, the newest first."""
    program = chosen(context).program()
    expected_changes, now, zone = (
        program.expected_changes.listed(),
        program.clock(),
        program.settings.institution.timezone,
    )
    if json:
        tables.as_json(expected_changes)
        return
    tables.table(
        (tr("number"), tr("source"), tr("to"), tr("most"), tr("until"), tr("by"), tr("expected now"), tr("note")),
        (
            (
                w.id,
                w.source,
                word(w.towards),
                w.most,
                tables.moment(w.until, zone),
                w.author,
                _yes_or_no(w.active(now)),
                w.note,
            )
            for w in expected_changes
        ),
        none=tr("There are no expected changes."),
    )


#: How a vote is printed.
_VOTES = {VoteKind.CONFIRM: N_("confirmed"), VoteKind.APPROVE: N_("approved"), VoteKind.REJECT: N_("rejected")}

#: What is still needed before a run is approved.
_MISSING = {
    Missing.OFFICE: N_("The office must confirm it first: clearance runs confirm {run} --as OPERATOR"),
    Missing.APPROVAL: N_("It is not approved yet: clearance runs approve {run}"),
    Missing.TWO_APPROVALS: N_("Two people must approve it: clearance runs approve {run}"),
    Missing.SECOND_APPROVAL: N_("A second person, other than {author}, must approve it: clearance runs approve {run}"),
}


def _missing_text(missing: Missing, run: int, votes: Sequence[ApprovalVote]) -> str:
    """Return what is still needed before a run is approved, as a sentence with the fix."""
    return tr(_MISSING[missing], run=run, author=next(iter(approvers(votes)), ""))


def _print_unmatched(impact: Impact) -> None:
    """Print the unmatched rows of a suspended run, those with a match hint first."""
    if not impact.unmatched:
        return
    rest = impact.unmatched_count - len(impact.unmatched[:_UNMATCHED])
    title = tr("rows not matched to the roster")
    if rest > 0:
        title = tr("rows not matched to the roster, of {rows}", rows=impact.unmatched_count)
    tables.table(
        (tr("key"), tr("match hint"), tr("possible student")),
        ((u.key, word(u.hint) or tr("none"), u.student) for u in impact.unmatched[:_UNMATCHED]),
        title=title,
    )


def _yes_or_no(value: bool) -> str:  # noqa: FBT001 - the value to print
    return tr("yes") if value else tr("no")


def _person_cells(person: ImpactPerson) -> tuple[str, str, str, str]:
    return person.student, person.name, person.college, person.class_name


def _impact_of(program: Program, found: RunView) -> Impact:
    impact = program.sync.look(found.run, found.source)
    if impact is None:
        fail(tr("the rows of run {run} are no longer stored. See: clearance runs show {run}", run=found.run))
    return impact


def _suspended_run(program: Program, run: int) -> RunView:
    found = program.reader.run(program.cohort, run)
    if found is None:
        fail(tr("there is no run {run}. See: clearance runs list", run=run))
    if found.state is not RunState.SUSPENDED:
        fail(
            tr(
                "run {run} is {state} and needs no approval. See: clearance runs show {run}",
                run=run,
                state=word(found.state),
            )
        )
    return found
