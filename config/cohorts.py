"""Several cohorts in one settings file, each with its own roster, and the mistakes between cohorts and rosters."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from foundation.translation import N_, tr

if TYPE_CHECKING:
    from config.settings import Settings
    from config.tables.sources import Asked

_FIX = N_(
    'give each its own [roster.KEY] and set roster = "KEY" in its [[cohort]], or set closed = '
    "true in the [[cohort]] that is over"
)
_BINDS = re.compile(r"(?<![:\w\\]):cohort\b")
#: The commands that work on one cohort, or on every open one when none is named. The others concern accounts,
#: databases or what a process serves.
OF_A_COHORT = (
    "check", "plan", "sync", "verify", "status", "sources", "unmatched", "report", "paper", "runs", "expect",
    "override", "roster", "import", "reviews", "certificates", "accounts students", "accounts codes",
    # Old names: stored messages of runs suggest them.
    "strangers", "waves",
)  # fmt: skip
#: The other commands about one institution. Where there are several, a message names it for these too.
_OTHERS = (
    "backup", "restore", "retention", "log-name", "db", "accounts", "notify", "tokens", "schedule", "serve",
)  # fmt: skip
#: One of them as a message suggests it. A command that already names its cohort does not match.
_COMMAND = re.compile(rf"(?<![\w/.-])clearance (?=(?:{'|'.join(OF_A_COHORT)})\b)")


def split_rosters(raw: dict[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Move the tables [roster.KEY] of a settings file under `rosters`; return the mistakes in them.

    A table [roster] with keys of its own (`known`) is the only roster, and is left where it is.
    """
    if "rosters" in raw:
        del raw["rosters"]
        return [tr("[rosters]: unknown key: write [roster.KEY]")]
    table = raw.get("roster")
    if not isinstance(table, dict) or not table:
        return []
    if not all(isinstance(value, dict) for value in table.values()):
        beside = sorted(key for key, value in table.items() if isinstance(value, dict) and "connector" in value)
        return [
            tr("[roster.{key}]: [roster] has keys of its own: move them here, or remove this table", key=key)
            for key in beside
        ]
    if table.keys() & known.keys():
        return []
    raw["rosters"] = table
    raw["roster"] = {}
    return []


def first_roster(raw: Mapping[str, Any]) -> str:
    """Return the key of the roster that the first open cohort names, or the first in the file."""
    rosters, cohorts = raw["rosters"], raw.get("cohort")
    for cohort in cohorts if isinstance(cohorts, list) else ():
        if isinstance(cohort, dict) and cohort.get("roster") in rosters and cohort.get("closed") is not True:
            return str(cohort["roster"])
    return str(next(iter(rosters)))


def binds_cohort(asked: "Asked") -> bool:
    """Return whether a query of this source or roster binds `:cohort`, so that it is about one cohort."""
    own = asked.own
    queries = (getattr(own, name, None) for name in ("query", "population", "one", "fingerprint", "as_of"))
    return any(isinstance(query, str) and _BINDS.search(query) for query in queries)


def mistakes(settings: "Settings") -> list[str]:
    """Find cohorts without a roster of their own, each with the fix."""
    found: list[str] = []
    names: dict[str, str] = {}
    for cohort in settings.cohort:
        at = f'[[cohort]] "{cohort.key}" roster'
        if not settings.rosters:
            if cohort.roster is not None:
                found.append(
                    tr(
                        "{at}: there is only one [roster]: write it as [roster.{roster}], or remove this key",
                        at=at,
                        roster=cohort.roster,
                    )
                )
            continue
        known = ", ".join(settings.rosters)
        if cohort.roster is None:
            if not cohort.closed:
                found.append(tr("{at}: is missing: name one of {known}", at=at, known=known))
        elif cohort.roster not in settings.rosters:
            found.append(
                tr(
                    "{at}: there is no [roster.{roster}]: write one of {known}",
                    at=at,
                    roster=cohort.roster,
                    known=known,
                )
            )
        elif not cohort.closed:
            other = names.setdefault(cohort.roster, cohort.key)
            if other != cohort.key and not binds_cohort(settings.rosters[cohort.roster]):
                found.append(
                    tr(
                        '{at}: "{other}" has the same list: bind :cohort in its query; or {fix}',
                        at=at,
                        other=other,
                        fix=tr(_FIX),
                    )
                )
    open_ones = settings.open_cohorts()
    if not settings.rosters and len(open_ones) > 1:
        listed = ", ".join(f'"{key}"' for key in open_ones)
        found.append(
            tr("[roster]: a roster is for one cohort, and {listed} are open: {fix}", listed=listed, fix=tr(_FIX))
        )
    return found


_OF_AN_INSTITUTION = re.compile(rf"(?<![\w/.-])clearance (?=(?:{'|'.join(OF_A_COHORT + _OTHERS)}|--cohort)\b)")


def naming(settings: "Settings", cohort: str, text: str) -> str:
    """Return a message in which each suggested command names the cohort and the institution, if there are several.

    Every message of a run, a command or a page passes through here.
    """
    if len(settings.cohort) > 1:
        text = _COMMAND.sub(f"clearance --cohort {cohort} ", text)
    if settings.key:
        text = _OF_AN_INSTITUTION.sub(f"clearance --institution {settings.key} ", text)
    return text
