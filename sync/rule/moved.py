"""Obligations that vanish from a student while their reference appears under an unmatched key. Pure.

A mistyped number has this effect: the student would be cleared, and the debt would match no student. The rule compares
states, not events: while the reference stays there, each comparison gives the same result.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from connectors.port import Cell
from status_db.model import Obligation, Record, Verdict, digest_of, normalise_number
from status_db.student_numbers import is_empty
from sync.rule.answer import Answer, ResolvedKeys, SourceRecord, shown_key
from sync.rule.records import Rows, SourceRule, due_of, text_of

#: Why a record is in doubt: one of its obligations is under an unmatched key.
MOVED = "moved"


def with_moved(
    rule: SourceRule,
    fields: Sequence[str],
    groups: Mapping[Cell, Rows],
    answer: Answer,
    resolved: ResolvedKeys,
    stored: Mapping[str, Record],
    *,
    whole: bool,
) -> Answer:
    """Return the answer with a doubt for each student with an obligation that has moved to an unmatched key.

    `stored` are the source's records about all students that change or vanish. An answer that is not `whole` does not
    contain other keys: there a doubt of this kind lasts until the next whole answer.
    """
    if "reference" not in fields or (whole and not answer.unmatched):
        return answer
    concerned = sorted({*answer.changed, *answer.vanished})
    lost = {s: missing for s in concerned if (missing := _lost(fields, answer, s, stored.get(s)))}
    if not lost:
        return answer
    sightings = _sightings(rule, fields, groups, {o.reference for missing in lost.values() for o in missing})
    changed, vanished, moved_to = dict(answer.changed), set(answer.vanished), set[str]()
    for student, missing in lost.items():
        record = stored[student]
        if whole:
            found = {
                o: key
                for o in missing
                if (key := _moved_to_key(o, student, sightings, answer.unmatched, resolved)) is not None
            }
            why = "; ".join(f"{MOVED} {shown_key(key)}".strip() for key in sorted(set(found.values())))
        else:
            found = dict.fromkeys(missing, "") if record.doubt.startswith(MOVED) else {}
            why = record.doubt
        if not found:
            continue
        known = changed.pop(student, SourceRecord([], rule.digest))
        vanished.discard(student)
        moved_to |= set(found.values())
        moved = tuple(sorted(found, key=repr))
        digest = digest_of([known.digest, MOVED.encode(), why.encode(), *(repr(o).encode() for o in moved)])
        if digest != record.digest:
            changed[student] = SourceRecord(known.rows, digest, "; ".join(filter(None, (why, known.doubt))), moved)
    return replace(answer, changed=changed, vanished=frozenset(vanished), moved_to=frozenset(moved_to))


def _lost(fields: Sequence[str], answer: Answer, student: str, record: Record | None) -> tuple[Obligation, ...]:
    """Return the obligations that the stored record has, and the student's own rows no longer have."""
    if record is None or record.verdict not in (Verdict.HELD, Verdict.UNKNOWN):
        return ()
    at = list(fields).index("reference")
    still = {text_of(row[at]) for row in answer.changed[student].rows} if student in answer.changed else set()
    return tuple(o for o in record.obligations if o.reference and o.reference not in still)


def _sightings(
    rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows], wanted: Collection[str]
) -> dict[str, list[tuple[str, date | None]]]:
    """Return reference → the normalised keys that have it, each with the due date there."""
    reference = list(fields).index("reference")
    due = list(fields).index("due") if "due" in fields else None
    found: dict[str, list[tuple[str, date | None]]] = {}
    for key, rows in groups.items():
        for row in rows:
            cell = row[reference]
            if cell is None or (text := cell if cell in wanted else text_of(cell)) not in wanted:
                continue
            day = None if due is None else due_of(rule, row[due])[0]
            found.setdefault(str(text), []).append(("" if is_empty(key) else normalise_number(key), day))
    return {text: sorted(seen, key=repr) for text, seen in found.items()}


def _moved_to_key(
    obligation: Obligation,
    student: str,
    sightings: Mapping[str, Sequence[tuple[str, date | None]]],
    unmatched: Mapping[str, Rows],
    resolved: ResolvedKeys,
) -> str | None:
    """Return the unmatched key that an obligation has moved to; None where there is none.

    A reference under several keys, such as the code of a fee, does not identify an obligation: then only a match hint
    counts.
    """
    seen = sightings.get(obligation.reference, ())
    for key, _ in seen:
        if key in unmatched and resolved.near.get(key, ("", ""))[1] == student:
            return key
    if len({key for key, _ in seen}) == 1 and obligation.due is not None:
        return next((key for key, day in seen if key in unmatched and day == obligation.due), None)
    return None
