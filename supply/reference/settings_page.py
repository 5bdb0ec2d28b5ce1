"""The page of all settings: every table of the settings file with its keys, from the models in config/tables."""

import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config import settings
from config.tables import cohorts, desk, notify, opening_hours, operations, portal, providers, sources, steps
from config.tables.base import CronLine, Span
from config.tables.limits import PortalLimits
from config.tables.opening_hours import EachDay, Times
from config.tables.retention import Kept, Retention
from config.tables.secrets import DatabaseUrl, FilePath, Secret, Text
from supply.reference.doc_comments import doc_comments
from supply.reference.languages import ReferenceLanguage
from supply.reference.markdown import code, links_from, table

#: Table → its model, in the order of the page. A table inside of another follows it.
TABLES: Mapping[str, type[BaseModel]] = {
    "[institution]": settings.Institution,
    "[status_db]": settings.StatusDb,
    "[[cohort]]": cohorts.Cohort,
    "[cohort.windows.LEVEL]": cohorts.Window,
    "[cohort.collect.COLLEGE]": cohorts.Collect,
    "[[step]]": steps.Step,
    "[step.office]": steps.Office,
    "[step.office.places.CAMPUS]": steps.OfficePlace,
    "[step.office.places.CAMPUS.open]": opening_hours.OpenHours,
    "[[flow]]": steps.Flow,
    "[[flow.entries]]": steps.FlowEntry,
    "[calendar]": opening_hours.Calendar,
    "[roster]": sources.Roster,
    "[source.NAME]": sources.Source,
    "[source.NAME.guard]": sources.Guard,
    "[portal]": portal.Portal,
    "[portal.limits]": PortalLimits,
    "[desk]": desk.Desk,
    "[desk.paper]": desk.Paper,
    "[auth]": portal.Auth,
    **{f"[auth.{name}]": model for name, model in providers.PROVIDERS.items()},
    "[api]": portal.Api,
    "[notify]": notify.Notify,
    "[notify.mail]": notify.Mail,
    "[notify.wecom]": notify.Webhook,
    "[notify.dingtalk]": notify.DingTalk,
    "[notify.webhook]": notify.SignedWebhook,
    "[notify.recipients]": notify.Recipients,
    "[notify.students]": notify.Students,
    "[schedule]": operations.Schedule,
    "[cluster]": operations.Cluster,
    "[metrics]": operations.Metrics,
    "[tracing]": operations.Tracing,
    "[retention]": Retention,
    "[log]": settings.Log,
    "[demo]": settings.Demo,
}

#: What the program itself fills in; a file cannot set it.
NO_KEYS = frozenset({"own", "table", "unread", "path_as_written"})

_ALIASES: Sequence[tuple[object, str]] = (
    (Span, "duration"),
    (Kept, "duration"),
    (CronLine, "cron line"),
    (FilePath, "path"),
    (Text, "text"),
    (Times, "hours of a day"),
    (operations.Quiet, "hours of a day, or a list of them"),
    (EachDay, "day, or first and last day"),
)
_TYPES: Mapping[object, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    Decimal: "number",
    date: "date",
    Path: "path",
    timedelta: "duration",
    ZoneInfo: "time zone",
    Secret: "secret",
    DatabaseUrl: "database address",
}
_DURATIONS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))

_HEAD = """Every key of the settings file, by table. [Settings]({settings}) explains how to write the file, and shows a
whole one. `make reference` writes this page from the code."""


def page(language: ReferenceLanguage) -> str:
    """Return the page."""
    pieces = [f"# {language.text('All settings')}", links_from(language.folder, _head(language))]
    for name, model in TABLES.items():
        level = "##" if name.count(".") == 0 or name.startswith("[source") else "###"
        pieces.append(f"{level} `{name}`")
        pieces.append(language.text(" ".join((model.__doc__ or "").split())))
        pieces.append(_table(model, language))
    return "\n\n".join(pieces) + "\n"


def _head(language: ReferenceLanguage) -> str:
    return language.text(" ".join(_HEAD.split())).format(
        settings="settings.md" if language.code == "en" else "zh/settings.md"
    )


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the keys of a table with their fields."""
    return {name: info for name, info in model.model_fields.items() if name not in NO_KEYS}


def _table(model: type[BaseModel], language: ReferenceLanguage) -> str:
    comments, hints = doc_comments(model), get_type_hints(model, include_extras=True)
    head = [language.text(word) for word in ("key", "type", "default", "meaning")]
    rows = []
    for name, info in keys(model).items():
        meaning = links_from(language.folder, language.text(comments[name]))
        default = language.text("required") if info.is_required() else _default(info, language)
        rows.append((code(name), _type(hints[name], language), default, meaning))
    return table(head, rows)


def _default(info: FieldInfo, language: ReferenceLanguage) -> str:
    value = info.default
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel) or value in ("", [], (), {}):
        return language.text("none")
    return code(toml(value))


def toml(value: object) -> str:
    """Return a default value as the settings file has it."""
    match value:
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return f"{value:_}" if value >= 10_000 else str(value)
        case timedelta():
            unit, size = next((each for each in _DURATIONS if not value % each[1]), ("s", timedelta(seconds=1)))
            return f'"{value // size} {unit}"'
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return f'"{value}"'


def _type(hint: Any, language: ReferenceLanguage) -> str:  # noqa: ANN401 - a type as Python writes it
    """Return a type in words, with its limits."""
    if alias := next((name for each, name in _ALIASES if hint == each), ""):
        return language.text(alias)
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(inside[0], language) + _limits(inside[1:], language)
    if origin is Literal:
        return ", ".join(code(f'"{value}"') for value in inside)
    if origin in (types.UnionType, Union):
        return language.text(" or ").join(_type(each, language) for each in inside if each is not type(None))
    if origin in (list, tuple):
        return language.text("list: {type}").format(type=_type(inside[0], language))
    if origin is dict:
        return language.text("table: {key} → {type}").format(
            key=_type(inside[0], language), type=_type(inside[1], language)
        )
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return _link_to(hint, language)
    return language.text(_TYPES[hint])


def _link_to(model: type[BaseModel], language: ReferenceLanguage) -> str:
    name = next((name for name, each in TABLES.items() if each is model), None)
    anchor = "".join(c for c in (name or "").lower() if c.isalnum() or c in "_-")
    return f"[`{name}`](#{anchor})" if name else language.text("table")


def _limits(metadata: Sequence[object], language: ReferenceLanguage) -> str:
    """Return the limits of a number or a duration; empty for others."""
    parts = list(_limits_of(metadata, language))
    return f" ({', '.join(parts)})" if parts else ""


def _limits_of(metadata: Sequence[object], language: ReferenceLanguage) -> Iterator[str]:
    for each in metadata:
        inner = each.metadata if isinstance(each, FieldInfo) else [each]
        for limit in inner:
            match limit:
                case Ge(ge=least):
                    yield language.text("at least {value}").format(value=toml(least).strip('"'))
                case Le(le=most):
                    yield language.text("at most {value}").format(value=toml(most).strip('"'))
