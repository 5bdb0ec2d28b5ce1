"""Commands about what waits: look at a suspended run, say what is thought of it, announce a wave."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from clearance import completion
from clearance.actor import author_of
from clearance.commands.sync import exit_code
from clearance.context import Json, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.granted import ASK_FOR_A_GRANT, active
from clearance.output import tables
from clearance.output.spot_check import write_spot_check
from clearance.services import Program
from connectors.port import SourceError
from foundation.zones import in_zone
from status_db.accounts.accounts import Act
from status_db.marks.approvals import ApprovalVote, Missing, approvers
from status_db.marks.impact import Impact, ImpactPerson
from status_db.model import ROSTER, RunState, Verdict, VoteKind
from status_db.views import RunView

#: So many unmatched rows are shown.
_UNMATCHED = 20

#: What a run still needs that its author has just approved.
_MISSING = {
    Missing.OFFICE: "The office has not said yet that it is plausible: clearance runs plausible {run} --as OPERATOR",
    Missing.SECOND_APPROVAL: "A second person must approve it, too, besides {author}: clearance runs approve {run}",
}

Speaker = Annotated[
    str, typer.Option("--as", help="Who says so; the user of this machine when left out.", show_default=False)
]


@ends_well
def approve(context: typer.Context, run: int, *, speaker: Speaker = "") -> None:
    """Apply a suspended run: that very change, or, where the marks have moved, whatever passes the guard anew."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    _suspended(program, run)
    author, began = author_of(program, speaker), time.monotonic()
    result = program.approvals.vote(run, VoteKind.APPROVE, author=author, now=program.clock())
    if result.missing:
        lacks = _lacks(result.missing[0], run, program.votes.of_run(run))
        tables.OUT.print(f"noted: {author} approves run {run}. {lacks}")
        return
    if result.outcome is None:
        fail(f"run {run} has been decided meanwhile. See: clearance runs show {run}")
    tables.outcome(result.outcome, time.monotonic() - began)
    if code := exit_code([result.outcome]):
        raise typer.Exit(code)


@ends_well
def reject(
    context: typer.Context,
    run: int,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the run's record.")],
    *,
    speaker: Speaker = "",
) -> None:
    """Close a suspended run for good; nothing of it is applied."""
    program = chosen(context).program()
    found, author = _suspended(program, run), author_of(program, speaker)
    result = program.approvals.vote(run, VoteKind.REJECT, author=author, reason=reason, now=program.clock())
    if result.outcome is None or result.outcome.state is not RunState.REJECTED:
        fail(f"run {run} has been decided meanwhile. See: clearance runs show {run}")
    tables.OUT.print(f"run {run} of {found.source} is rejected; the next sync asks {found.source} anew.")


@ends_well
def plausible(
    context: typer.Context,
    run: int,
    *,
    operator: Annotated[str, typer.Option("--as", help="The office's operator, with a grant to decide its step.")],
    reason: Annotated[str, typer.Option("--reason", help="What was looked at.")] = "",
) -> None:
    """Say for the office that a suspended run is plausible; an administrator approves it after that."""
    program = chosen(context).program()
    found = _suspended(program, run)
    if found.source == ROSTER:
        fail("the roster belongs to no office's step: an administrator approves it. See: clearance runs approve")
    if found.source not in program.settings.source:
        fail(f"a change of settings belongs to no office: an administrator approves it. See: clearance runs show {run}")
    step = program.settings.source[found.source].step
    account = active(program, operator)
    if not any(g.act is Act.DECIDE and g.step in (None, step) for g in account.grants):
        fail(f'"{operator}" has no grant to decide {step}. {ASK_FOR_A_GRANT}')
    program.votes.record(run, VoteKind.CONFIRM, author=account.account, reason=reason, now=program.clock())
    tables.OUT.print(f"noted: {account.account} finds run {run} of {found.source} plausible.")


@ends_well
def spot_check(
    context: typer.Context,
    run: int,
    *,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write it as a workbook, to be ticked.")] = None,
    json: Json = False,
) -> None:
    """List students to look up on the office's own screen before a suspended run is approved."""
    program = chosen(context).program()
    found = _suspended(program, run)
    seen = _look(program, found)
    if xlsx is not None:
        write_spot_check(xlsx, found, seen, program.settings.institution.timezone)
        tables.OUT.print(f"{len(seen.spot_check)} students are listed in {xlsx}")
    elif json:
        tables.as_json(seen.spot_check)
    else:
        tables.table(
            ("student", "name", "college", "class", "the source says", "owed", "the office's screen says the same"),
            ((*_person(c), c.after.value, tables.owed(c.evidence), "[ ] yes   [ ] no") for c in seen.spot_check),
        )
        _print_unmatched(seen)


def show_waiting(program: Program, found: RunView, votes: tuple[ApprovalVote, ...]) -> None:
    """Print why a run waits, whom it would move by college, some of its changes, and what was said about it."""
    try:
        seen = _look(program, found)
    except SourceError as error:
        tables.ERR.print(f"  it cannot be applied any more: {error}")
        return
    for reason in seen.reasons:
        tables.OUT.print(f"  because: {reason}")
    for line in seen.changes:
        tables.OUT.print(f"  {line}")
    if seen.moved:
        tables.table(
            ("college", "from", "to", "students"),
            ((m.college, m.before.value, m.after.value, m.students) for m in seen.moved),
        )
    if seen.sample:
        tables.table(
            ("student", "name", "college", "class", "from", "to", "evidence"),
            ((*_person(c), c.before.value, c.after.value, tables.owed(c.evidence)) for c in seen.sample),
            title="some of its changes",
        )
    _print_unmatched(seen)
    zone = program.settings.institution.timezone
    for vote in votes:
        why = f": {vote.reason}" if vote.reason else ""
        tables.OUT.print(f"  {vote.author} said {vote.says.value}, {tables.moment(vote.at, zone)}{why}")
    number = found.run
    if seen.spot_check:
        tables.OUT.print(f"Look some of them up first: clearance runs spot-check {number} --xlsx FILE")
    tables.OUT.print(f'Decide it: clearance runs approve {number}, or clearance runs reject {number} --reason "…"')


@ends_well
def announce_expected_change(
    context: typer.Context,
    source: Annotated[str, typer.Argument(autocompletion=completion.sources_alone)],
    towards: Annotated[Verdict, typer.Argument(help="cleared or held")],
    *,
    most: Annotated[int, typer.Option("--most", min=1, help="So many students in all.")],
    until: Annotated[datetime, typer.Option("--until", help="When it is over, on the institution's clocks.")],
    note: Annotated[str, typer.Option("--note", help="Why so many.")] = "",
    speaker: Speaker = "",
) -> None:
    """Announce that many students will move by a source's next answers, so that the guard expects them."""
    program = chosen(context).program()
    if source not in program.settings.source:
        raise typer.BadParameter(f'there is no source "{source}": write one of {", ".join(program.settings.source)}')
    end = in_zone(until, program.settings.institution.timezone)
    expected_change = program.expected_changes.announce(
        source, towards, most, end, author=author_of(program, speaker), note=note, now=program.clock()
    )
    tables.OUT.print(f"wave {expected_change.id}: {source} may move {most} students to {towards.value} until {until}")


@ends_well
def withdraw_expected_change(context: typer.Context, expected_change: int, *, speaker: Speaker = "") -> None:
    """Withdraw a wave; the guard's ordinary limits hold again."""
    program = chosen(context).program()
    withdrawn = program.expected_changes.withdraw(
        expected_change, author=author_of(program, speaker), now=program.clock()
    )
    tables.OUT.print(f"wave {expected_change} of {withdrawn.source} is withdrawn")


@ends_well
def list_expected_changes(context: typer.Context, *, json: Json = False) -> None:
    """List the waves that were announced, the newest first."""
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
        ("wave", "source", "to", "most", "until", "by", "expected now", "note"),
        (
            (
                w.id,
                w.source,
                w.towards.value,
                w.most,
                tables.moment(w.until, zone),
                w.author,
                _yes(w.active(now)),
                w.note,
            )
            for w in expected_changes
        ),
    )


#: What a run lacks before it is approved.
_MISSING = {
    Missing.OFFICE: "The office has not said yet that it is plausible: clearance runs plausible {run} --as OPERATOR",
    Missing.APPROVAL: "Nobody has approved it yet: clearance runs approve {run}",
    Missing.TWO_APPROVALS: "Two people must approve it: clearance runs approve {run}",
    Missing.SECOND_APPROVAL: "A second person must approve it, too, besides {author}: clearance runs approve {run}",
}


def _lacks(missing: Missing, run: int, votes: Sequence[ApprovalVote]) -> str:
    """Return what a run lacks before it is approved, as a sentence with the fix."""
    return _MISSING[missing].format(run=run, author=next(iter(approvers(votes)), ""))


def _print_unmatched(seen: Impact) -> None:
    """Print the unmatched rows of the answer that waits, those with a match hint first."""
    if not seen.unmatched:
        return
    rest = seen.unmatched_count - len(seen.unmatched[:_UNMATCHED])
    more = f", of {seen.unmatched_count}" if rest > 0 else ""
    tables.table(
        ("key", "match hint", "may be student"),
        ((u.key, u.hint or "none", u.student) for u in seen.unmatched[:_UNMATCHED]),
        title=f"rows about nobody on the roster{more}",
    )


def _yes(so: bool) -> str:  # noqa: FBT001 - it writes a flag
    return "yes" if so else "no"


def _person(looked: ImpactPerson) -> tuple[str, str, str, str]:
    return looked.student, looked.name, looked.college, looked.class_name


def _look(program: Program, found: RunView) -> Impact:
    seen = program.sync.look(found.run, found.source)
    if seen is None:
        fail(f"the answer of run {found.run} is not kept any more. See: clearance runs show {found.run}")
    return seen


def _suspended(program: Program, run: int) -> RunView:
    found = program.reader.run(program.cohort, run)
    if found is None:
        fail(f"there is no run {run}. See: clearance runs list")
    if found.state is not RunState.SUSPENDED:
        fail(f"run {run} is {found.state.value}, and waits for nobody. See: clearance runs show {run}")
    return found
