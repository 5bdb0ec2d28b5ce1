"""From the settings to the values that the rule, the guard and the timetable work with."""

import json
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, SecretStr

from config.settings import Asked, Settings
from config.timetable import timetable_of
from status_db.model import ROSTER, Means, StepKind, Verdict, digest_of
from status_db.opinions import Needed
from sync.guard import Limits
from sync.roster import FlowRule, RosterRule
from sync.rows import SourceRule, normalise_word

_WORD_MEANS = {"done": Verdict.CLEARED, "not_done": Verdict.HELD, "exempt": Verdict.EXEMPT}


def source_rule(settings: Settings, name: str) -> SourceRule:
    """Return what a source's rows mean."""
    source = settings.source[name]
    words = {normalise_word(w): _WORD_MEANS[kind] for kind, listed in source.words.items() for w in listed}
    return SourceRule(
        source=name,
        step=source.step,
        means=Means(source.means),
        absent=Verdict(source.absent_means),
        obligation=source.obligation,
        item_title=source.item_title,
        tolerance=source.tolerance,
        yuan=Decimal(1) if source.unit == "yuan" else Decimal("0.01"),
        words=words,
        zone=source.timezone or settings.institution.timezone,
        institution_zone=settings.institution.timezone,
        question=_question(source),
        exempt=_exempt(settings, source.step),
    )


def _question(asked: Asked) -> bytes:
    """Digest what is asked, without the secrets and addresses that may change while the question stays."""
    own = _plain(asked.own)
    return digest_of([asked.connector.encode(), json.dumps([asked.columns, own], sort_keys=True, default=str).encode()])


#: Own keys that say where and how patiently to ask, not what.
_NOT_THE_QUESTION = {
    "url", "base_url", "timeout", "connect_timeout", "longest", "retries", "verify", "auth", "fingerprint", "limit",
}  # fmt: skip


def _plain(own: BaseModel | None) -> dict[str, object]:
    if own is None:
        # A source that cannot be asked here; nothing of it is compared.
        return {}
    dumped = own.model_dump(mode="python")
    return {k: v for k, v in dumped.items() if k not in _NOT_THE_QUESTION and not isinstance(v, SecretStr | Path)}


def limits(asked: Asked) -> Limits:
    """Return a source's guard limits."""
    return Limits(**asked.guard.model_dump(exclude={"office_first", "two_approve"}))


def needed(asked: Asked) -> Needed:
    """Return what it takes to approve a suspended run."""
    return Needed(plausible=asked.guard.office_first, two=asked.guard.two_approve)


def fresh_for(settings: Settings, asked: Asked) -> timedelta:
    """Return how long its answer counts as fresh."""
    return asked.fresh_for or timetable_of(settings, asked).fresh_for()


def roster_rule(settings: Settings) -> RosterRule:
    """Return what the registrar's list means."""
    flows = tuple(
        FlowRule(f.key, frozenset(f.levels), frozenset(f.categories) if f.categories is not None else None)
        for f in settings.flow
    )
    return RosterRule(settings.roster.levels, settings.roster.categories, tuple(settings.roster.aliases), flows)


def steps_of_flows(settings: Settings) -> dict[str, tuple[tuple[str, StepKind], ...]]:
    """Return flow → its steps and their kinds, in order."""
    return {flow.key: tuple((e.step, StepKind(e.kind)) for e in flow.entries) for flow in settings.flow}


def flows_with(settings: Settings, step: str) -> tuple[str, ...]:
    """Return the flows in which a step is synced."""
    return tuple(f.key for f in settings.flow if any(e.step == step and e.kind == "synced" for e in f.entries))


def told_in_links(settings: Settings) -> dict[str, dict[str, str]]:
    """Return source → what the link of its run says of the settings that decided it: name → digest as hex.

    Only so can it be told later whether a finding is another because somebody altered it or because settings changed.
    """
    steps = sorted({source.step for source in settings.source.values()})
    of_step = {rules_of(step): _decisive(settings, step) for step in steps}
    told = {name: {rules_of(s.step): of_step[rules_of(s.step)]} for name, s in settings.source.items()}
    return told | {ROSTER: {**of_step, FLOWS: _flows(settings)}}


#: The name under which a roster run's link tells the flows it gave students their steps by.
FLOWS = "flows"


def rules_of(step: str) -> str:
    """Return the name under which a link tells the settings that decide a step."""
    return f"rules:{step}"


def _decisive(settings: Settings, step: str) -> str:
    sources = [(name, source_rule(settings, name)) for name in sorted(settings.sources_of(step))]
    parts = [part for name, rule in sources for part in (name.encode(), rule.digest)]
    return digest_of([*parts, _exempt(settings, step)]).hex()


def _exempt(settings: Settings, step: str) -> bytes:
    return digest_of([json.dumps(settings.step_named(step).exempt, sort_keys=True).encode()])


def _flows(settings: Settings) -> str:
    listed = {flow: [list(pair) for pair in pairs] for flow, pairs in steps_of_flows(settings).items()}
    return digest_of([json.dumps(listed, sort_keys=True).encode()]).hex()


def exemptions(settings: Settings, step: str) -> list[Mapping[str, Collection[str]]]:
    """Return the roster conditions that let students off a step."""
    return list(settings.step_named(step).exempt)
