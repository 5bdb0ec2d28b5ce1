"""Commands about one source of the settings file: add."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from clearance.context import USAGE, chosen, ends_well, fail
from clearance.output import tables
from clearance.settings_file import now
from clearance.setup.answers import Where, checked_where, read_more
from clearance.setup.asking import has_terminal
from clearance.setup.new_folder import keep_answers
from clearance.setup.proposal import Proposal
from clearance.setup.propose import Surroundings, propose_sources
from clearance.setup.questions import one_source
from clearance.setup.source_text import append_sources, source_lines, source_names
from foundation.refusals import Refused
from foundation.translation import tr

AnswersFile = Annotated[
    Path | None, typer.Option("--answers", help="Take the answers from this TOML file, and ask nothing.")
]


@ends_well
def add(
    context: typer.Context,
    *,
    database: Annotated[str, typer.Option(help="The address of a database, as env:NAME or file:PATH.")] = "",
    table: Annotated[str, typer.Option(help="The table or view; left out, what is recognised.")] = "",
    sheet: Annotated[str, typer.Option(help="The path of a list: .xlsx, .xls or .csv.")] = "",
    sheet_name: Annotated[str, typer.Option(help="The worksheet of the list.")] = "",
    url: Annotated[str, typer.Option(help="The address of a JSON API.")] = "",
    step: Annotated[str, typer.Option(help="The step that it decides: library, textbook, finance, dorm.")] = "",
    title: Annotated[str, typer.Option(help="What staff read for it; left out, what is proposed.")] = "",
    name: Annotated[str, typer.Option(help="The name of its table; left out, what is proposed.")] = "",
    answers: AnswersFile = None,
    show_only: Annotated[bool, typer.Option("--show", help="Show the proposal, and write nothing.")] = False,
) -> None:
    """Probe an office's system, and append a proposed source to the settings file."""
    here = chosen(context)
    options = {
        "database": database, "table": table, "sheet": sheet, "sheet_name": sheet_name, "url": url, "step": step,
        "title": title, "name": name,
    }  # fmt: skip
    given = {key: value for key, value in options.items() if value}
    by_questions = not given and answers is None and has_terminal()
    if (answers is None) == (not given) and not by_questions:
        fail(tr("Name the list with --database, --sheet or --url; or give --answers FILE, and nothing else."), USAGE)
    around = Surroundings(now, answers.resolve().parent if answers else Path.cwd())
    raw: dict[str, Any] = {}
    with kept_if_refused(raw, "clearance source add"):
        if by_questions:
            # A file without these settings is refused before the first question.
            source_names(here.file)
            raw["source"] = [one_source(around)]
            given = raw["source"][0]
        wanted = read_more(answers).source if answers else [checked_where(given)]
        if show_only:
            for where in wanted:
                show(propose_sources(where, around))
            return
        add_sources(here.file, wanted, around)


@contextmanager
def kept_if_refused(raw: Mapping[str, Any], command: str) -> Iterator[None]:
    """Keep the answers of a person in a file if this is refused or ended, and print how to go on with them."""
    try:
        yield
    except (Refused, typer.Abort, KeyboardInterrupt):
        if raw and (file := keep_answers(raw, Path.cwd())):
            text = tr(
                "Your answers are kept in {file}, readable by you alone. Complete or correct them there, then run: "
                "{command} --answers {file}",
                file=file.name,
                command=command,
            )
            tables.ERR.print(text)
        raise


def add_sources(file: Path, wanted: Sequence[Where], around: Surroundings) -> None:
    """Probe these lists, and append a table for each proposal. Raises Refused; then nothing is written."""
    existing = source_names(file)
    taken, proposals = set(existing), list[Proposal]()
    for where in wanted:
        # A run with the same answers adds what is missing.
        if where.name in existing:
            tables.OUT.print(tr("[source.{name}] is in the settings already, and is kept.", name=where.name))
            continue
        proposals += propose_sources(where, around, taken=frozenset(taken))
        taken |= {each.name for each in proposals}
    if not proposals:
        return
    show(proposals)
    append_sources(file, proposals, now().astimezone().date())
    tables.OUT.print(
        tr(
            "Added to {file}: {names}. Next: clearance check {first}",
            file=file,
            names=", ".join(f"[source.{each.name}]" for each in proposals),
            first=proposals[0].name,
        )
    )


def show(proposals: Sequence[Proposal]) -> None:
    """Print proposals as they will be written."""
    for each in proposals:
        for line in source_lines(each, now().astimezone().date()):
            tables.OUT.print(line, style="yellow" if line.startswith("# " + tr("Check: {doubt}", doubt="")) else None)
        tables.OUT.print()
