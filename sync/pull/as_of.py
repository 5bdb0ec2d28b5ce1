"""The moment up to which a source's data reach, where its answer has a column for it."""

from dataclasses import replace
from datetime import datetime

from config.settings import Settings
from connectors.databases.as_of import moment_of
from connectors.port import Snapshot
from foundation.translation import tr

#: The field for the column that `as_of` names; it is removed before rows are compared.
FIELD = "as_of"


def stamped(settings: Settings, name: str, snapshot: Snapshot, now: datetime) -> Snapshot:
    """Return the snapshot with its own moment, and without the column for it.

    The moment is the earliest of all rows: the answer is not newer than its oldest row. An answer without rows has no
    such moment; its freshness counts from its beginning, with a warning. Raises SourceGarbled where a row has no
    moment, or one in the future.
    """
    if FIELD not in snapshot.fields or name not in settings.source:
        return snapshot
    at, source = snapshot.fields.index(FIELD), settings.source[name]
    zone = settings.zone_of(source)
    moments = {row[at] for row in snapshot.rows}
    earliest = min((moment_of(cell, zone, now, name) for cell in moments), default=None)
    warning = () if moments else (tr("no rows, so as_of has no value: freshness counts from the time of the question"),)
    return replace(
        snapshot,
        fields=tuple(field for field in snapshot.fields if field != FIELD),
        rows=[row[:at] + row[at + 1 :] for row in snapshot.rows],
        as_of=earliest,
        warnings=(*snapshot.warnings, *warning),
    )
