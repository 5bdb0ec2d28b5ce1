"""The groups of warnings that `check` adds before opening day, by what a person would have to correct."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clearance.opening_checks import columns, deployment, machine, public_pages, season, sign_in
from clearance.services import Program
from connectors.port import Sample
from foundation.translation import N_, tr


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """One cause: its key in JSON, its name, and what was found."""

    key: str
    name: str
    warnings: tuple[str, ...]


_GROUPS: tuple[tuple[str, str, Callable[[Program], Iterator[str]]], ...] = (
    ("machine", N_("this machine"), machine.warnings),
    ("season", N_("cohort and windows"), season.warnings),
    ("public_pages", N_("public address"), public_pages.warnings),
    ("sign_in", N_("signing in"), sign_in.warnings),
)


def groups(program: Program, *, deploy: bool) -> Iterator[CheckGroup]:
    """Yield each group with a warning. The demo has no opening day, so only its machine is looked at."""
    wanted = _GROUPS[:1] if program.settings.is_demo else _GROUPS
    for key, name, look in wanted:
        if found := tuple(look(program)):
            yield CheckGroup(key, tr(name), found)
    if deploy and (found := tuple(deployment.warnings(program))):
        yield CheckGroup("deploy", tr("server"), found)


def of_columns(program: Program, name: str, sample: Sample) -> tuple[str, ...]:
    """Return warnings about columns of a source, or of the roster, that look like another's."""
    return tuple(columns.warnings(program.settings, name, sample))
