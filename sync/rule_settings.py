"""From the settings to the values of the rule, the guard and the timetable."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import make_url

from config.renames import DIGESTED_AS
from config.settings import Settings
from config.tables.notify import NotifyEvent
from config.tables.secrets import DatabaseUrl, Secret, SecretUnusable
from config.tables.sources import Asked
from config.timetable import timetable_of
from status_db.model import Means, StepKind, Verdict, digest_of
from status_db.outbox.run_notices import RunNotices
from sync.rule.guard import GuardLimits
from sync.rule.records import SourceRule, normalise_word
from sync.rule.roster import FlowRule, RosterRule

_WORD_MEANS = {"done": Verdict.CLEARED, "not_done": Verdict.HELD, "exempt": Verdict.EXEMPT}


def source_rule(settings: Settings, name: str) -> SourceRule:
    """Return the meaning of a source's rows."""
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
        zone=settings.zone_of(source),
        institution_zone=settings.institution.timezone,
        question=_digest_of_question(source),
        former_question=_digest_of_question(source, former=True),
        own_numbers=source.keys == "student",
        nameless=source.nameless,
        unique_reference=source.unique_reference,
        date_order=source.date_order,
    )


def _digest_of_question(asked: Asked, *, former: bool = False) -> bytes:
    """Digest the question, without the secrets and addresses that can change while the question stays.

    `former` computes it as former versions did: the pace of questions about single students was part of it.
    """
    own = _question_settings(asked.own)
    if not former:
        # Whether students are asked about one by one is part of the question; the pace is not.
        own |= {key: type(value)().model_dump(mode="python") for key, value in _paces(asked.own)}
    return digest_of(
        [asked.connector.encode(), json.dumps([asked.columns, own], sort_keys=True, default=_masked).encode()]
    )


def _masked(value: object) -> str:
    return "**********" if isinstance(value, Secret) else str(value)


def _paces(own: BaseModel | None) -> Iterator[tuple[str, BaseModel]]:
    """Yield the own keys with a table about how to ask."""
    for key, value in own or ():
        if getattr(value, "only_how", False) and key not in getattr(type(own), "how", ()):
            yield key, value


#: Own keys about where to ask and how long to wait, not about the question.
_NOT_THE_QUESTION = {
    "url", "base_url", "host", "port", "timeout", "connect_timeout", "longest", "retries", "verify", "auth",
    "tls_minimum", "tls_ciphers", "fingerprint", "limit",
}  # fmt: skip


def _question_settings(own: BaseModel | None) -> dict[str, object]:
    if own is None:
        # A source that cannot be asked here: nothing of it is compared.
        return {}
    dumped = own.model_dump(mode="python")
    # A connector names its own keys that contain the answer itself, and those about how to ask.
    besides = _NOT_THE_QUESTION | getattr(type(own), "answers", frozenset()) | getattr(type(own), "how", frozenset())
    named = {DIGESTED_AS.get(key, key): value for key, value in dumped.items() if key not in besides}
    return {key: value for key, value in named.items() if not isinstance(value, Secret | Path)}


def location(asked: Asked, *, former: bool = False) -> bytes:
    """Digest the location and the user of a source, without passwords and other secrets.

    A file counts as the settings write it, so that both can move together. `former` computes the digest as former
    versions did: a file by its path on this machine.
    """
    # The location is unknown for a source that cannot be asked because its connector is missing.
    own = asked.own.model_dump(mode="python") if asked.own is not None else {}
    where = {key: own[key] for key in sorted(own) if key in _WHERE}
    if asked.path_as_written and not former:
        where["path"] = asked.path_as_written
    plainly = _without_secret if former else _as_written
    return digest_of([asked.connector.encode(), json.dumps(where, sort_keys=True, default=plainly).encode()])


def locations(asked: Asked) -> tuple[bytes, bytes]:
    """Return both digests of a source's location: one that an older version stored is the same location."""
    return location(asked), location(asked, former=True)


#: Own keys for the location and the user of a source.
_WHERE = {"url", "base_url", "host", "port", "path", "auth"}


def _as_written(value: object) -> str:
    try:
        file = value.file_as_written() if isinstance(value, DatabaseUrl) else ""
    except SecretUnusable:
        file = ""
    return file or _without_secret(value)


def _without_secret(value: object) -> str:
    if not isinstance(value, DatabaseUrl):
        return "" if isinstance(value, Secret) else str(value)
    try:
        return make_url(value.reveal()).set(password=None).render_as_string()
    except SecretUnusable:
        # It cannot be asked either: return a database without a location.
        return "sqlite://"


def limits(asked: Asked) -> GuardLimits:
    """Return a source's guard limits."""
    return GuardLimits(**asked.guard.limits())


def fresh_for(settings: Settings, asked: Asked) -> timedelta:
    """Return how long a source's answer counts as fresh."""
    return asked.fresh_for or timetable_of(settings, asked).fresh_for()


def roster_rule(settings: Settings) -> RosterRule:
    """Return the meaning of the registrar's list."""
    flows = tuple(
        FlowRule(f.key, frozenset(f.levels), frozenset(f.categories) if f.categories is not None else None)
        for f in settings.flow
    )
    return RosterRule(settings.roster.levels, settings.roster.categories, tuple(settings.roster.aliases), flows)


def notices(settings: Settings) -> RunNotices | None:
    """Return what the end of a run notifies of; None where no channel is set up."""
    own = settings.notify
    if not own.enabled:
        return None
    to_students = NotifyEvent.STEP_CHANGED in own.student_events
    return RunNotices(own.failing_after_tries, own.failing_after, to_students)


def roster_digest(settings: Settings) -> bytes:
    """Digest how the registrar's list is read, and the question."""
    asked = settings.roster
    words = json.dumps([asked.levels, asked.categories, sorted(asked.aliases)], sort_keys=True, default=str)
    return digest_of([b"roster", _digest_of_question(asked), words.encode()])


def steps_of_flows(settings: Settings) -> dict[str, tuple[tuple[str, StepKind], ...]]:
    """Return flow → its steps and their kinds, in order."""
    return {flow.key: tuple((e.step, StepKind(e.kind)) for e in flow.entries) for flow in settings.flow}


def flows_with(settings: Settings, step: str) -> tuple[str, ...]:
    """Return the flows in which a step is synced."""
    return tuple(f.key for f in settings.flow if any(e.step == step and e.kind == "synced" for e in f.entries))


def exemptions(settings: Settings, step: str) -> list[Mapping[str, Collection[str]]]:
    """Return the roster conditions that exempt students from a step."""
    return list(settings.step_named(step).exempt)
