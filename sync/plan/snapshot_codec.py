"""The stored form of a suspended run's snapshot: compressed JSON, cell by cell, so that it is restored exactly."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time
from decimal import Decimal

from connectors.port import Cell, Proof, ProofKind, Snapshot
from sync.rule import quality
from sync.rule.quality import Quality

_TAGS = {Decimal: "decimal", datetime: "datetime", date: "date", time: "time", bytes: "bytes"}


@dataclass(frozen=True, slots=True)
class StoredSnapshot(Snapshot):
    """A source's answer as it is kept: without unmatched rows, but with their list."""

    #: The listed unmatched rows: key, match hint, and the student it may mean.
    unmatched: Sequence[tuple[str, str, str]] = ()
    #: Unmatched keys in all.
    unmatched_count: int = 0
    #: The quality of the whole answer's rows.
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class RevertSnapshot(Snapshot):
    """The snapshot of a revert, in place of an answer."""

    #: The approved run.
    reverts: int = 0
    #: Why it is reverted.
    because: str = ""
    #: The digest of the plan that a person has checked: only that one is carried out. None for any that passes the
    #: guard.
    checked_digest: bytes | None = None


def kept_of(
    snapshot: Snapshot, rows: Sequence[tuple[Cell, ...]], unmatched: Sequence[tuple[str, str, str]], count: int,
    measured: Quality | None,
) -> StoredSnapshot:  # fmt: skip
    """Return a snapshot as it is kept, with these of its rows."""
    own = {field.name: getattr(snapshot, field.name) for field in fields(Snapshot)}
    own |= {"rows": rows, "places": None}
    return StoredSnapshot(**own, unmatched=unmatched, unmatched_count=count, quality=measured)


def _pack(cell: Cell) -> object:
    if cell is None or isinstance(cell, bool | int | str | float):
        return cell
    tag = _TAGS.get(type(cell))
    match tag:
        case "bytes":
            return {tag: bytes(cell).hex()}  # type: ignore[call-overload]  # the tag means bytes
        case "datetime" | "date" | "time":
            return {tag: cell.isoformat()}  # type: ignore[attr-defined]  # the tag means a date or time
        case _:
            return {tag or "text": str(cell)}


def _unpack(packed: object) -> Cell:
    if not isinstance(packed, dict):
        return packed
    ((tag, text),) = packed.items()
    match tag:
        case "decimal":
            return Decimal(text)
        case "datetime":
            return datetime.fromisoformat(text)
        case "date":
            return date.fromisoformat(text)
        case "time":
            return time.fromisoformat(text)
        case "bytes":
            return bytes.fromhex(text)
        case _:
            return text


def pack(snapshot: Snapshot) -> bytes:
    """Return the snapshot as bytes."""
    population = None if snapshot.population is None else [_pack(cell) for cell in snapshot.population]
    body = {
        "fields": snapshot.fields,
        "rows": [[_pack(cell) for cell in row] for row in snapshot.rows],
        "began": snapshot.began.isoformat(),
        "ended": snapshot.ended.isoformat(),
        "proofs": [[proof.kind, proof.detail] for proof in snapshot.proofs],
        "population": population,
        "candidates": snapshot.candidates,
        "fingerprint": _pack(snapshot.fingerprint),
        "unsettled": [_pack(cell) for cell in snapshot.unsettled],
        "as_of": snapshot.as_of.isoformat() if snapshot.as_of else None,
        "places": None if snapshot.places is None else list(snapshot.places),
        "warnings": list(snapshot.warnings),
    }
    match snapshot:
        case StoredSnapshot():
            body |= {
                "unmatched": [list(one) for one in snapshot.unmatched],
                "unmatched_count": snapshot.unmatched_count,
                "quality": quality.to_json(snapshot.quality) if snapshot.quality else None,
            }
        case RevertSnapshot():
            body |= {"reverts": snapshot.reverts, "because": snapshot.because}
        case _:
            pass
    return zlib.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _unpack_fingerprint(packed: object) -> bytes | None:
    cell = _unpack(packed)
    return cell if isinstance(cell, bytes) else None


def unpack(kept: bytes) -> Snapshot:
    """Return the snapshot that `pack` wrote."""
    body = json.loads(zlib.decompress(kept).decode("utf-8", "surrogatepass"))
    population = body["population"]
    snapshot = Snapshot(
        fields=tuple(body["fields"]),
        rows=[tuple(_unpack(cell) for cell in row) for row in body["rows"]],
        began=datetime.fromisoformat(body["began"]),
        ended=datetime.fromisoformat(body["ended"]),
        proofs=tuple(Proof(ProofKind(kind), detail) for kind, detail in body["proofs"]),
        population=None if population is None else [_unpack(cell) for cell in population],
        candidates=body.get("candidates"),
        fingerprint=_unpack_fingerprint(body.get("fingerprint")),
        unsettled=tuple(_unpack(cell) for cell in body.get("unsettled", ())),
        as_of=datetime.fromisoformat(as_of) if (as_of := body.get("as_of")) else None,
        places=body.get("places"),
        warnings=tuple(body.get("warnings", ())),
    )
    if "reverts" in body:
        own = {field.name: getattr(snapshot, field.name) for field in fields(Snapshot)}
        return RevertSnapshot(**own, reverts=body["reverts"], because=body.get("because", ""))
    if "unmatched" not in body:
        return snapshot
    unmatched = [(key, hint, student) for key, hint, student in body["unmatched"]]
    measured = quality.from_json(body["quality"])
    return kept_of(snapshot, snapshot.rows, unmatched, body["unmatched_count"], measured)
