"""Commands that query the sources: check, plan, sync."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clearance import completion
from clearance.commands.accounts import lacking_reviewers, of_the_demo, second_administrator, second_factor_off
from clearance.context import (
    ERROR,
    PENDING,
    SUSPENDED,
    UNAVAILABLE,
    GlobalOptions,
    Json,
    ServedCohorts,
    chosen,
    code_of,
    ends_well,
    fail,
    stop_like_ctrl_c,
    system_user,
)
from clearance.files.permissions import too_wide
from clearance.institution_programs import check_each
from clearance.notify.checks import notify_warnings
from clearance.output import tables
from clearance.output.code_words import joined
from clearance.services import Program
from config.cohorts import binds_cohort
from config.processes import Process, missing_anywhere
from config.renames import stored_name
from config.settings import Settings
from config.tables.retention import warnings as retention_warnings
from config.tables.secrets import SecretUnusable
from connectors.port import Sample, SourceError
from foundation.translation import N_, tr
from status_db.ledger.key import LedgerRefused
from status_db.marks.current import CurrentState
from status_db.model import ROSTER, normalise_number
from status_db.store.engine import StoreError, reading
from sync.pull.sample import refuse_and_warn
from sync.run.outcome import Outcome, RunPreview
from sync.run.season import Season

Sources = Annotated[
    list[str] | None,
    typer.Argument(help="Query only these sources.", show_default=False, autocompletion=completion.sources),
]

#: The most flips that are printed.
_MOST_FLIPS = 40


@ends_well
def check(context: typer.Context, sources: Sources = None, *, json: Json = False) -> None:
    """Check the settings, and that each source answers: its columns, one row, its errors."""
    here = chosen(context)
    if here.several:
        code = check_each(here, lambda one: _check(context, one, sources, json=json), quiet=json)
    else:
        found, code = _check(context, here, sources, json=json)
        if json:
            tables.as_json(found)
    if code:
        raise typer.Exit(code)


def _check(
    context: typer.Context, here: GlobalOptions, sources: list[str] | None, *, json: bool
) -> tuple[list[dict[str, object]], int]:
    """Check one institution; return what was found, and the exit code. Raises Refused."""
    served = here.season(Process.SYNC)
    program = served.first
    context.call_on_close(program.close)
    found: list[dict[str, object]] = []
    _check_processes(program, found, quiet=json)
    code = _check_status_db(served, found, quiet=json)
    _check_files(program, here.file, found, quiet=json)
    _check_accounts(program, found, quiet=json)
    _report_warnings("keys", tr("settings keys"), program.settings.former_keys, found, quiet=json)
    kept = [*retention_warnings(program.settings.retention)]
    _report_warnings("retention", tr("retention"), kept, found, quiet=json)
    _check_pages(program, found, quiet=json)
    _report_warnings("notify", tr("notifications"), notify_warnings(program), found, quiet=json)
    _check_settings(served, found, quiet=json)
    for where, program, name in _to_check(served, sources):
        asked = program.settings.roster if name == ROSTER else program.settings.source[name]
        weaker = asked.weaker_connection
        try:
            sample = program.connect(name).check()
            weaker = (*weaker, *_row_warnings(program, name, sample))
        except SourceError as error:
            code = max(code, code_of(error))
            fault = {"fault": type(error).__name__, "message": tables.named(str(error)), "warnings": weaker}
            found.append({**where, "source": name, **fault})
            if not json:
                tables.line(tables.padded(tr("fails"), 7), "red", f" {name}{_cohort_suffix(where)}")
                tables.ERR.print(f"        {error}")
                _show_warnings(weaker)
            continue
        sample = replace(sample, warnings=(*weaker, *sample.warnings))
        found.append({**where, "source": name, "sample": _sample_json(sample)})
        if not json:
            tables.line(tables.padded(tr("answers"), 7), "green", f" {name}{_cohort_suffix(where)}: {sample.where}")
            _show_sample(sample)
    return found, code


def _show_sample(sample: Sample) -> None:
    row = joined(f"{field} = {_cell_text(cell)}" for field, cell in (sample.row or {}).items())
    tables.OUT.print(tr("        columns: {columns}", columns=joined(sample.columns)))
    tables.OUT.print(tr("        first row: {row}", row=row) if row else tr("        no rows"))
    if sample.rows:
        text = (
            N_("        all {rows} rows were read") if sample.whole else N_("        the first {rows} rows were read")
        )
        tables.OUT.print(tr(text, rows=len(sample.rows)))
    for note in sample.notes:
        tables.OUT.print(f"        {note}")
    _show_warnings(sample.warnings)


def _cell_text(cell: object) -> str:
    """Return a cell as people write it: text in quotation marks, which show its blanks, and a date as 2019-06-06."""
    return repr(cell) if isinstance(cell, str) else "–" if cell is None else str(cell)


def _row_warnings(program: Program, name: str, sample: Sample) -> tuple[str, ...]:
    """Return the warnings of a sync about these rows. Raises SourceError when it would refuse them."""
    try:
        with reading(program.writing) as connection:
            stored = CurrentState(connection, program.cohort, program.settings.open_beside(program.cohort))
            return refuse_and_warn(program.settings, name, sample, program.clock(), stored)
    except StoreError:
        # Before its tables are created, the roster is empty.
        return refuse_and_warn(program.settings, name, sample, program.clock())


def _sample_json(sample: Sample) -> dict[str, object]:
    """Return a sample for JSON, with its first row only."""
    read = {"rows_read": len(sample.rows), "whole": sample.whole}
    shown = {key: getattr(sample, key) for key in ("where", "columns", "row", "warnings", "notes")}
    return shown | read


def _show_warnings(warnings: Sequence[str]) -> None:
    for warning in warnings:
        tables.ERR.print(tr("        warning: {text}", text=warning))


def _to_check(served: ServedCohorts, sources: list[str] | None) -> Iterator[tuple[dict[str, object], Program, str]]:
    """Yield each query: its cohort when it is about one cohort, the program, and the source.

    A source is queried once for all cohorts. A roster, and a source that binds its cohort, is queried once for each.
    """
    for name in _source_names(served.first, sources):
        own = name == ROSTER or binds_cohort(served.first.settings.source[name])
        if not own:
            yield {}, served.first, name
            continue
        for program in served.each():
            yield {"cohort": program.cohort} if program.suffix else {}, program, name


def _cohort_suffix(where: Mapping[str, object]) -> str:
    return f" ({where['cohort']})" if where else ""


def _check_status_db(served: ServedCohorts, found: list[dict[str, object]], *, quiet: bool) -> int:
    """Warn of risks to the data in the status database; return the exit code of this check."""
    try:
        warnings, code = served.first.risks(), 0
    except StoreError as error:
        warnings, code = (str(error),), ERROR
    with suppress(StoreError):
        # Before its tables are created, nothing is stored.
        clock_lines = (line for program in served.programs for line in program.clock_warnings())
        warnings = (*warnings, *dict.fromkeys(clock_lines))
    _report_warnings("status_db", tr("status database"), warnings, found, fails=bool(code), quiet=quiet)
    return code


def _check_processes(program: Program, found: list[dict[str, object]], *, quiet: bool) -> None:
    """Warn of secrets that a process would lack in this environment. A process can have its own environment."""
    lacking = missing_anywhere(program.settings)
    lines = [
        tr("missing here for {commands}: {line}", commands=joined([f"`clearance {each}`" for each in of]), line=line)
        for line, of in lacking.items()
    ]
    _report_warnings("processes", tr("secrets of other processes"), lines, found, quiet=quiet)


def _check_files(program: Program, file: Path, found: list[dict[str, object]], *, quiet: bool) -> None:
    """Warn of files and folders that other users of this machine can read or change."""
    _report_warnings("files", tr("files"), too_wide(program.settings, file), found, quiet=quiet)


def _check_pages(program: Program, found: list[dict[str, object]], *, quiet: bool) -> None:
    """Warn when [portal] counts visitors under a wrong address."""
    _report_warnings("portal", tr("pages"), program.settings.portal.warnings, found, quiet=quiet)


def _check_accounts(program: Program, found: list[dict[str, object]], *, quiet: bool) -> None:
    """Warn of the demo's accounts, too few reviewers, a single administrator, and a second factor that is off.

    A check is skipped when its database or secret cannot be read yet.
    """
    warnings: list[str] = []
    for check_accounts in (second_factor_off, second_administrator, of_the_demo, lacking_reviewers):
        with suppress(StoreError, SecretUnusable):
            warnings += check_accounts(program)
    _report_warnings("accounts", tr("accounts"), warnings, found, quiet=quiet)


def _report_warnings(
    key: str, name: str, warnings: Sequence[str], found: list[dict[str, object]], *, fails: bool = False, quiet: bool
) -> None:
    """Add warnings that are not about a source to the results, and print them."""
    if not warnings:
        return
    found.append({key: "fails" if fails else "answers", "warnings": warnings})
    if not quiet:
        head, style = (tr("fails"), "red") if fails else (tr("answers"), "green")
        tables.line(tables.padded(head, 7), style, f" {name}")
        _show_warnings(warnings)


def _check_settings(served: ServedCohorts, found: list[dict[str, object]], *, quiet: bool) -> None:
    """Report a change of settings that is not applied yet. It is skipped when the marks cannot be read."""
    for program in served.each():
        try:
            change = program.sync.preview_change()
        except (StoreError, LedgerRefused):
            continue
        if change is not None:
            _show_change(change, found, quiet=quiet)


def _show_change(change: RunPreview, found: list[dict[str, object]], *, quiet: bool) -> None:
    found.append({"settings": "changed", "warnings": [*change.changes, *map(str, change.reasons)]})
    if not quiet:
        what = tr(" settings: not applied yet. See `clearance plan`; apply with `clearance sync`")
        tables.line(tables.padded(tr("changed"), 7), "yellow", what)
        for line in change.changes:
            tables.ERR.print(f"        {line}")


@ends_well
def plan(context: typer.Context, sources: Sources = None, *, json: Json = False) -> None:
    """Show what a sync would change, and change nothing. Exit with 3 when there are changes."""
    served = chosen(context).season(Process.SYNC)
    stop_like_ctrl_c()
    previews: list[RunPreview] = []
    names = _source_names(served.first, sources)
    changes = (program.sync.preview_change() for program in served.each())
    previews += [change for change in changes if change is not None]
    blocked = {p.cohort for p in previews if p.blocks}
    for name in names:
        # Changes by the sources can be planned only after the students have their new steps.
        turns = [turn for turn in served.season.turns(name) if turn.sync.named not in blocked]
        with tables.bar(name) as progress:
            previews += [turn.sync.preview(name, progress, turn.shared) for turn in turns]
    if json:
        tables.as_json(previews)
    else:
        for preview in previews:
            _show_preview(served.first.settings, preview)
    if any(preview.fault for preview in previews):
        raise typer.Exit(UNAVAILABLE if any(p.fault in _UNAVAILABLE for p in previews) else ERROR)
    if any(preview.pending for preview in previews):
        raise typer.Exit(PENDING)


def _show_preview(settings: Settings, preview: RunPreview) -> None:
    if preview.fault:
        tables.line(tables.padded(tr("fails"), 9), "red", f" {preview.source}{_cohort_in_brackets(preview.cohort)}")
        tables.ERR.print(f"          {preview.message}")
        return
    what = tables.figures(preview.counts) if preview.pending else tr("nothing would change")
    if preview.changes and not what:
        what = tr("changed, without an effect on stored data")
    tables.line(preview.source, "bold", tr("{cohort}: {what}", cohort=_cohort_in_brackets(preview.cohort), what=what))
    for line in preview.changes:
        tables.OUT.print(f"  {line}")
    for reason in preview.reasons:
        tables.OUT.print(tr("  would be suspended: {reason}", reason=reason), style="yellow")
    if preview.flips:
        tables.flips(settings, preview.flips, _MOST_FLIPS)


def _cohort_in_brackets(cohort: str) -> str:
    return f" ({cohort})" if cohort else ""


_UNAVAILABLE = ("unavailable", "refused")


@ends_well
def sync(
    context: typer.Context,
    sources: Sources = None,
    *,
    student: Annotated[str, typer.Option("--student", help="Query only this student.")] = "",
    json: Json = False,
) -> None:
    """Query the sources, and apply the changes. A source that fails does not stop the others."""
    served = chosen(context).season(Process.SYNC)
    stop_like_ctrl_c()
    by = system_user()
    changed = served.season.open_cohorts(by=by)
    names = _source_names(served.first, sources)
    if not json:
        for outcome in changed:
            tables.outcome(outcome, 0)
    if student:
        number = normalise_number(student)
        outcomes = recheck(served, [n for n in names if n != ROSTER], number, by, quiet=json)
    else:
        outcomes = run_all(served.season, names, by, quiet=json)
    outcomes = [*changed, *outcomes]
    if json:
        tables.as_json(outcomes)
    code = exit_code(outcomes)
    if code:
        raise typer.Exit(code)


def run_all(season: Season, names: list[str], by: str, *, quiet: bool = False) -> list[Outcome]:
    """Run the sources one by one, each for every cohort, and print each result."""
    outcomes: list[Outcome] = []
    for name in names:
        for turn in season.turns(name):
            began = time.monotonic()
            with tables.bar(name) as progress:
                outcome = turn.run(name, by=by, progress=progress)
            outcomes.append(outcome)
            if not quiet:
                tables.outcome(outcome, time.monotonic() - began)
    return outcomes


def recheck(served: ServedCohorts, names: list[str], number: str, by: str, *, quiet: bool = False) -> list[Outcome]:
    """Query the sources of one student's steps about this student, in each cohort of the student."""
    outcomes: list[Outcome] = []
    leaves = False
    for program in served.each():
        student = program.reader.student(program.cohort, number, program.clock())
        own = {status.step for status in student.steps} if student is not None else set()
        leaves = leaves or bool(own)
        for name in names:
            if program.settings.source[name].step in own:
                began = time.monotonic()
                outcomes.append(program.sync.recheck(name, number, by=by))
                if not quiet:
                    tables.outcome(outcomes[-1], time.monotonic() - began)
    if not leaves:
        fail(
            tr(
                "{student} does not leave with {cohorts}, so no source is queried. Check the number.",
                student=number,
                cohorts=joined(program.cohort for program in served.programs),
            )
        )
    return outcomes


def exit_code(outcomes: list[Outcome]) -> int:
    """Return the documented exit code of the worst result."""
    faults = {outcome.fault for outcome in outcomes if outcome.fault}
    if faults & set(_UNAVAILABLE):
        return UNAVAILABLE
    if faults - {"suspended"}:
        return ERROR
    return SUSPENDED if faults else 0


def _source_names(program: Program, sources: list[str] | None) -> list[str]:
    every = [ROSTER, *program.settings.source]
    sources = [stored_name(program.settings, name) for name in sources or ()]
    for name in sources:
        if name not in every:
            raise typer.BadParameter(
                tr('there is no source "{name}": write one of {known}', name=name, known=", ".join(every))
            )
    return [name for name in every if not sources or name in sources]
