"""From an answer about one list to proposals: probes it, recognises it, and refuses what is not clear."""

import os
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from clearance.output.code_words import joined
from clearance.setup.answers import Where
from clearance.setup.probes import database, http, sheet
from clearance.setup.proposal import Proposal, SetupCode, SetupRefused
from clearance.setup.recognise import columns
from clearance.setup.recognise.systems import recognised
from clearance.setup.recognise.titles import titled
from clearance.setup.recognise.views import FoundList, about, roster_of, source_of
from config.tables.secrets import is_reference
from connectors.port import Clock
from foundation.translation import tr
from status_db.model import normalise_number


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a probe needs besides the answer."""

    clock: Clock
    #: Relative paths of the answers start here.
    folder: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    #: Is given the lists that a probe found, before one is chosen.
    found: Callable[[Sequence[FoundList]], object] = lambda _lists: None


@dataclass(frozen=True, slots=True)
class ProposedRoster:
    """The proposal for the roster, and numbers of its students, by which other systems are recognised."""

    proposal: Proposal
    numbers: frozenset[str]


def propose_roster(where: Where, around: Surroundings) -> ProposedRoster:
    """Return the roster that is proposed for this list. Raises SourceError, SetupRefused."""
    lists, doubts, _ = _lists(where, around, "roster", frozenset())
    fitting = [(found, proposal) for found in lists if (proposal := roster_of(found)) is not None]
    if not fitting:
        raise SetupRefused(SetupCode.NOTHING_FOUND, _why_no_roster(lists))
    if len(fitting) > 1:
        raise _several([found.name for found, _ in fitting], "[roster]")
    found, proposal = fitting[0]
    cells = columns.cells_of(proposal.columns["student"], found.rows)
    numbers = frozenset(normalise_number(cell) for cell in cells)
    return ProposedRoster(replace(proposal, doubts=(*doubts, *proposal.doubts)), numbers)


def propose_sources(
    where: Where, around: Surroundings, roster: AbstractSet[str] = frozenset(), taken: AbstractSet[str] = frozenset()
) -> list[Proposal]:
    """Return the sources that are proposed for this list. Raises SourceError, SetupRefused.

    `taken` has the names of the sources that exist; a proposed name gets a number behind it where it is one of them.
    """
    label = where.name or where.step or "source"
    lists, doubts, known = _lists(where, around, label, roster)
    proposals = known or _of_lists(lists, where)
    if not proposals:
        raise SetupRefused(
            SetupCode.NOTHING_FOUND,
            tr(
                "{label}: nothing there looks like a list of what students owe: it needs a column with the student's "
                "number, and one with an amount, a state, a due date or a title. What was found: {found}. Name the "
                "view as table, or have the office give its columns such names.",
                label=label,
                found=joined(found.name for found in lists[:20]) or tr("nothing"),
            ),
        )
    if where.name and len(proposals) == 1:
        if where.name in taken:
            raise SetupRefused(
                SetupCode.EXISTS,
                tr("[source.{name}] is in the settings already: choose another name.", name=where.name),
            )
        proposals = [replace(proposals[0], name=where.name)]
    named = _uniquely_named([titled(each, where.title) for each in proposals], taken)
    return [replace(each, doubts=(*doubts, *each.doubts)) for each in named]


def _of_lists(lists: list[FoundList], where: Where) -> list[Proposal]:
    """Return a proposal for each list that can be a source; with a step, for the one list that is about it."""
    fitting = {id(found): proposal for found in lists if (proposal := source_of(found, where.step)) is not None}
    candidates = [found for found in lists if id(found) in fitting]
    if where.step and len(candidates) > 1:
        candidates = [found for found in candidates if about(found) == where.step] or candidates
    steps = [fitting[id(found)].step for found in candidates]
    if len(candidates) > 1 and len(set(steps)) < len(steps):
        raise _several([found.name for found in candidates], where.name or where.step or "source")
    return [fitting[id(found)] for found in candidates]


def _several(names: list[str], label: str) -> SetupRefused:
    return SetupRefused(
        SetupCode.ANSWERS,
        tr(
            "{label}: several tables or views could be meant: {names}. Name one: as table in the answers, or with "
            "--table where this is clearance source add.",
            label=label,
            names=joined(names),
        ),
    )


def _uniquely_named(proposals: list[Proposal], taken: AbstractSet[str]) -> list[Proposal]:
    used, named = set(taken), []
    for each in proposals:
        name, number = each.name, 2
        while name in used:
            name, number = f"{each.name}_{number}", number + 1
        used.add(name)
        named.append(replace(each, name=name))
    return named


def _lists(
    where: Where, around: Surroundings, label: str, roster: AbstractSet[str]
) -> tuple[list[FoundList], tuple[str, ...], list[Proposal]]:
    """Return the lists there, what to check about all of them, and the sources of a known system."""
    if where.sheet:
        path = around.folder / Path(where.sheet).expanduser()
        lists = [sheet.probe(path, str(path.resolve()), around.clock, where.sheet_name)]
        around.found(lists)
        return lists, (), []
    if where.url:
        url = resolved(where.url, around, label)
        found, doubts = http.probe(url, where.url, around.clock, around.folder, where.auth)
        around.found([found])
        return [found], doubts, []
    address = resolved(where.database, around, label)
    read = database.probe(address, where.table, label, roster)
    known = [] if where.table else recognised(read, where.database, roster)
    lists = database.lists_of(read, where.database)
    around.found(lists)
    return lists, (), [p for p in known if where.step in ("", p.step)]


def resolved(written: str, around: Surroundings, label: str) -> str:
    """Return the address that an answer names: itself, a variable's value or a file's text. Raises SetupRefused."""
    if not is_reference(written):
        _refuse_password(written, label)
        return written
    kind, _, name = written.partition(":")
    if kind == "env":
        name, _, fallback = name.partition(":-")
        if found := around.environ.get(name) or fallback:
            return found
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr("{label}: the variable {name} is not set. Set it here first: export {name}=…", label=label, name=name),
        )
    try:
        return (around.folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupRefused(
            SetupCode.ANSWERS, tr("{label}: {file} cannot be read ({why}).", label=label, file=name, why=error)
        ) from None


def _refuse_password(written: str, label: str) -> None:
    """Refuse an address with a password: it would stand in the settings file."""
    try:
        has_password = bool(make_url(written).password)
    except (ArgumentError, ValueError):
        return
    if has_password:
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr(
                "{label}: this address has a password, which does not belong into a file of settings. Set a variable, "
                "such as export LIBRARY_URL=…, and write env:LIBRARY_URL.",
                label=label,
            ),
        )


def _why_no_roster(lists: list[FoundList]) -> str:
    names = [name for found in lists for name in found.columns][:30]
    return tr(
        "No list of students was found: it needs columns for the student's number, name, level and college, such as "
        "学号, 姓名, 培养层次, 学院. The columns found are: {names}. Have the registrar add what is missing.",
        names=joined(names) or tr("none"),
    )
