"""The command init: asks, probes, and writes the files of a new installation."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from clearance.commands.source import AnswersFile, add_sources, show
from clearance.context import USAGE, chosen, ends_well, fail
from clearance.output import tables
from clearance.settings_file import now
from clearance.setup.answers import Answers, checked_answers, read_answers, read_more
from clearance.setup.new_folder import refuse_existing, write_folder
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
    if answers is None and not sys.stdin.isatty():
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
    given = read_answers(answers) if answers else checked_answers(Path("answers"), asked())
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
    files = {SETTINGS: text} | server_files(given.server, _variables(given, around))
    files["NEXT.md"] = _next_steps(given)
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


def _next_steps(given: Answers) -> str:
    """Return the commands that follow, for a person at the server."""
    one = given.server.processes == "one"
    roles = ("owner", "sync") if one else ("owner", "sync", "pages", "desk")
    units = "clearance-up" if one else "clearance.target clearance-schedule clearance-pages clearance-desk"
    lines = [
        "# " + tr("From these files to a running system"),
        "",
        tr("As root, in this folder, with the program in /opt/clearance (docs/how-to/bring-it-live.md explains each):"),
        "",
        "```sh",
        "systemd-sysusers $PWD/systemd/clearance.sysusers.conf",
        "systemd-tmpfiles --create $PWD/systemd/clearance.tmpfiles.conf",
        "cp -r systemd/*.service systemd/*.timer systemd/*.target systemd/*.service.d /etc/systemd/system/",
        "install -m 755 bin/clearance-as /usr/local/bin/",
        "install -m 644 clearance.toml /etc/clearance/clearance.toml",
        *(f"install -o root -g clearance-{role} -m 640 env/{role} /etc/clearance/{role}/env" for role in roles),
    ]
    if given.server.database == "postgresql":
        lines += [
            "install -d -o postgres -m 700 /run/roles; install -o postgres -m 400 roles/*_db /run/roles/",
            "runuser -u postgres -- env SECRETS=/run/roles bash $PWD/postgres/roles.sh; rm -r /run/roles",
        ]
    lines += [
        "systemctl daemon-reload",
        f"clearance-as {'sync' if one else 'owner'} db upgrade",
        *([] if given.server.database == "sqlite" else ["clearance-as owner db roles"]),
        "clearance-as sync check --deploy",
        "clearance-as sync sync roster",
        "clearance-as sync sync",
        "clearance-as sync rehearse",
        f"systemctl enable --now {units}",
        "systemctl enable --now clearance-backup.timer clearance-verify.timer clearance-retention.timer",
        "```",
        "",
        tr("The env files and the folder roles hold passwords. Remove this folder when the service runs."),
        "",
    ]
    return "\n".join(lines)
