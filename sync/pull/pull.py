"""The question to an office: the connector's answer, checked to be whole before anything is planned on it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from config.settings import Settings
from connectors.port import Connector, Progress, Proof, ProofKind, Snapshot, SourceGarbled, together
from foundation.translation import tr
from status_db.model import ROSTER
from sync.pull.as_of import stamped

#: One of these must prove that a snapshot is whole.
_WHOLE = {ProofKind.TOTAL_AGREES, ProofKind.END_REACHED, ProofKind.SECOND_PASS_AGREES}


def pull(settings: Settings, name: str, connector: Connector, progress: Progress, now: datetime) -> Snapshot:
    """Return a source's answer about all students, or the registrar's list. Raises SourceError."""
    return _with_accepted_proofs(settings, name, connector.pull(progress), now)


def pull_one(settings: Settings, name: str, connector: Connector, numbers: Sequence[str], now: datetime) -> Snapshot:
    """Return a source's answer about all numbers of one student. Raises SourceError."""
    return _with_accepted_proofs(settings, name, together([connector.pull_one(number) for number in numbers]), now)


def weaker_connection(settings: Settings, name: str) -> tuple[str, ...]:
    """Return the points in which the settings allow a weaker connection than usual."""
    asked = settings.roster if name == ROSTER else settings.source.get(name)
    return asked.weaker_connection if asked is not None else ()


def _with_accepted_proofs(settings: Settings, name: str, snapshot: Snapshot, now: datetime) -> Snapshot:
    """Return an answer with the accepted weaker proofs. Raises SourceGarbled where no proof shows that it is whole."""
    snapshot = stamped(settings, name, snapshot, now)
    shown = {proof.kind for proof in snapshot.proofs}
    if not shown & _WHOLE or ProofKind.COLUMNS_PRESENT not in shown:
        raise SourceGarbled(
            tr(
                "{name} returned no proof that its answer is whole (proofs: {proofs})",
                name=name,
                proofs=", ".join(sorted(shown)) or tr("none"),
            ),
            tr("Have it return a total, or accept another proof in its settings; see docs/connectors.md."),
        )
    weaker = settings.source[name].weaker_proofs if name != ROSTER else ()
    accepted = tuple(Proof(ProofKind.ACCEPTED, tr("{proof}, in place of a total", proof=proof)) for proof in weaker)
    warnings = (*weaker_connection(settings, name), *snapshot.warnings)
    return replace(snapshot, proofs=(*snapshot.proofs, *accepted), warnings=warnings)
