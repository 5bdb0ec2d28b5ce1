"""Loads the settings: one TOML file and the environment become one frozen value, or one error with every mistake.

The variable `CLEARANCE__PORTAL__PORT=9000` sets the key `port` in `[portal]` and overrides the file.
A connector's own keys are checked by that connector's schema, which the caller passes in.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import (
    BaseModel,
    SkipValidation,
    ValidationError,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from config import renames
from config.checks import contradictions
from config.cohorts import first_roster, split_rosters
from config.institutions import PROCESS_FILE, InstitutionFile
from config.settings import ProcessSettings, Settings
from config.tables.plain_text import on_one_line, unprintable_in
from config.tables.secrets import Origin, SettingsCode, is_reference, starts_at_the_settings
from config.tables.sources import Roster, Source
from config.wording import key_at, mistake_text, reason
from foundation.refusals import Refused
from foundation.translation import tr, tr_n


class SettingsError(Refused[SettingsCode]):
    """Settings that cannot be used; the text lists every mistake with its file, its key and the fix."""

    def __init__(self, file: Path, mistakes: list[str]) -> None:
        self.file = file
        # A key or a name in the file can contain a line break; each mistake must be one line.
        self.mistakes = mistakes = [on_one_line(mistake) for mistake in mistakes]
        self.head = tr_n(
            "{file}: {number} mistake in the settings:",
            "{file}: {number} mistakes in the settings:",
            len(mistakes),
            file=file,
        )
        super().__init__(SettingsCode.MISTAKES, self.head + "".join(f"\n  {m}" for m in mistakes))


#: A table as written in the file; `Settings` checks it.
_Unchecked: TypeAlias = SkipValidation[dict[str, Any]]


class _FileAndEnvironment(BaseSettings):
    """The file, overridden by the environment; the fields are the tables that `CLEARANCE__…` variables can change."""

    model_config = SettingsConfigDict(env_prefix="CLEARANCE__", env_nested_delimiter="__", extra="allow")

    institution: _Unchecked = {}
    status_db: _Unchecked = {}
    roster: _Unchecked = {}
    source: _Unchecked = {}
    desk: _Unchecked = {}
    portal: _Unchecked = {}
    auth: _Unchecked = {}
    api: _Unchecked = {}
    log: _Unchecked = {}
    schedule: _Unchecked = {}
    metrics: _Unchecked = {}
    tracing: _Unchecked = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read only the `file` and `environ` that are passed in: no .env, no folder of secrets."""
        del env_settings, dotenv_settings, file_secret_settings
        given = init_settings()
        variables = EnvSettingsSource(settings_cls)
        variables.env_vars = {key.lower(): value for key, value in given["environ"].items()}
        return variables, InitSettingsSource(settings_cls, given["file"])

    def written(self) -> dict[str, Any]:
        """Return the tables that the file or the environment has."""
        return {name: value for name, value in self if name in self.model_fields_set}


#: Returns the schema of a connector's own keys, or None when there is no connector of that name.
Schemas = Callable[[str], type[BaseModel] | None]


def load(
    file: Path,
    schemas: Schemas,
    environ: Mapping[str, str] | None = None,
    *,
    institution: InstitutionFile | None = None,
    text: str | None = None,
) -> Settings:
    """Return the settings in `file`, overridden by the environment.

    `schemas` returns the schema of a connector's own keys. For one of several institutions, relative paths start at the
    folder with its key, and variables have its suffix. With a `text`, this is read in place of the file's. Raises
    SettingsError with every mistake found.
    """
    origin = Origin(file.resolve().parent, os.environ if environ is None else environ)
    if institution is not None:
        origin = replace(origin, folder=institution.folder.resolve(), suffix=institution.suffix)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig") if text is None else text)
    except FileNotFoundError:
        raise SettingsError(file, [tr("there is no such file: name another with --config FILE")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            file, [tr("the file could not be read ({error}): save it as UTF-8, readable here", error=error)]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [tr("invalid TOML ({error}): correct this line", error=error)]) from None
    raw = _overridden(raw, origin.environ, institution)

    if unreadable := [
        tr("{key}: contains {found}, which is not text: remove it", key=key, found=found)
        for key, found in _find_unprintable(raw)
    ]:
        raise SettingsError(file, unreadable)
    # An omitted table becomes an empty one, so that its default paths start at this file's folder, too.
    raw.setdefault("portal", {})
    mistakes, former_keys = renames.rename_keys(raw)
    mistakes += split_rosters(raw, Roster.model_fields)
    mistakes += _read_own_keys(raw, schemas, origin)
    if "rosters" in raw:
        raw["roster"] = raw["rosters"][first_roster(raw)]
    unset: dict[str, str] = {}
    try:
        settings = Settings.model_validate(raw, context=replace(origin, unset=unset))
    except ValidationError as error:
        # With several rosters, one of them is also `roster`; its mistakes are reported once.
        mistakes += [
            mistake_text(e, raw)
            for e in error.errors(include_url=False, include_input=False)
            if e["loc"][:1] != ("roster",) or "rosters" not in raw
        ]
        raise SettingsError(file, mistakes) from None
    mistakes += contradictions(settings)
    if mistakes:
        raise SettingsError(file, mistakes)
    if institution is not None:
        settings = settings.model_copy(update={"key": institution.key})
    missing = tuple((*_table_and_key(path), why) for path, why in _missing_references(raw, unset))
    return renames.applied(settings.model_copy(update={"unset": missing, "former_keys": tuple(former_keys)}))


def _overridden(
    raw: dict[str, Any], environ: Mapping[str, str], institution: InstitutionFile | None = None
) -> dict[str, Any]:
    """Return a file's tables, overridden by the environment: by the variables for all, then by those of one."""
    raw = _FileAndEnvironment(file=raw, environ=environ).written()
    if institution is None:
        return raw
    own = {
        f"CLEARANCE__{name.removeprefix(institution.prefix)}": value
        for name, value in environ.items()
        if name.startswith(institution.prefix)
    }
    return _FileAndEnvironment(file=raw, environ=own).written()


def load_process(folder: Path, environ: Mapping[str, str] | None = None) -> ProcessSettings:
    """Return what the institutions in a folder share: `_process.toml` there, overridden by the environment.

    Raises SettingsError.
    """
    file, environ = folder / PROCESS_FILE, os.environ if environ is None else environ
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            file, [tr("the file could not be read ({error}): save it as UTF-8, readable here", error=error)]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [tr("invalid TOML ({error}): correct this line", error=error)]) from None
    own = {name for name in ProcessSettings.model_fields if name in _FileAndEnvironment.model_fields}
    shared = {name: table for name, table in _overridden({}, environ).items() if name in own}
    for name, table in shared.items():
        raw[name] = {**raw.get(name, {}), **table}
    try:
        return ProcessSettings.model_validate(raw, context=Origin(folder.resolve(), environ))
    except ValidationError as error:
        raise SettingsError(file, [_shared_mistake(e, raw) for e in error.errors(include_url=False)]) from None


def _shared_mistake(error: ErrorDetails, raw: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        return tr(
            "[{table}]: not shared by institutions: write it in the file of each institution", table=error["loc"][0]
        )
    return mistake_text(error, raw)


def _missing_references(value: object, unset: Mapping[str, str], place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key of each reference that could not be read, with the reason."""
    if isinstance(value, dict | list):
        for name, inside in value.items() if isinstance(value, dict) else enumerate(value, 1):
            yield from _missing_references(inside, unset, f"{place}.{name}".lstrip("."))
    elif is_reference(value) and str(value) in unset:
        yield place, unset[str(value)]


def _table_and_key(path: str) -> tuple[str, str]:
    """Split the path of a key into its table as written in the file, such as `auth.oidc`, and the key in it."""
    table, _, key = path.partition(".")
    provider, _, rest = key.partition(".")
    return (f"{table}.{provider}", rest) if table in ("auth", "notify") and rest else (table, key)


def _find_unprintable(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place of each key and text with a control character or a lone surrogate, and that character.

    Direction marks are text, as in a name that mixes scripts; they are escaped whenever they are printed.
    """
    if isinstance(value, str):
        if found := unprintable_in(value):
            yield place, found
    elif isinstance(value, dict):
        for key, inside in value.items():
            here = f"{place}.{on_one_line(key)}" if place else on_one_line(key)
            if found := unprintable_in(key):
                yield here, found
            yield from _find_unprintable(inside, here)
    elif isinstance(value, list):
        for number, inside in enumerate(value, 1):
            yield from _find_unprintable(inside, f"{place}[{number}]")


#: Keys of a source's table that this module writes; a file cannot set them.
_NOT_IN_FILES = frozenset({"own", "table", "unread", "path_as_written"})


def _read_own_keys(raw: dict[str, Any], schemas: Schemas, origin: Origin) -> list[str]:
    """Move each connector's own keys, parsed by its schema, under `own`; return the mistakes in them."""
    mistakes: list[str] = []
    sources = raw.get("source")
    rosters = raw.get("rosters")
    asked = [("roster", None if rosters else raw.get("roster"), Roster.model_fields)]
    asked += [(f"roster.{key}", table, Roster.model_fields) for key, table in (rosters or {}).items()]
    asked += [
        (f"source.{name}", t, Source.model_fields) for name, t in (sources.items() if isinstance(sources, dict) else ())
    ]
    for where, table, common in asked:
        if not isinstance(table, dict):
            continue
        own = {key: table.pop(key) for key in list(table) if key not in common or key in _NOT_IN_FILES}
        table["own"], table["table"] = None, where
        try:
            schema = schemas(str(table.get("connector", "")))
        except ImportError as error:
            name = table["connector"]
            missing = tr(
                "[{where}] connector: {name} needs a module that is not installed here ({error}): install it",
                where=where,
                name=name,
                error=error,
            )
            table["unread"] = (missing,)
            continue
        if schema is None:
            if "connector" in table:
                mistakes.append(
                    tr(
                        '[{where}] connector: there is no connector "{connector}": see docs/connectors.md',
                        where=where,
                        connector=table["connector"],
                    )
                )
            continue
        defaults = getattr(schema, "default_columns", None)
        if defaults is not None and "columns" not in table and (columns := defaults(own)):
            # A connector for one product has that product's columns as its default.
            table["columns"] = dict(columns)
        unset: dict[str, str] = {}
        try:
            # A reference that cannot be read stops only this source, and only when it is asked.
            table["own"] = schema.model_validate(own, context=replace(origin, unset=unset))
            table["unread"] = tuple(
                tr("{place}: {why}", place=f"[{where}] {key}", why=why) for key, why in _missing_references(own, unset)
            )
            table["path_as_written"] = path if starts_at_the_settings(path := own.get("path")) else ""
        except ValidationError as error:
            known = sorted({*common, *schema.model_fields} - _NOT_IN_FILES)
            mistakes += [
                tr("{place}: {why}", place=f"[{where}] {key_at(e['loc'])}", why=reason(e, known))
                if e["loc"]
                else f"[{where}] {reason(e, known)}"
                for e in error.errors(include_url=False, include_input=False)
            ]
    return mistakes
