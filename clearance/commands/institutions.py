"""Commands about the institutions of one installation: list, add."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from clearance.commands.serve import upgrade_both
from clearance.commands.sync import check
from clearance.context import ERROR, USAGE, GlobalOptions, Json, chosen, ends_well, fail
from clearance.institution_programs import institution_folder_of
from clearance.institutions.claims import hosts_of
from clearance.institutions.folder import InstitutionFolder, Institutions
from clearance.output import tables
from clearance.output.code_words import joined
from config.institutions import institution_in, wrong_key
from config.load import SettingsError
from config.settings import Settings
from config.tables.secrets import SecretUnusable
from foundation.private_files import make_folder
from foundation.refusals import Refused
from foundation.translation import N_, tr
from status_db.desk.address import desk_url
from status_db.desk.key import DeskKey
from status_db.ledger.key import make
from status_db.store import schema_version
from status_db.store.engine import open_reading
from status_db.store.migrate import Part, version


@dataclass(frozen=True, slots=True)
class _Line:
    """One institution, as the list shows it."""

    key: str
    name: str
    hosts: list[str]
    #: `usable`, or `unusable`: then `faults` has the reasons.
    settings: str
    faults: list[str]
    #: Part → its version, `missing` without tables, or `unreachable`.
    tables: dict[str, str]


@ends_well
def list_institutions(context: typer.Context, *, json: Json = False) -> None:
    """List the institutions: key, name, host, the state of the settings, and of the databases."""
    folder = _folder(chosen(context))
    found = folder.read()
    lines = [_line(key, found) for key in found.usable()]
    if json:
        tables.as_json([asdict(line) for line in lines])
    elif not lines:
        tables.OUT.print(tr("There is no institution in {folder}: add KEY.toml there.", folder=folder.folder))
    else:
        _print(lines)
    if found.faults:
        raise typer.Exit(ERROR)


def _print(lines: list[_Line]) -> None:
    heads = (tr("key"), tr("name"), tr("host"), tr("settings"), tr("marks"), tr("accounts"))
    rows = []
    for line in lines:
        found = [line.tables.get(part, "") for part in schema_version.PARTS]
        shown = [tr(_SHOWN[each]) if each in _SHOWN else each for each in found]
        rows.append((line.key, line.name, joined(line.hosts), tr(_SHOWN[line.settings]), *shown))
    tables.table(heads, rows)
    for line in lines:
        for fault in line.faults:
            tables.ERR.print(f"{line.key}: {fault}")


#: States, as the list shows them; a version is shown as it is.
_SHOWN = {
    "usable": N_("usable"),
    "unusable": N_("unusable"),
    "missing": N_("no tables"),
    "unreachable": N_("unreachable"),
}


def _line(key: str, found: Institutions) -> _Line:
    settings, faults = found.settings.get(key), list(found.faults.get(key, ()))
    if settings is None:
        return _Line(key, "", [], "unusable", faults, {})
    urls: dict[Part, Callable[[], str]] = {
        "marks": settings.status_db.url.reveal,
        "desk": lambda: desk_url(settings.status_db),
    }
    versions: dict[str, str] = {part: _version(url, part) for part, url in urls.items()}
    name = settings.institution.name
    return _Line(key, name, sorted(hosts_of(settings)), "unusable" if faults else "usable", faults, versions)


def _version(url: Callable[[], str], part: Part) -> str:
    try:
        engine = open_reading(url())
    except (Refused, SecretUnusable):
        return "unreachable"
    try:
        return version(engine, part) or "missing"
    except Refused:
        return "unreachable"
    finally:
        engine.dispose()


@ends_well
def add(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The name of its settings file, without .toml")],
    *,
    json: Json = False,
) -> None:
    """Add an institution whose settings file is in the folder: its schema, its tables and its keys. Repeatable."""
    began = time.monotonic()
    here = chosen(context)
    folder = _folder(here)
    if wrong := wrong_key(key):
        fail(wrong, USAGE)
    one = institution_in(folder.folder, key)
    found = folder.read()
    if key not in found.usable():
        raise SettingsError(one.file, [tr("there is no such file: write the settings of {key} there", key=key)])
    if key in found.faults:
        raise SettingsError(one.file, found.faults[key])
    settings = found.settings[key]
    make_folder(one.folder)
    is_new = _version(settings.status_db.url.reveal, "marks") not in schema_version.known("marks")
    lines = [*upgrade_both(settings), *_make_keys(settings, ledger=is_new)]
    seconds = round(time.monotonic() - began, 1)
    if json:
        tables.as_json({"key": key, "hosts": sorted(hosts_of(settings)), "done": lines, "seconds": seconds})
        return
    for line in lines:
        tables.OUT.print(line)
    tables.OUT.print(
        tr(
            "{key} is ready after {seconds} s. Send SIGHUP to the running processes, such as by systemctl reload: then "
            "they serve it. Its check follows.",
            key=key,
            seconds=seconds,
        )
    )
    context.find_root().obj = here.of(key)
    check(context)


def _make_keys(settings: Settings, *, ledger: bool) -> list[str]:
    """Create the keys that are missing; return a line for each. Raises KeyRefused.

    The ledger's key is created with its tables only: a ledger that has links needs the key that sealed them.
    """
    lines = []
    desk = settings.portal.key_file
    wanted: list[tuple[Path, Callable[[], object]]] = [(desk, lambda: DeskKey(desk).of("serving"))]
    if ledger:
        wanted.append((settings.status_db.ledger_key_file, lambda: make(settings.status_db.ledger_key_file)))
    for file, create in wanted:
        before = file.exists()
        if not before:
            make_folder(file.parent)
            create()
        text = N_("{file}: kept") if before else N_("{file}: created; keep a copy elsewhere")
        lines.append(tr(text, file=file))
    return lines


def _folder(here: GlobalOptions) -> InstitutionFolder:
    if here.institutions is None or here.config is not None:
        fail(tr("This needs the folder of the institutions: add --institutions FOLDER."), USAGE)
    return institution_folder_of(here)
