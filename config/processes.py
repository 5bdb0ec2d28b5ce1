"""Which process needs which secrets and addresses, so that its environment needs no others.

A process checks its own when it starts, and reports everything that is missing at once. The secrets of a source are
not among them, because a source that cannot be asked must not stop the others: see `Asked.unusable`.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from config.tables.providers import PROVIDERS
from config.tables.secrets import DatabaseUrl, SecretUnusable, unusable_in
from foundation.translation import tr

if TYPE_CHECKING:
    from config.settings import Settings, StatusDb


class Process(StrEnum):
    """A process of its own, by the name of its command."""

    PAGES = "serve pages"
    DESK = "serve desk"
    ALL = "serve"
    SYNC = "sync"
    SCHEDULE = "schedule"
    WORKER = "worker"


_WEB = frozenset({Process.PAGES, Process.DESK, Process.ALL})
_DECIDES = frozenset({Process.DESK, Process.ALL})
_ASKS = frozenset({Process.SYNC, Process.SCHEDULE, Process.WORKER})
_SHARES = frozenset({Process.SCHEDULE, Process.WORKER})

#: Table and key → the processes that need it. The key "" means every other key of the table. All processes need a key
#: that is not listed.
_NEEDED: dict[tuple[str, str], frozenset[Process]] = {
    ("status_db", "ledger_key_file"): _DECIDES | _ASKS,
    # Only backups use it.
    ("status_db", "postgres_tools"): frozenset(),
    ("portal", ""): _WEB,
    ("auth.cas", ""): _WEB,
    ("auth.oidc", ""): _WEB,
    ("auth.ldap", ""): _WEB,
    ("auth", ""): _WEB,
    ("api", ""): _WEB,
    ("desk", ""): _DECIDES,
    ("desk", "paper.folder"): frozenset({Process.SCHEDULE}),
    ("notify", ""): frozenset({Process.SCHEDULE}),
    ("notify.mail", ""): frozenset({Process.SCHEDULE}),
    ("notify.wecom", ""): frozenset({Process.SCHEDULE}),
    ("notify.dingtalk", ""): frozenset({Process.SCHEDULE}),
    ("notify.webhook", ""): frozenset({Process.SCHEDULE}),
    ("metrics", "backups"): frozenset({Process.SCHEDULE}),
    ("cluster", ""): _SHARES,
    ("tracing", ""): _WEB | _SHARES,
}


def reading_url(status_db: "StatusDb", process: Process) -> DatabaseUrl:
    """Return the URL that a process reads the marks with: the desk and the pages can have roles of their own."""
    own = status_db.operator_url if process is Process.DESK else status_db.portal_url
    return own or status_db.url


def writing_url(status_db: "StatusDb", process: Process) -> DatabaseUrl:
    """Return the URL that a process writes the marks with."""
    return (status_db.operator_url or status_db.url) if process in _DECIDES else status_db.url


def _databases_of(status_db: "StatusDb", process: Process) -> Iterator[tuple[str, DatabaseUrl]]:
    """Yield the key of each database that a process opens, with its URL; two can be the same database."""
    urls = [writing_url(status_db, process)] if process is not Process.PAGES else []
    urls += [reading_url(status_db, process)] if process in _WEB else []
    urls += [status_db.desk_url or status_db.url] if process is not Process.SYNC else []
    for key in ("url", "desk_url", "portal_url", "operator_url"):
        # Compared by identity, because two keys can refer to the same variable.
        if any(getattr(status_db, key) is url for url in urls):
            yield key, getattr(status_db, key)


def missing(settings: "Settings", process: Process) -> list[str]:
    """Return what a process needs and cannot read, each with its key, the reason and the fix."""
    found: list[tuple[str, str]] = []
    for key, url in _databases_of(settings.status_db, process):
        try:
            url.reveal()
        except SecretUnusable as error:
            found.append((f"[status_db] {key}", str(error)))
    if process in _SHARES:
        found += [(f"[cluster] {key}", why) for key, why in unusable_in(settings.cluster)]
    if process in _WEB:
        for name in PROVIDERS:
            provider = getattr(settings.auth, name)
            found += [(f"[auth.{name}] {key}", why) for key, why in unusable_in(provider)]
    for table, key, why in settings.unset:
        needed = _NEEDED.get((table, key), _NEEDED.get((table, ""), frozenset(Process)))
        if process in needed:
            found.append((f"[{table}] {key}", why))
    return [tr("{place}: {why}", place=place, why=why) for place, why in dict.fromkeys(found)]


def missing_anywhere(settings: "Settings") -> dict[str, list[str]]:
    """Return everything that is missing here → the processes that need it."""
    found: dict[str, list[str]] = {}
    for process in Process:
        for line in missing(settings, process):
            found.setdefault(line, []).append(process.value)
    return found
