"""Contradictions between keys of the settings, each of which is valid by itself."""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from config import renames
from config.cohorts import mistakes as cohort_mistakes
from config.settings import Settings
from config.tables.providers import providers_contradict
from config.tables.sources import Asked, Roster, Source
from config.timetable import timetable_of
from foundation.translation import tr

#: Names of columns with the number of an identity document: in Chinese, in English, in the initials of data standards.
_IDENTITY_WORDS = re.compile(
    "身份证|证件号|护照|identity|passport|(?<![a-z])id_?card|national_?id|sfzh|sfzjh|zjhm", re.IGNORECASE
)


def _identity_columns(where: str, columns: Mapping[str, str]) -> list[str]:
    """Find columns with numbers of identity documents: what is never read cannot leak."""
    return [
        tr(
            '[{where}] columns: {key} = "{column}" is the number of an identity document, and none is '
            "ever stored here: remove it, and identify people by their student number or card",
            where=where,
            key=key,
            column=column,
        )
        for key, column in columns.items()
        if _IDENTITY_WORDS.search(key) or _IDENTITY_WORDS.search(column)
    ]


def _unused_columns(where: str, roster: Roster, settings: Settings) -> list[str]:
    """Find roster columns that nothing uses: data without a use are not stored."""
    used = {"student", "name", "level", "college", "class", "campus", "building", "category", *roster.aliases}
    used |= {column for step in settings.step for condition in step.exempt for column in condition}
    if settings.notify.students is not None:
        used.add(settings.notify.students.mail)
    return [
        tr(
            "[{where}] columns: {key} is not used, and data without a use are not stored: remove it, or "
            "name it in aliases or in a step's exempt",
            where=where,
            key=key,
        )
        for key in roster.columns
        if key not in used
    ]


def contradictions(settings: Settings) -> list[str]:
    """Find contradictions between tables, each with the fix."""
    found: list[str] = []
    steps = [s.key for s in settings.step]
    for what, keys in (
        ("step", steps),
        ("flow", [f.key for f in settings.flow]),
        ("cohort", [c.key for c in settings.cohort]),
    ):
        found += [
            tr('[[{what}]] "{key}": duplicate key: give each its own key', what=what, key=k)
            for k in sorted({k for k in keys if keys.count(k) > 1})
        ]
    synced: set[str] = set()
    for flow in settings.flow:
        seen: list[str] = []
        for entry in flow.entries:
            at = f'[[flow]] "{flow.key}" entry "{entry.step}"'
            if entry.step not in steps:
                found.append(tr("{at}: there is no such step: write one of {steps}", at=at, steps=", ".join(steps)))
            if entry.step in seen:
                found.append(tr("{at}: duplicate entry: remove one", at=at))
            if entry.after is not None and entry.kind != "review":
                found.append(
                    tr('{at}: only a review can wait for steps: set kind = "review", or remove `after`', at=at)
                )
            found += [
                tr('{at}: waits for "{step}", which is not before it: move it', at=at, step=a)
                for a in entry.after or ()
                if a not in seen
            ]
            if entry.kind == "synced":
                synced.add(entry.step)
            seen.append(entry.step)
    used = {s.step for s in settings.source.values()}
    found += [
        tr('[[step]] "{step}": is synced, but has no source: add a [source.NAME] with step = "{step}"', step=k)
        for k in sorted(synced - used)
    ]
    found += renames.mistakes(settings)
    auth = settings.auth
    found += _address_mistakes("public_url", settings.portal.public_url)
    found += _address_mistakes("desk_public_url", settings.portal.desk_public_url)
    found += providers_contradict(auth.cas, auth.oidc, auth.ldap, settings.portal.public_url)
    found += cohort_mistakes(settings) + _notify_mistakes(settings)
    rosters = {f"roster.{key}": roster for key, roster in settings.rosters.items()} or {"roster": settings.roster}
    for where, roster in rosters.items():
        found += _roster_contradictions(where, roster, settings)
    for name, source in settings.source.items():
        found += _source_contradictions(name, source, steps, synced)
        found += _quiet_mistakes(f"source.{name}", source, settings)
    return found


#: A path below which the pages can be served: what no browser and no proxy writes in another way.
_PREFIX = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")


def _address_mistakes(key: str, address: str) -> list[str]:
    """Find what is wrong with an address of the pages; it can be empty."""
    if not address or _is_address_of_pages(address):
        return []
    return [
        tr(
            '[portal] {key}: "{address}" is not an address of pages: write one such as '
            '"https://clearance.example.edu.cn", or with a path of letters and digits, "https://www.example.edu.cn/leave"',
            key=key,
            address=address,
        )
    ]


def _is_address_of_pages(address: str) -> bool:
    try:
        parts = urlsplit(address)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    more = parts.query or parts.fragment or parts.username
    return named and parts.scheme in ("http", "https") and not more and bool(_PREFIX.fullmatch(parts.path))


def _notify_mistakes(settings: Settings) -> list[str]:
    notify = settings.notify
    found: list[str] = []
    if notify.mail is not None and (notify.mail.password is None) != (notify.mail.user == ""):
        found.append(tr("[notify.mail] password: user and password belong together: set both, or neither"))
    found += [
        tr(
            "[notify] {key}: needs mail, because the messages name students: add [notify.mail], or remove this key",
            key=key,
        )
        for key, value in (("class_digest", notify.class_digest), ("students", notify.students))
        if value is not None and notify.mail is None
    ]
    return found


def _roster_contradictions(where: str, roster: Roster, settings: Settings) -> list[str]:
    levels = {level for flow in settings.flow for level in flow.levels}
    found: list[str] = []
    found += [
        tr(
            '[{where}] levels: "{word}" means "{level}", which no flow has: write one of {levels}',
            where=where,
            word=word,
            level=level,
            levels=", ".join(sorted(levels)),
        )
        for word, level in roster.levels.items()
        if level not in levels
    ]
    found += [
        tr('[{where}] aliases: "{name}" is not a mapped column: add it to columns', where=where, name=name)
        for name in roster.aliases
        if name not in roster.columns
    ]
    found += [
        tr("[{where}] columns: {key} is missing: name the column that holds it", where=where, key=key)
        for key in ("student", "name", "level", "college")
        if key not in roster.columns
    ]
    students = settings.notify.students
    if students is not None and students.mail not in roster.columns:
        found.append(
            tr(
                '[notify.students] mail: "{mail}" is not a mapped column of [{where}]: add it to its columns',
                mail=students.mail,
                where=where,
            )
        )
    found += _identity_columns(where, roster.columns) + _unused_columns(where, roster, settings)
    return found + _schedule_mistakes(where, roster) + _quiet_mistakes(where, roster, settings)


def _step_mistakes(at: str, step: str, steps: list[str], synced: set[str]) -> list[str]:
    if step not in steps:
        return [
            tr('{at} step: there is no step "{step}": write one of {steps}', at=at, step=step, steps=", ".join(steps))
        ]
    if step not in synced:
        return [
            tr(
                '{at} step: "{step}" is not synced in any flow: set its entry\'s kind, or remove the source',
                at=at,
                step=step,
            )
        ]
    return []


def _source_contradictions(name: str, source: Source, steps: list[str], synced: set[str]) -> list[str]:
    at = f"[source.{name}]"
    found = _schedule_mistakes(f"source.{name}", source)
    if name == "roster":
        found.append(tr("{at}: this name is reserved for the roster: choose another", at=at))
    if name == "settings":
        found.append(tr("{at}: this name is reserved for the settings: choose another", at=at))
    found += _step_mistakes(at, source.step, steps, synced)
    needed = {"items": ["student"], "balance": ["student", "amount"], "status": ["student", "status"]}[source.means]
    found += [
        tr(
            "{at} columns: {key} is missing, and {means} needs it: name the column that holds it",
            at=at,
            key=key,
            means=source.means,
        )
        for key in needed
        if key not in source.columns
    ]
    of_sums = ("paid", "waived", "refunded")
    known = ("student", "title", "amount", *of_sums, "due", "reference", "status", "name", "kind", "branch")
    found += [
        tr('{at} columns: {key} changes a sum, which only means = "balance" has: remove it', at=at, key=key)
        for key in of_sums
        if key in source.columns and source.means != "balance"
    ]
    found += [
        tr("{at} columns: {key} is not a known field: write one of {known}", at=at, key=key, known=", ".join(known))
        for key in source.columns
        if key not in known
    ]
    found += _identity_columns(f"source.{name}", source.columns) + _as_of_mistakes(at, source)
    if source.unique_reference and "reference" not in source.columns:
        found.append(tr("{at} unique_reference: no reference is mapped: add it to columns, or remove this key", at=at))
    if source.date_order != "ymd" and "due" not in source.columns:
        found.append(tr("{at} date_order: no due date is mapped: add it to columns, or remove this key", at=at))
    if source.absent == "held" and source.means != "status":
        found.append(tr('{at} absent: "held" is only for means = "status": write "cleared" or "unknown"', at=at))
    if source.means == "status" and not source.words.get("done"):
        found.append(tr('{at} words: "done" is missing: list the words that mean done', at=at))
    if source.means != "status" and source.words:
        found.append(tr('{at} words: they are only for means = "status": remove them', at=at))
    every_word = [w for words in source.words.values() for w in words]
    found += [
        tr('{at} words: "{word}" is a duplicate: give it one meaning', at=at, word=w)
        for w in sorted({w for w in every_word if every_word.count(w) > 1})
    ]
    return found


def _as_of_mistakes(at: str, source: Source) -> list[str]:
    if not source.as_of:
        return []
    found: list[str] = []
    if not source.as_of.strip():
        found.append(tr("{at} as_of: is blank: name a column or a query, or remove it", at=at))
    if source.fresh_for is None:
        # A limit derived from the schedule would make last night's export stale by noon.
        found.append(
            tr('{at} as_of: needs fresh_for: set the longest age of the data, such as fresh_for = "26 h"', at=at)
        )
    if source.as_of_is_query and not getattr(source.own, "asks_database", False):
        found.append(tr("{at} as_of: only a database answers a query: name a column of the answer", at=at))
    if source.as_of_is_query and ";" in source.as_of:
        found.append(tr("{at} as_of: write one SELECT, without a semicolon", at=at))
    return found


def _schedule_mistakes(where: str, asked: Asked) -> list[str]:
    if (asked.every is None) == (asked.cron is None):
        return [
            tr(
                '[{where}] every: exactly one of every and cron is needed: set every = "15 min" or cron = "0 7 * * *"',
                where=where,
            )
        ]
    if asked.every is not None and asked.every < timedelta(seconds=30):
        return [
            tr(
                "[{where}] every: less than 30 s puts too much load on the office's system: set a longer time",
                where=where,
            )
        ]
    if asked.every is not None and asked.every > timedelta(days=1):
        return [
            tr(
                '[{where}] every: it counts from midnight, so it cannot exceed a day: write it as cron = "0 7 */2 * *"',
                where=where,
            )
        ]
    return []


def _quiet_mistakes(where: str, asked: Asked, settings: Settings) -> list[str]:
    if _schedule_mistakes(where, asked) or not timetable_of(settings, asked).all_quiet():
        return []
    hours = ", ".join(map(str, asked.quiet))
    return [
        tr(
            "[{where}] quiet: every time of its schedule is in the quiet hours {hours}: shorten them, or "
            "change the times",
            where=where,
            hours=hours,
        )
    ]
