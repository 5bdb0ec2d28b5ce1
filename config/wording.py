"""Texts of mistakes in the settings, each with its table, its key and the fix."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from config.pydantic_texts import pydantic_text
from config.settings import Demo, Institution, Log, Settings, StatusDb
from config.tables.cohorts import Cohort
from config.tables.desk import Desk
from config.tables.opening_hours import Calendar
from config.tables.plain_text import on_one_line
from config.tables.portal import Api, Auth, Portal
from config.tables.providers import PROVIDERS
from config.tables.retention import Retention
from config.tables.sources import Roster, Source
from config.tables.steps import Flow, Step
from foundation.translation import tr


def key_at(loc: tuple[int | str, ...]) -> str:
    """Return the location of a value, as dotted keys."""
    return ".".join(on_one_line(str(part)) for part in loc)


def mistake_text(error: Any, raw: Mapping[str, Any]) -> str:  # noqa: ANN401 - pydantic's own dict
    """Return a mistake that pydantic found: the place as the file writes it, and the fix."""
    loc = tuple(part for part in error["loc"] if part != "[key]")
    where, known = _table_of(loc, raw)
    return tr("{place}: {why}", place=where, why=reason(error, known))


def _table_of(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the table and key of a mistake as in the file, and the known keys of that table."""
    tables: dict[str, type[BaseModel]] = {
        "institution": Institution, "status_db": StatusDb, "cohort": Cohort, "roster": Roster, "rosters": Roster,
        "step": Step, "flow": Flow, "source": Source, "calendar": Calendar, "desk": Desk, "portal": Portal,
        "auth": Auth, "api": Api, "retention": Retention, "log": Log, "demo": Demo,
    }  # fmt: skip
    if len(loc) < 2 or str(loc[0]) not in tables:
        return key_at(loc) or tr("the file"), list(Settings.model_fields)
    head, known = str(loc[0]), list(tables[str(loc[0])].model_fields)
    if isinstance(loc[1], int):
        entry = raw[head][loc[1]] if isinstance(raw.get(head), list) else {}
        name = entry.get("key", loc[1] + 1) if isinstance(entry, dict) else loc[1] + 1
        return f'[[{head}]] "{name}" {key_at(loc[2:])}'.rstrip(), known
    if head == "rosters":
        return f"[roster.{loc[1]}] {key_at(loc[2:])}".rstrip(), list(Roster.model_fields)
    if head == "source":
        return f"[source.{loc[1]}] {key_at(loc[2:])}".rstrip(), known
    if head == "auth" and str(loc[1]) in PROVIDERS:
        return f"[auth.{loc[1]}] {key_at(loc[2:])}".rstrip(), list(PROVIDERS[str(loc[1])].model_fields)
    return f"[{head}] {key_at(loc[1:])}", known


def reason(error: Any, known: list[str]) -> str:  # noqa: ANN401 - pydantic's own dict
    """Return the reason why a value is refused, with the fix at the end."""
    match error["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
            if close:
                return tr('unknown key: write "{close}", or remove it', close=close[0])
            return tr("unknown key: write one of {known}, or remove it", known=", ".join(known))
        case "missing":
            return tr("is missing: add it")
        case "value_error":
            return str(error["ctx"]["error"])
        case _:
            return tr("{why}: correct this value", why=pydantic_text(error))
