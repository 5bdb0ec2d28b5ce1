"""Commands `sources`: the state of each source, and pausing and resuming one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from clearance import completion
from clearance.context import Json, chosen, ends_well, system_user
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.step_names import step_name
from clearance.services import Program
from config.renames import stored_name
from foundation.translation import N_, tr
from status_db.accounts.audit_log import AuditEvent
from status_db.failing import AttemptState
from status_db.inbox.pauses import Pause
from status_db.model import ROSTER
from status_db.views import SourceView

app = typer.Typer(
    help="Show each source: its date, its counts, and its last run. Pause one, and resume it.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

SourceName = Annotated[str, typer.Argument(help="The source, or roster.", autocompletion=completion.sources)]

#: The state of a source that is not asked in every slot.
_STATES = {AttemptState.BACKING_OFF: N_("backs off"), AttemptState.QUARANTINED: N_("quarantined")}


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source with its pause, for JSON."""

    source: SourceView
    stale: bool
    pause: Pause | None


@app.callback()
@ends_well
def show(context: typer.Context, *, json: Json = False) -> None:
    """Show each source: its date, its counts, and its last run. Pause one, and resume it."""
    if context.invoked_subcommand is not None:
        return
    program = chosen(context).program()
    now, zone = program.clock(), program.settings.institution.timezone
    found, paused = program.reader.sources(program.cohort), program.pauses.current()
    if json:
        tables.as_json([SourceState(view, view.stale(now), paused.get(view.source)) for view in found])
        return
    tables.table(
        (
            tr("source"),
            tr("step"),
            tr("as of"),
            tr("held"),
            tr("not yet done"),
            tr("unknown"),
            tr("unmatched"),
            tr("last run"),
            tr("asked"),
            tr("waits"),
            tr("proof"),
        ),
        (
            (
                view.source,
                step_name(program.settings, view.step) if view.step else "",
                _as_of_text(view, now, zone),
                view.held,
                view.not_done,
                view.unknown,
                view.unmatched_keys,
                f"{view.last_run.run} {word(view.last_run.state)}" if view.last_run else tr("none"),
                _state(view, paused.get(view.source)),
                tr("run {run}", run=view.suspended.run) if view.suspended else "",
                joined([*map(word, view.weaker_proofs)]) or tr("total"),
            )
            for view in found
        ),
    )
    for view in found:
        _warn(program, view, paused.get(view.source))


def _as_of_text(view: SourceView, now: datetime, zone: ZoneInfo) -> str:
    at = tables.moment(view.as_of, zone)
    return tr("{at} (stale)", at=at) if view.stale(now) else at


def _state(view: SourceView, pause: Pause | None) -> str:
    if pause is not None:
        return tr("paused")
    return tr(_STATES[view.attempts.state]) if view.attempts.state in _STATES else ""


def _warn(program: Program, view: SourceView, pause: Pause | None) -> None:
    """Print why a source is not asked in every slot, and how its settings weaken the connection."""
    zone, failed = program.settings.institution.timezone, view.attempts.failed
    if pause is not None:
        at = tables.moment(pause.at, zone)
        text = tr("paused by {account} since {at}: {reason}", account=pause.account, at=at, reason=pause.reason)
        tables.ERR.print(tr("warning: {source}: {text}", source=view.source, text=text))
    if failed is not None and view.attempts.state is AttemptState.QUARANTINED:
        text = tr(
            "quarantined: {count} runs have failed since {since}. {message}",
            count=failed.count,
            since=tables.moment(failed.since, zone),
            message=failed.message,
        )
        tables.ERR.print(tr("warning: {source}: {text}", source=view.source, text=text))
    if failed is not None and pause is None and view.attempts.state is AttemptState.BACKING_OFF:
        text = tr(
            "{count} runs have failed since {since}. {message}",
            count=failed.count,
            since=tables.moment(failed.since, zone),
            message=failed.message,
        )
        tables.ERR.print(tr("warning: {source}: {text}", source=view.source, text=text))
    for weaker in view.weaker_connection:
        tables.ERR.print(tr("warning: {source}: {text}", source=view.source, text=weaker))


@app.command()
@ends_well
def pause(
    context: typer.Context,
    source: SourceName,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; the page of sources shows it.")],
) -> None:
    """Stop the schedule and the pages from asking a source, until it is resumed."""
    program = chosen(context).program()
    name, by, now = _known(program, source), system_user(), program.clock()
    program.pauses.pause(name, reason=reason, account=by, now=now)
    program.audit.note(AuditEvent.SOURCE_PAUSED, account=by, now=now, source=name, reason=reason)
    tables.OUT.print(tr("{source} is paused. Resume it with: clearance sources resume {source}", source=name))


@app.command()
@ends_well
def resume(context: typer.Context, source: SourceName) -> None:
    """Let the schedule ask a paused source again, from its next slot on."""
    program = chosen(context).program()
    name, by, now = _known(program, source), system_user(), program.clock()
    program.pauses.resume(name, account=by, now=now)
    program.audit.note(AuditEvent.SOURCE_RESUMED, account=by, now=now, source=name)
    tables.OUT.print(tr("{source} is resumed. The schedule asks it in its next slot.", source=name))


def _known(program: Program, source: str) -> str:
    """Return the stored name of a source; else exit. A paused source that the settings lack can still be resumed."""
    name, every = stored_name(program.settings, source), [ROSTER, *program.settings.source]
    if name not in every and name not in program.pauses.current():
        text = tr('there is no source "{name}": write one of {names}', name=source, names=", ".join(every))
        raise typer.BadParameter(text)
    return name
