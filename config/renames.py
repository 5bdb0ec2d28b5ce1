"""Renames: of steps and sources, which the settings declare with `was`, and of the settings' own keys.

Decisions, history and the ledger contain names of steps and sources, and are never rewritten. So the new name is only
for the settings file, and the program continues to use the first one.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from foundation.translation import tr

if TYPE_CHECKING:
    from config.settings import Settings
    from config.tables.sources import Source
    from config.tables.steps import Flow, FlowEntry, Step

#: (table, former key) → current key. The former keys work for one release. `source` means each [source.NAME].
RENAMED_KEYS: Final[Mapping[tuple[str, str], str]] = {
    ("desk", "objection_due"): "appeal_due",
    ("desk", "objections_waiting"): "appeals_waiting",
    ("source", "brought"): "uploaded",
}

#: Current → former key of a source. Digests that are stored contain the former ones, and stay as they are.
DIGESTED_AS: Final[Mapping[str, str]] = {
    current: former for (table, former), current in RENAMED_KEYS.items() if table == "source"
}


def rename_keys(raw: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Rename the former keys in the tables of a settings file; return the mistakes, and a notice for each one renamed.

    A key that is there under both names is a mistake.
    """
    mistakes: list[str] = []
    notices: list[str] = []
    for (name, former), current in RENAMED_KEYS.items():
        for where, table in _tables_named(raw, name):
            if former not in table:
                continue
            value = table.pop(former)
            if current in table:
                mistakes.append(
                    tr(
                        "[{table}] {former}: is now {current}, which is here, too: remove {former}",
                        table=where,
                        former=former,
                        current=current,
                    )
                )
            else:
                table[current] = value
                notices.append(
                    tr(
                        "[{table}] {former} is now {current}. The old key works until the next release. Rename it.",
                        table=where,
                        former=former,
                        current=current,
                    )
                )
    return mistakes, notices


def _tables_named(raw: Mapping[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    table = raw.get(name)
    tables = table if name == "source" and isinstance(table, dict) else {"": table}
    for key, inside in tables.items():
        if isinstance(inside, dict):
            yield f"{name}.{key}".rstrip("."), inside


def log_former_keys(settings: "Settings") -> None:
    """Write a warning about each former key of the settings file to the log."""
    for notice in settings.former_keys:
        structlog.get_logger("clearance.settings").warning("settings key renamed", message=notice)


def stored_name(settings: "Settings", given: str) -> str:
    """Return the stored name of a step or source; a name that was not renamed is returned as it is."""
    return settings.renamed.get(given, given)


def mistakes(settings: "Settings") -> list[str]:
    """Find renames that conflict: a name belongs to one step, or to one source."""
    found: list[str] = []
    for where, keys in (
        ("[[step]]", {step.key: step.was for step in settings.step}),
        ("[source]", {name: source.was for name, source in settings.source.items()}),
    ):
        old = [was for was in keys.values() if was is not None]
        for key, was in keys.items():
            if was is None:
                continue
            if was in keys:
                found.append(
                    tr(
                        '{where} "{key}" was: "{was}" is still a key here. Remove one of the two',
                        where=where,
                        key=key,
                        was=was,
                    )
                )
            elif old.count(was) > 1:
                found.append(
                    tr(
                        '{where} "{key}" was: "{was}" is a duplicate. Keep it in the key that continues it',
                        where=where,
                        key=key,
                        was=was,
                    )
                )
    return found


def applied(settings: "Settings") -> "Settings":
    """Return the settings with every renamed step and source under its stored name."""
    steps = {step.key: step.was for step in settings.step if step.was is not None}
    sources = {name: source.was for name, source in settings.source.items() if source.was is not None}
    if not steps and not sources:
        return settings
    return settings.model_copy(
        update={
            "step": [_rename_step(step) for step in settings.step],
            "flow": [_rename_flow(flow, steps) for flow in settings.flow],
            "source": {
                sources.get(name, name): _rename_source(source, steps) for name, source in settings.source.items()
            },
            "renamed": {**steps, **sources},
        }
    )


def _rename_step(step: "Step") -> "Step":
    return step.model_copy(update={"key": step.was}) if step.was is not None else step


def _rename_flow(flow: "Flow", steps: Mapping[str, str]) -> "Flow":
    return flow.model_copy(update={"entries": [_rename_entry(entry, steps) for entry in flow.entries]})


def _rename_entry(entry: "FlowEntry", steps: Mapping[str, str]) -> "FlowEntry":
    after = None if entry.after is None else [steps.get(step, step) for step in entry.after]
    return entry.model_copy(update={"step": steps.get(entry.step, entry.step), "after": after})


def _rename_source(source: "Source", steps: Mapping[str, str]) -> "Source":
    return source.model_copy(update={"step": steps.get(source.step, source.step)})
