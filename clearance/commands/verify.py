"""Command `verify`: compare the status database with the ledger."""

import re
from typing import Annotated

import typer

from clearance.context import VERIFY_FAILED, Json, chosen, ends_well
from clearance.notify.checks import enter_verified
from clearance.output import tables
from foundation.translation import tr
from status_db.store.engine import StoreError
from sync.verify.desk import DeskReport
from sync.verify.report import VerifyReport

_AUDIT_HEAD = re.compile(r"(desk|pages):(\d{1,18}):([0-9a-f]{64})")
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@ends_well
def verify(
    context: typer.Context,
    *,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="Check this ledger head from the log, LINK:MAC. Repeatable."),
    ] = None,
    audit_head: Annotated[
        list[str] | None,
        typer.Option("--audit-head", help="Check this head of the audit log, CHAIN:LINK:MAC. Repeatable."),
    ] = None,
    json: Json = False,
) -> None:
    """Check that every mark follows from stored rows, and that none was altered. Exit with 6 when a check fails.

    It also checks accounts, grants, sessions of staff, requests and the audit log.
    """
    heads = dict(_parse_head(text) for text in head or ())
    audit_heads = dict(_parse_audit_head(text) for text in audit_head or ())
    served = chosen(context).season()
    programs = served.programs
    if heads and len(programs) > 1:
        raise typer.BadParameter(
            "a head belongs to the ledger of one cohort. Name the cohort: clearance --cohort KEY verify --head …"
        )
    reports = {program.cohort: program.verified(heads) for program in served.each()}
    desk = programs[0].desk_verified(audit_heads)
    if programs[0].settings.notify.enabled:
        try:
            enter_verified(programs[0], [*reports.items(), (None, desk)])
        except StoreError as error:
            tables.ERR.print(f"warning: {tr('nobody is notified of this check')}: {error}")
    if json:
        found = [{"cohort": key, "report": report, "sound": report.sound} for key, report in reports.items()]
        first = {"report": found[0]["report"], "sound": found[0]["sound"]} if len(found) == 1 else {"cohorts": found}
        tables.as_json(first | {"desk": desk, "desk_sound": desk.sound})
    else:
        for program in served.each():
            if program.suffix:
                tables.OUT.print(f"{program.cohort}:", style="bold")
            _show_ledger(reports[program.cohort])
        _show_desk(desk)
    if not (all(report.sound for report in reports.values()) and desk.sound):
        raise typer.Exit(VERIFY_FAILED)


def _parse_head(text: str) -> tuple[int, str]:
    match = _HEAD.fullmatch(text.strip().lower())
    if not match:
        raise typer.BadParameter(f'"{text}" is not a head: write LINK:MAC, as the log\'s "ledger head" has them')
    return int(match[1]), match[2]


def _parse_audit_head(text: str) -> tuple[tuple[str, int], str]:
    match = _AUDIT_HEAD.fullmatch(text.strip().lower())
    if not match:
        raise typer.BadParameter(f'"{text}" is not a head: write CHAIN:LINK:MAC, as the log\'s "audit head" has them')
    return (match[1], int(match[2])), match[3]


def _show_desk(report: DeskReport) -> None:
    tables.OUT.print("accounts and audit log:", style="bold")
    _show_findings(report)
    for chain, (link, mac) in report.heads.items():
        if link:
            tables.OUT.print(f"audit head {chain}:{link}:{mac}")


def _show_ledger(report: VerifyReport) -> None:
    _show_findings(report)
    if report.head:
        tables.OUT.print(f"head {report.head[0]}:{report.head[1]}")


def _show_findings(report: VerifyReport | DeskReport) -> None:
    checked = ", ".join(f"{count:,} {what}" for what, count in report.looked_at.items())
    if checked:
        tables.OUT.print(f"checked {checked}")
    for found in report.disagreements:
        more = f" (and {found.more:,} more like it)" if found.more else ""
        tables.line(found.table, "red", f" {found.key} {found.what}{more}")
    for note in report.notes:
        tables.OUT.print(f"note: {note}")
    if report.sound:
        tables.line("everything agrees", "green", "")
    else:
        tables.ERR.print(
            "Rows were altered outside this program, or lost. Find out who could write to the status database, and "
            "restore a backup that verifies. The steps are in docs/running.md."
        )
