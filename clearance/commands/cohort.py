"""Commands `cohort`: end a cohort. It is closed, archived and, when its time is over, erased."""

from pathlib import Path
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import USAGE, Json, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.output import tables
from clearance.seasons import archive as archives
from clearance.seasons.documents import record_of, report_of, write_files
from clearance.seasons.erasure import Erasure, ErasurePlan
from clearance.services import Program
from config.tables.cohorts import Cohort
from foundation.translation import N_, tr
from foundation.version import program_version
from status_db.accounts.audit_log import AuditEvent
from status_db.ledger.chain import newest_head
from status_db.ledger.ended import SeasonState, read_ends
from status_db.seasons.ending import EndingCode, EndingRefused
from status_db.store.engine import reading

Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Write the files here (default: the current folder).", show_default=False),
]

_STATES = {
    SeasonState.OPEN: N_("open"),
    SeasonState.CLOSED: N_("cohort closed"),
    SeasonState.ARCHIVED: N_("archived"),
    SeasonState.ERASING: N_("being erased"),
    SeasonState.ERASED: N_("erased"),
}


@ends_well
def list_cohorts(context: typer.Context, *, json: Json = False) -> None:
    """List the cohorts and how far the end of each is."""
    program = chosen(context).program()
    with reading(program.reading) as connection:
        ends = read_ends(connection)
    if json:
        tables.as_json([{"cohort": one.key, "name": one.name, "end": ends.get(one.key)} for one in _cohorts(program)])
        return
    zone = program.settings.institution.timezone
    tables.table(
        (tr("cohort"), tr("cohort name"), tr("state"), tr("closed on"), tr("by"), tr("archive"), tr("verified")),
        (
            (
                one.key,
                one.name,
                tr(_STATES[end.state if end is not None else SeasonState.OPEN]),
                tables.moment(end.closed_at, zone) if end is not None and end.ended else "",
                end.by if end is not None and end.ended else "",
                str(end.archive["file"]) if end is not None and end.archive else "",
                str(end.archive.get("verified_by", "")) if end is not None and end.archive else "",
            )
            for one in _cohorts(program)
            for end in (ends.get(one.key),)
        ),
        none=tr("There is no cohort."),
    )


@ends_well
def close(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why the season is over; for the audit log.")] = "",
    folder: Folder = None,
    author: Author = "",
    json: Json = False,
) -> None:
    """Close a cohort: its sources are no longer asked, nothing in it changes, and its final report is written."""
    program = _named(context)
    by = author_of(program, author)
    end, fresh = program.ending.close(program.clock(), by, reason.strip())
    if end.erasure is not None:
        fail(tr("{cohort} is erased. See: clearance cohort list", cohort=program.cohort))
    if fresh:
        note(program, AuditEvent.COHORT_CLOSED, by, cohort=program.cohort, reason=end.reason)
    report = report_of(program, end)
    files = write_files(folder or Path(), _file_name(program, "report"), {"pdf": report.pdf, "xlsx": report.xlsx})
    if json:
        tables.as_json({"end": end, "closed_now": fresh, "open_cases": report.open_cases, "files": files})
        return
    if fresh:
        tables.OUT.print(
            tr("{cohort} is closed. Students and offices can read it; nothing changes.", cohort=end.cohort)
        )
    else:
        tables.OUT.print(
            tr(
                "{cohort} was closed on {at} by {by}.",
                cohort=end.cohort,
                at=tables.moment(end.closed_at, program.settings.institution.timezone),
                by=end.by,
            )
        )
    tables.OUT.print(tr("{count:,} students are not all clear; the report lists them.", count=report.open_cases))
    for file in files:
        tables.OUT.print(tr("final report: {file}", file=file))
    if not program.settings.cohort_named(program.cohort).closed:
        tables.OUT.print(
            tr("Also set closed = true in its [[cohort]], and restart the services."),
            markup=False,
        )


@ends_well
def reopen(
    context: typer.Context,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it is opened again; for the audit log.")],
    author: Author = "",
) -> None:
    """Open a closed cohort again. This is possible until it is archived."""
    program = _named(context)
    by = author_of(program, author)
    if not program.ending.reopen(program.clock(), by, reason.strip()):
        tables.OUT.print(tr("{cohort} is open.", cohort=program.cohort))
        return
    note(program, AuditEvent.COHORT_REOPENED, by, cohort=program.cohort, reason=reason.strip())
    tables.OUT.print(
        tr(
            "{cohort} is open again: the next slots ask its sources. If closed = true is in its [[cohort]], remove it.",
            cohort=program.cohort,
        ),
        markup=False,
    )


@ends_well
def archive(
    context: typer.Context,
    *,
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient", help="Encrypt for this age public key (default: [archive] recipients). Repeatable."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write this file (default: in [archive] folder).", show_default=False)
    ] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", help="Read this archive back instead, and check it.", show_default=False)
    ] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", help="The age key file for --verify.", show_default=False)
    ] = None,
    author: Author = "",
    json: Json = False,
) -> None:
    """Write the encrypted archive of a closed cohort, or read it back."""
    if verify is None and identity is not None:
        fail(
            tr(
                "An archive is made with a public key alone, and --identity is for --verify. Add --verify FILE, or "
                "remove it."
            ),
            USAGE,
        )
    if verify is not None and identity is None:
        fail(tr("--verify needs the age key file. Add --identity FILE."), USAGE)
    program = _named(context)
    stop_like_ctrl_c()
    by = author_of(program, author)
    if verify is not None and identity is not None:
        _verify(program, verify, identity, by, json=json)
        return
    end = program.ending.current()
    if end is None or not end.ended:
        raise EndingRefused(
            EndingCode.NOT_CLOSED,
            tr("{cohort} is open. Close it first: clearance cohort close", cohort=program.cohort),
        )
    if end.erasure is not None:
        fail(tr("{cohort} is erased. See: clearance cohort list", cohort=program.cohort))
    texts = recipient or program.settings.archive.recipients
    recipients = archives.parse_recipients(texts)
    report = report_of(program, end)
    file = to or (program.settings.archive.folder or Path()) / f"{_file_name(program, 'archive')}.tar.age"
    with reading(program.reading) as connection:
        head = newest_head(connection, program.cohort)
    facts = {
        "what": "The archive of a cohort of Clearance Sync. Read it back with: clearance cohort archive --verify",
        "name": program.settings.cohort_named(program.cohort).name,
        "program": program_version(),
        "made_at": program.clock().isoformat(),
        "closed_at": end.closed_at.isoformat(),
        "head": {"link": head.link, "mac": head.mac.hex()} if head is not None else None,
    }
    documents = {"report.pdf": report.pdf, "report.xlsx": report.xlsx}
    made = archives.write(file, program.reading, program.desk_reading, program.cohort, facts, documents, recipients)
    program.ending.archived(
        program.clock(),
        by,
        {
            "file": made.file.name,
            "folder": str(made.file.parent.resolve()),
            "size": made.size,
            "sha256": made.sha256,
            "rows": made.rows,
            "recipients": list(texts),
            "made_at": facts["made_at"],
            "made_by": by,
        },
    )
    note(program, AuditEvent.COHORT_ARCHIVED, by, cohort=program.cohort, file=made.file.name, rows=made.rows)
    if json:
        tables.as_json({"file": made.file, "size": made.size, "sha256": made.sha256, "rows": made.rows})
        return
    tables.OUT.print(tr("{file}: {rows:,} rows, {size:,} bytes", file=made.file, rows=made.rows, size=made.size))
    tables.OUT.print(f"SHA-256 {made.sha256}")
    tables.OUT.print(
        tr(
            "Copy it to two places, then read a copy back: clearance cohort archive --verify {file} --identity KEY",
            file=made.file,
        ),
        markup=False,
    )


def _verify(program: Program, file: Path, identity: Path, by: str, *, json: bool) -> None:
    found = archives.verify(file, archives.read_identities(identity))
    if found.manifest["cohort"] != program.cohort:
        raise EndingRefused(
            EndingCode.WRONG_ARCHIVE,
            tr(
                "{file} is the archive of {other}. Name that cohort: clearance --cohort {other} cohort archive …",
                file=file,
                other=found.manifest["cohort"],
            ),
        )
    end = program.ending.current()
    if end is None or end.erasure is None:
        program.ending.verified(program.clock(), by, found.sha256)
        note(program, AuditEvent.ARCHIVE_VERIFIED, by, cohort=program.cohort, file=file.name, rows=found.rows)
    if json:
        tables.as_json({"file": file, "size": found.size, "sha256": found.sha256, "manifest": found.manifest})
        return
    tables.OUT.print(
        tr(
            "{file} is whole: {members} files with {rows:,} rows, each with its checksum.",
            file=file,
            members=len(found.manifest["members"]),
            rows=found.rows,
        )
    )


@ends_well
def purge(
    context: typer.Context,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be erased; erase nothing.")] = False,
    approved_by: Annotated[
        str, typer.Option("--approved-by", help="The second person, who approved the erasure.")
    ] = "",
    backups: Annotated[
        Path | None,
        typer.Option("--backups", help="The folder of the backups (default: [metrics] backups).", show_default=False),
    ] = None,
    folder: Folder = None,
    author: Author = "",
    json: Json = False,
) -> None:
    """Erase a cohort whose time is over, and write the deletion record. Run it again after an interruption."""
    program = _named(context)
    stop_like_ctrl_c()
    by = author_of(program, author)
    erasure = Erasure(program, backups or program.settings.metrics.backups)
    if plan:
        _show_plan(program, erasure.plan(program.clock()), json=json)
        return
    with tables.bar(program.cohort) as progress:
        record = erasure.carry_out(by, approved_by.strip(), lambda _name: progress(0, None))
    files = write_files(folder or Path(), _file_name(program, "deletion"), record_of(program, record))
    if json:
        tables.as_json({"record": record, "files": files})
        return
    tables.OUT.print(
        tr(
            "{cohort} is erased: {rows:,} rows. Its links of the ledger stay.",
            cohort=program.cohort,
            rows=sum(record["erased"].values()),
        )
    )
    for removed in record["backups_removed"]:
        tables.OUT.print(tr("removed {gone}", gone=removed))
    for other in record["backups_elsewhere"]:
        tables.OUT.print(tr("still has the data, remove it: {other}", other=other), style="yellow")
    for file in files:
        tables.OUT.print(tr("deletion record: {file}", file=file))


def _show_plan(program: Program, plan: ErasurePlan, *, json: bool) -> None:
    if json:
        tables.as_json(plan)
        return
    tables.table(
        (tr("table"), tr("rows")),
        ((name, f"{count:,}") for name, count in plan.rows.items()),
        none=tr("There is nothing to erase."),
    )
    for path in plan.backups_removed:
        tables.OUT.print(tr("would be removed: {path}", path=path))
    for path in plan.backups_elsewhere:
        tables.OUT.print(tr("has the data, to be removed by hand: {path}", path=path))
    if plan.from_when is not None:
        zone = program.settings.institution.timezone
        tables.OUT.print(tr("allowed from {at}", at=tables.moment(plan.from_when, zone)))
    if plan.refused:
        tables.OUT.print(tr("refused now: {why}", why=plan.refused), style="yellow")


# `cohort open --like KEY` prints the settings worth copying: clearance/setup/next_cohort.py proposes them. Its command
# belongs here, and its line into the group "cohort" of clearance/main.py.


def _named(context: typer.Context) -> Program:
    """Return the program of the cohort that --cohort names. Where there are several, it must be named."""
    options = chosen(context)
    program = options.program()
    if options.cohort is None and len(program.settings.cohort) > 1:
        fail(
            tr(
                "There are several cohorts: name one, such as: clearance --cohort {cohort} cohort …",
                cohort=program.settings.cohort_keys()[0],
            ),
            USAGE,
        )
    return program


def _cohorts(program: Program) -> list[Cohort]:
    return list(program.settings.cohort)


def _file_name(program: Program, what: str) -> str:
    return f"clearance-{program.cohort}-{what}"
