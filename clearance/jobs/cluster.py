"""The job queue of the settings: whether there is one, and what stops it from being used."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from config.load import SettingsError
from config.tables.secrets import SecretUnusable
from foundation.translation import tr

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings
    from sync.jobs.cluster.address import QueueAddress
    from sync.jobs.cluster.queue import ClusterQueue


def queue_mistakes(settings: Settings) -> list[str]:
    """Return what stops the queue of [cluster] from being used, each with its fix; nothing where there is none."""
    if not settings.cluster.enabled:
        return []
    found: list[str] = []
    if importlib.util.find_spec("procrastinate") is None:
        found.append(
            tr('[cluster] enabled: the extra "cluster" is not installed. Run: pip install "clearance-sync[cluster]"')
        )
    own = settings.status_db
    for table, key, secret in (
        ("cluster", "url", settings.cluster.url),
        ("status_db", "url", own.url),
        ("status_db", "desk_url", own.desk_url),
    ):
        try:
            kind = make_url(secret.reveal()).get_backend_name() if secret is not None else "postgresql"
        except SecretUnusable:
            # Reported by `config.processes`.
            continue
        if kind != "postgresql":
            found.append(
                tr(
                    "[{table}] {key}: several machines need PostgreSQL, not {kind}: write postgresql+psycopg://…, or "
                    "enabled = false in [cluster]",
                    table=table,
                    key=key,
                    kind=kind,
                )
            )
    return found


def refuse_unusable_queue(settings: Settings, file: Path) -> None:
    """Raise SettingsError where the queue cannot be used, StoreError where it does not respond or has other tables."""
    if not settings.cluster.enabled:
        return
    if mistakes := queue_mistakes(settings):
        raise SettingsError(file, mistakes)
    from sync.jobs.cluster.queue_tables import check

    check(address_of(settings))


def address_of(settings: Settings) -> QueueAddress:
    """Return the address of the queue."""
    from sync.jobs.cluster.address import QueueAddress

    cluster = settings.cluster
    url = cluster.url or settings.status_db.url
    return QueueAddress(url.reveal, cluster.queue_schema, cluster.dead_after, cluster.report_every)


def queue_of(settings: Settings) -> ClusterQueue | None:
    """Return the queue; None where one process does everything."""
    if not settings.cluster.enabled:
        return None
    from sync.jobs.cluster.queue import ClusterQueue

    return ClusterQueue(address_of(settings))


def upgrade_queue(settings: Settings, file: Path) -> tuple[str | None, str] | None:
    """Make or upgrade the queue's tables; return their version before and after, None where there is no queue.

    Raises SettingsError, StoreError.
    """
    if not settings.cluster.enabled:
        return None
    if mistakes := queue_mistakes(settings):
        raise SettingsError(file, mistakes)
    from sync.jobs.cluster.queue_tables import upgrade

    return upgrade(address_of(settings))


def queue_grants(settings: Settings, role: str, *, run: bool) -> tuple[str, ...]:
    """Return the statements that let a role use the queue, none where there is no queue; `run` runs them too.

    Raises StoreError.
    """
    if not settings.cluster.enabled or queue_mistakes(settings):
        return ()
    from sync.jobs.cluster.queue_tables import grant, grants

    if run:
        grant(address_of(settings), role)
    return grants(address_of(settings), role)
