"""Loading the settings: one TOML file and the environment become one frozen value, or one error with every mistake.

A variable `CLEARANCE__PORTAL__PORT=9000` stands for the key `port` in `[portal]`; it wins over the file.
Keys of a connector's own are checked by that connector's schema, which the caller hands in.
"""

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
from config.settings import Settings
from config.tables.plain_text import on_one_line, unprintable_in
from config.tables.secrets import Origin, SettingsCode, is_reference, starts_at_the_settings
from config.tables.sources import Roster, Source
from config.wording import key_at, reason, worded
from foundation.refusals import Refused


class SettingsError(Refused[SettingsCode]):
    """The settings cannot be used; the text lists every mistake with its file, key and way out."""

    def __init__(self, file: Path, mistakes: list[str]) -> None:
        self.file = file
        # A key or a name of the file may hold a line break: each mistake stays one line.
        self.mistakes = mistakes = [on_one_line(mistake) for mistake in mistakes]
        count = f"{len(mistakes)} mistakes" if len(mistakes) != 1 else "1 mistake"
        self.head = f"{file}: {count} in the settings:"
        super().__init__(SettingsCode.MISTAKES, self.head + "".join(f"\n  {m}" for m in mistakes))


#: A table as it is written: `Settings` checks it, and words what is wrong with it.
_Unchecked: TypeAlias = SkipValidation[dict[str, Any]]


class _Overlaid(BaseSettings):
    """The file with the environment on top; the fields are the tables that `CLEARANCE__…` variables may reach into."""

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the `file` and `environ` that were handed in, and nothing else: no .env, no folder of secrets."""
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


def load(file: Path, schemas: Schemas, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in `file`, with the environment's on top.

    `schemas` gives the schema for a connector's own keys. Raises SettingsError with every mistake found.
    """
    origin = Origin(file.resolve().parent) if environ is None else Origin(file.resolve().parent, environ)
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(file, ["there is no such file: name another with --config FILE"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"the file could not be read ({error}): save it as UTF-8, readable here"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [f"this is not TOML ({error}): correct that line"]) from None
    raw = _Overlaid(file=raw, environ=origin.environ).written()

    if unreadable := [f"{place}: holds {found}, which is not text: remove it" for place, found in _harmful(raw)]:
        raise SettingsError(file, unreadable)
    # A table that is left out is an empty one: what it names by default lies beside this file, too.
    raw.setdefault("portal", {})
    mistakes = split_rosters(raw, Roster.model_fields)
    mistakes += _take_own(raw, schemas, origin)
    if "rosters" in raw:
        raw["roster"] = raw["rosters"][first_roster(raw)]
    unset: dict[str, str] = {}
    try:
        settings = Settings.model_validate(raw, context=replace(origin, unset=unset))
    except ValidationError as error:
        # Of several rosters, one is read twice; what is wrong with it is said once.
        mistakes += [
            worded(e, raw)
            for e in error.errors(include_url=False, include_input=False)
            if e["loc"][:1] != ("roster",) or "rosters" not in raw
        ]
        raise SettingsError(file, mistakes) from None
    mistakes += contradictions(settings)
    if mistakes:
        raise SettingsError(file, mistakes)
    missing = tuple((*_table_and_key(path), why) for path, why in _places(raw, unset))
    return renames.applied(settings.model_copy(update={"unset": missing}))


def _places(value: object, unset: Mapping[str, str], place: str = "") -> Iterator[tuple[str, str]]:
    """Give the key of each reference that could not be looked up, with the reason."""
    if isinstance(value, dict | list):
        for name, inside in value.items() if isinstance(value, dict) else enumerate(value, 1):
            yield from _places(inside, unset, f"{place}.{name}".lstrip("."))
    elif is_reference(value) and str(value) in unset:
        yield place, unset[str(value)]


def _table_and_key(path: str) -> tuple[str, str]:
    """Split the path of a key into its table as the file writes it, such as `auth.oidc`, and the key within it."""
    table, _, key = path.partition(".")
    provider, _, rest = key.partition(".")
    return (f"{table}.{provider}", rest) if table == "auth" and rest else (table, key)


def _harmful(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Give each key and text that holds a control character or half of a character, with what it holds.

    Marks of direction are text, as in a name that mixes scripts; wherever it is printed they are written out.
    """
    if isinstance(value, str):
        if found := unprintable_in(value):
            yield place, found
    elif isinstance(value, dict):
        for key, inside in value.items():
            here = f"{place}.{on_one_line(key)}" if place else on_one_line(key)
            if found := unprintable_in(key):
                yield here, found
            yield from _harmful(inside, here)
    elif isinstance(value, list):
        for number, inside in enumerate(value, 1):
            yield from _harmful(inside, f"{place}[{number}]")


#: What of a source's table is written by this module, and never in a file.
_OURS = frozenset({"own", "table", "unread", "path_as_written"})


def _take_own(raw: dict[str, Any], schemas: Schemas, origin: Origin) -> list[str]:
    """Move each connector's own keys, read by its schema, under `own`; return the mistakes found in them."""
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
        own = {key: table.pop(key) for key in list(table) if key not in common or key in _OURS}
        table["own"], table["table"] = None, where
        try:
            schema = schemas(str(table.get("connector", "")))
        except ImportError as error:
            name = table["connector"]
            missing = f"[{where}] connector: {name} needs a module that is not installed here ({error}): install it"
            table["unread"] = (missing,)
            continue
        if schema is None:
            if "connector" in table:
                mistakes.append(
                    f'[{where}] connector: there is no connector "{table["connector"]}": see docs/connectors.md'
                )
            continue
        defaults = getattr(schema, "default_columns", None)
        if defaults is not None and "columns" not in table and (columns := defaults(own)):
            # A connector for one system knows that system's columns.
            table["columns"] = dict(columns)
        unset: dict[str, str] = {}
        try:
            # What cannot be looked up stops this source alone, when it is asked.
            table["own"] = schema.model_validate(own, context=replace(origin, unset=unset))
            table["unread"] = tuple(f"[{where}] {key}: {why}" for key, why in _places(own, unset))
            table["path_as_written"] = path if starts_at_the_settings(path := own.get("path")) else ""
        except ValidationError as error:
            known = sorted({*common, *schema.model_fields} - _OURS)
            mistakes += [
                f"[{where}] {key_at(e['loc'])}: {reason(e, known)}" if e["loc"] else f"[{where}] {reason(e, known)}"
                for e in error.errors(include_url=False, include_input=False)
            ]
    return mistakes
