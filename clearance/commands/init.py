"""The command init: asks, probes, and writes the files of a new installation."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from clearance.commands.source import AnswersFile, add_sources, kept_if_refused, show
from clearance.context import USAGE, chosen, ends_well, fail
from clearance.output import tables
from clearance.settings_file import now
from clearance.setup.answers import Answers, checked_answers, read_answers, read_more
from clearance.setup.asking import has_terminal
from clearance.setup.new_folder import refuse_existing, write_folder
from clearance.setup.next_steps import next_steps
from clearance.setup.proposal import Proposal
from clearance.setup.propose import Surroundings, propose_roster, propose_sources, resolved
from clearance.setup.questions import asked
from clearance.setup.server_files import server_files
from clearance.setup.settings_text import settings_text
from clearance.setup.source_text import refuse_mistakes
from foundation.translation import tr

#: The settings file in the folder.
SETTINGS = "clearance.toml"


@ends_well
def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The new folder for the files.")] = Path("clearance-setup"),
    answers: AnswersFile = None,
) -> None:
    """Ask a few questions, probe the offices' systems, and write a settings file and a server's files.

    Nothing is overwritten. With a folder that has settings, sources are added to them.
    """
    chosen(context)
    if answers is None and not has_terminal():
        fail(tr("There is no terminal to ask on: give the answers with --answers FILE."), USAGE)
    settings = folder / SETTINGS
    around = Surroundings(now, answers.resolve().parent if answers else Path.cwd())
    if settings.exists():
        if answers is None:
            fail(
                tr(
                    "{file} exists and is not overwritten. To add a source, run: clearance --config {file} source add",
                    file=settings,
                ),
                USAGE,
            )
        add_sources(settings, read_more(answers).source, around)
        return
    refuse_existing(folder)
    if answers:
        _write(folder, read_answers(answers), around)
        return
    raw: dict[str, Any] = {}
    with kept_if_refused(raw, f"clearance init {shlex.quote(str(folder))}"):
        asked(raw, around)
        _write(folder, checked_answers(Path("answers"), raw), around)


def _write(folder: Path, given: Answers, around: Surroundings) -> None:
    """Probe every list, and write the folder. Raises Refused; then nothing is written."""
    roster = propose_roster(given.roster, around)
    show([roster.proposal])
    sources: list[Proposal] = []
    for where in given.source:
        taken = frozenset(each.name for each in sources)
        sources += propose_sources(where, around, roster.numbers, taken)
    show(sources)
    today = now().astimezone().date()
    text = settings_text(given, roster.proposal, sources, today)
    refuse_mistakes(folder.resolve() / SETTINGS, text)
    variables = _variables(given, around)
    files = {SETTINGS: text} | server_files(given.server, variables)
    files["NEXT.md"] = next_steps(given, folder.resolve(), tuple(variables), files)
    secret = frozenset(name for name in files if name.startswith(("env/", "roles/")))
    write_folder(folder, files, secret=secret, programs=frozenset({"bin/clearance-as", "postgres/roles.sh"}))
    tables.OUT.print(
        tr(
            "Written: {folder}, with {number} files. Next: read {next}",
            folder=folder,
            number=len(files),
            next=folder / "NEXT.md",
        )
    )


def _variables(given: Answers, around: Surroundings) -> Mapping[str, str]:
    """Return the variables that the answers name, with their values here."""
    written = [address for where in (given.roster, *given.source) for address in _references(where.model_dump())]
    written += list(_references(given.sign_in.keys))
    names = dict.fromkeys(found[1] for each in written if (found := re.match(r"env:(\w+)", each)))
    return {name: resolved(f"env:{name}", around, name) for name in names}


def _references(given: object) -> Sequence[str]:
    if isinstance(given, Mapping):
        return [each for value in given.values() for each in _references(value)]
    return [given] if isinstance(given, str) and given.startswith("env:") else []
