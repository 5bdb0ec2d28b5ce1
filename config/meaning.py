"""The meaning of the settings: the part that decides students' statuses, as one value with a digest.

It contains flows, steps, exemptions, what each source's rows mean, and how the roster is read. It does not contain
where, how and when a source is asked, or texts for people. Two settings files with the same meaning decide the same.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from config.settings import Settings
from config.tables.sources import Source
from foundation.translation import tr

#: Keys of a source's table that decide the meaning of its rows, besides `step` and `absent`.
_SOURCE_KEYS = (
    "means", "columns", "obligation", "item_title", "tolerance", "unit", "words", "timezone", "keys", "nameless",
    "unique_reference", "date_order",
)  # fmt: skip

#: The name of the roster among the names of sources; no source can have this name.
ROSTER_KEY = "roster"


@dataclass(frozen=True, slots=True)
class SourceMeaning:
    """What one source's rows mean."""

    step: str
    #: What no row means: cleared, unknown or held.
    absent: str
    #: Every other key that decides the meaning of a row, as plain JSON.
    rows: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FlowMeaning:
    """The students that a flow is for, and its steps in order."""

    levels: tuple[str, ...]
    #: None for every category.
    categories: tuple[str, ...] | None
    #: (step, kind, steps that it waits for) in order.
    entries: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one settings file means for the students of a cohort."""

    #: In the file's order: a student has the first one that matches.
    flows: Mapping[str, FlowMeaning]
    #: Step → the roster conditions that exempt a student from it.
    exempt: Mapping[str, tuple[Mapping[str, tuple[str, ...]], ...]]
    sources: Mapping[str, SourceMeaning]
    roster: Mapping[str, Any]

    @property
    def digest(self) -> bytes:
        """Return a digest that is different for each meaning."""
        return hashlib.blake2b(self.to_text().encode(), digest_size=16).digest()

    @property
    def structure(self) -> tuple[object, ...]:
        """Return what one settings run changes: flows, exemptions, and which sources decide which step.

        The meaning of a source's rows, and the reading of the roster, change with the next answer of that source.
        """
        return (
            list(self.flows.items()),
            dict(self.exempt),
            {name: source.step for name, source in self.sources.items()},
        )

    def sources_of(self, step: str) -> tuple[str, ...]:
        """Return the sources that decide a step."""
        return tuple(name for name, source in self.sources.items() if source.step == step)

    def with_source(self, name: str, source: SourceMeaning) -> "Meaning":
        """Return this meaning with another meaning of one source."""
        return replace(self, sources={**self.sources, name: source})

    def with_roster(self, roster: Mapping[str, Any]) -> "Meaning":
        """Return this meaning with another reading of the roster."""
        return replace(self, roster=roster)

    def with_structure(self, of: "Meaning", never_asked: Collection[str]) -> "Meaning":
        """Return this meaning with the structure of another.

        The rows of a source that both have keep their meaning here, unless it was `never_asked` and so has no marks.
        """
        sources = {
            name: replace(source, rows=own.rows, absent=own.absent)
            if (own := self.sources.get(name)) is not None and name not in never_asked
            else source
            for name, source in of.sources.items()
        }
        return Meaning(of.flows, of.exempt, sources, of.roster if ROSTER_KEY in never_asked else self.roster)

    def to_text(self) -> str:
        """Return it as JSON, with flows and their entries in order, because their order has a meaning."""
        body = {
            "flows": [
                [key, list(flow.levels), None if flow.categories is None else list(flow.categories),
                 [[step, kind, list(after)] for step, kind, after in flow.entries]]
                for key, flow in self.flows.items()
            ],
            "exempt": {step: [{k: list(v) for k, v in sorted(c.items())} for c in conditions]
                       for step, conditions in sorted(self.exempt.items())},
            "sources": [[name, s.step, s.absent, dict(sorted(s.rows.items()))]
                        for name, s in sorted(self.sources.items())],
            "roster": dict(sorted(self.roster.items())),
        }  # fmt: skip
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_text(text: str) -> "Meaning":
        """Return the meaning that `to_text` wrote."""
        body = json.loads(text)
        return Meaning(
            flows={
                key: FlowMeaning(
                    tuple(levels),
                    None if categories is None else tuple(categories),
                    tuple((step, kind, tuple(after)) for step, kind, after in entries),
                )
                for key, levels, categories, entries in body["flows"]
            },
            exempt={
                step: tuple({k: tuple(v) for k, v in condition.items()} for condition in conditions)
                for step, conditions in body["exempt"].items()
            },
            sources={name: SourceMeaning(step, absent, rows) for name, step, absent, rows in body["sources"]},
            roster=body["roster"],
        )


def meaning_of(settings: Settings) -> Meaning:
    """Return the meaning of a settings file."""
    in_flows = {entry.step for flow in settings.flow for entry in flow.entries}
    return Meaning(
        flows={
            flow.key: FlowMeaning(
                tuple(sorted(flow.levels)),
                None if flow.categories is None else tuple(sorted(flow.categories)),
                tuple((entry.step, entry.kind, flow.after(entry.step)) for entry in flow.entries),
            )
            for flow in settings.flow
        },
        exempt={
            step.key: tuple({k: tuple(sorted(v)) for k, v in c.items()} for c in step.exempt)
            for step in settings.step
            if step.key in in_flows and step.exempt
        },
        sources={name: _source_meaning(settings, source) for name, source in settings.source.items()},
        roster={
            "columns": dict(sorted(settings.roster.columns.items())),
            "levels": dict(sorted(settings.roster.levels.items())),
            "categories": dict(sorted(settings.roster.categories.items())),
            "aliases": sorted(settings.roster.aliases),
        },
    )


def _source_meaning(settings: Settings, source: Source) -> SourceMeaning:
    dumped = source.model_dump(mode="json", include={key for key in _SOURCE_KEYS if key in Source.model_fields})
    # An omitted key means the same as its default, and the order of keys and words has no meaning.
    dumped["timezone"] = str(settings.zone_of(source))
    dumped["columns"] = dict(sorted(dumped["columns"].items()))
    dumped["words"] = {kind: sorted(words) for kind, words in sorted(dumped["words"].items())}
    return SourceMeaning(source.step, source.absent_means, dumped)


def differences(before: Meaning | None, after: Meaning) -> tuple[str, ...]:
    """Return one line for each difference: the place in the settings file, the old value and the new one."""
    if before is None:
        return (tr("the settings have not been recorded for this cohort yet"),)
    lines: list[str] = []
    lines += _changed_lines("[[flow]]", _flow_texts(before), _flow_texts(after))
    if list(before.flows) != list(after.flows) and set(before.flows) == set(after.flows):
        lines.append(
            tr(
                "[[flow]]: their order was {old} and is {new}",
                old=", ".join(before.flows),
                new=", ".join(after.flows),
            )
        )
    lines += _changed_lines(tr("[[step]] exempt of"), _values_as_text(before.exempt), _values_as_text(after.exempt))
    lines += [
        tr("[source.{name}]: new, decides {step}", name=name, step=after.sources[name].step)
        for name in sorted(_sources_only_in(after, before))
    ]
    lines += [
        tr("[source.{name}]: removed, decided {step}", name=name, step=before.sources[name].step)
        for name in sorted(_sources_only_in(before, after))
    ]
    both = before.sources.keys() & after.sources.keys()
    lines += _changed_lines("[source]", _source_texts(before, both), _source_texts(after, both))
    lines += _changed_lines("[roster]", _values_as_text(before.roster), _values_as_text(after.roster))
    return tuple(lines)


def _flow_texts(meaning: Meaning) -> dict[str, str]:
    return {
        key: tr("levels {levels}; {entries}", levels=", ".join(flow.levels), entries=_entries_text(flow))
        if flow.categories is None
        else tr(
            "levels {levels}; categories {categories}; {entries}",
            levels=", ".join(flow.levels),
            categories=", ".join(flow.categories),
            entries=_entries_text(flow),
        )
        for key, flow in meaning.flows.items()
    }


def _entries_text(flow: FlowMeaning) -> str:
    return ", ".join(
        tr("{step} (manual)", step=step)
        if kind == "manual"
        else tr("{step} (review after {steps})", step=step, steps=" ".join(after))
        if after
        else step
        for step, kind, after in flow.entries
    )


def _sources_only_in(meaning: Meaning, other: Meaning) -> set[str]:
    return meaning.sources.keys() - other.sources.keys()


def _source_texts(meaning: Meaning, names: Collection[str]) -> dict[str, str]:
    words: dict[str, str] = {}
    for name in names:
        source = meaning.sources[name]
        words |= {f"{name} step": source.step, f"{name} absent": source.absent}
        words |= {f"{name} {key}": _value_as_text(value) for key, value in source.rows.items()}
    return words


def _values_as_text(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _value_as_text(value) for key, value in values.items()}


def _value_as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)


def _changed_lines(where: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if old is None:
            lines.append(tr("{where} {key}: new, {new}", where=where, key=key, new=new))
        elif new is None:
            lines.append(tr("{where} {key}: removed (it was {old})", where=where, key=key, old=old))
        else:
            lines.append(tr("{where} {key}: was {old}; is {new}", where=where, key=key, old=old, new=new))
    return lines
