"""Renames that the settings declare with `was`: a step or a source keeps the name under which it is stored.

Decisions, history and the ledger name steps and sources, and are never rewritten. So a renamed key is a new name for
people who write the settings, and the program goes on under the first one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings
    from config.tables.sources import Source
    from config.tables.steps import Flow, FlowEntry, Step


def stored_name(settings: "Settings", given: str) -> str:
    """Return the stored name of a step or source that the settings may have renamed; any other as it is."""
    return settings.renamed.get(given, given)


def mistakes(settings: "Settings") -> list[str]:
    """Find renames that cannot be: each name is one step's, or one source's."""
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
                found.append(f'{where} "{key}" was: "{was}" is still a key here. Remove one of the two')
            elif old.count(was) > 1:
                found.append(f'{where} "{key}" was: "{was}" is named twice. Keep it in the key that continues it')
    return found


def applied(settings: "Settings") -> "Settings":
    """Return the settings with every renamed step and source under its stored name."""
    steps = {step.key: step.was for step in settings.step if step.was is not None}
    sources = {name: source.was for name, source in settings.source.items() if source.was is not None}
    if not steps and not sources:
        return settings
    return settings.model_copy(
        update={
            "step": [_step(step) for step in settings.step],
            "flow": [_flow(flow, steps) for flow in settings.flow],
            "source": {sources.get(name, name): _source(source, steps) for name, source in settings.source.items()},
            "renamed": {**steps, **sources},
        }
    )


def _step(step: "Step") -> "Step":
    return step.model_copy(update={"key": step.was}) if step.was is not None else step


def _flow(flow: "Flow", steps: Mapping[str, str]) -> "Flow":
    return flow.model_copy(update={"entries": [_entry(entry, steps) for entry in flow.entries]})


def _entry(entry: "FlowEntry", steps: Mapping[str, str]) -> "FlowEntry":
    after = None if entry.after is None else [steps.get(step, step) for step in entry.after]
    return entry.model_copy(update={"step": steps.get(entry.step, entry.step), "after": after})


def _source(source: "Source", steps: Mapping[str, str]) -> "Source":
    return source.model_copy(update={"step": steps.get(source.step, source.step)})
