"""Keeping a suspended run's snapshot: compressed JSON, cell by cell, so that exactly what was read comes back."""

import json
import zlib
from datetime import date, datetime, time
from decimal import Decimal

from connectors.port import Cell, Proof, ProofKind, Snapshot

_TAGS = {Decimal: "decimal", datetime: "datetime", date: "date", time: "time", bytes: "bytes"}


def _pack(cell: Cell) -> object:
    if cell is None or isinstance(cell, bool | int | str | float):
        return cell
    tag = _TAGS.get(type(cell))
    match tag:
        case "bytes":
            return {tag: bytes(cell).hex()}  # type: ignore[call-overload]  # the tag says it is bytes
        case "datetime" | "date" | "time":
            return {tag: cell.isoformat()}  # type: ignore[attr-defined]  # the tag says it is a date or time
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
    return zlib.compress(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _fingerprint(packed: object) -> bytes | None:
    cell = _unpack(packed)
    return cell if isinstance(cell, bytes) else None


def unpack(kept: bytes) -> Snapshot:
    """Return what `pack` kept."""
    body = json.loads(zlib.decompress(kept).decode("utf-8", "surrogatepass"))
    population = body["population"]
    return Snapshot(
        fields=tuple(body["fields"]),
        rows=[tuple(_unpack(cell) for cell in row) for row in body["rows"]],
        began=datetime.fromisoformat(body["began"]),
        ended=datetime.fromisoformat(body["ended"]),
        proofs=tuple(Proof(ProofKind(kind), detail) for kind, detail in body["proofs"]),
        population=None if population is None else [_unpack(cell) for cell in population],
        candidates=body.get("candidates"),
        fingerprint=_fingerprint(body.get("fingerprint")),
        unsettled=tuple(_unpack(cell) for cell in body.get("unsettled", ())),
        as_of=datetime.fromisoformat(as_of) if (as_of := body.get("as_of")) else None,
        places=body.get("places"),
        warnings=tuple(body.get("warnings", ())),
    )
