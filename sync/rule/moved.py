"""Obligations that vanish from a student while their reference appears under a key that is nobody's. Pure.

A mistyped number looks like that: the student would be cleared, and the debt be nobody's. The rule looks at levels, not
at events: while the reference stays where it is, each comparison says the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date

from connectors.port import Cell
from status_db.model import Obligation, Record, Verdict, digest_of, normalise_number
from status_db.student_numbers import is_empty
from sync.rule.answer import Answer, ResolvedKeys, SourceRecord, shown_key
from sync.rule.records import Rows, SourceRule, due_of, text_of

#: Why a record is in doubt: something of it stands under a key that is nobody's.
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
    """Return the answer in which a student whose obligation has moved to an unmatched key is in doubt.

    `stored` are the source's records about everybody who changes or vanishes. An answer that is not `whole` cannot
    show other keys: there a doubt of this kind lasts until the next whole one.
    """
    if "reference" not in fields or (whole and not answer.unmatched):
        return answer
    concerned = sorted({*answer.changed, *answer.vanished})
    lost = {student: gone for student in concerned if (gone := _lost(fields, answer, student, stored.get(student)))}
    if not lost:
        return answer
    sightings = _sightings(rule, fields, groups, {o.reference for gone in lost.values() for o in gone})
    changed, vanished, moved_to = dict(answer.changed), set(answer.vanished), set[str]()
    for student, gone in lost.items():
        record = stored[student]
        if whole:
            found = {
                o: key for o in gone if (key := _where(o, student, sightings, answer.unmatched, resolved)) is not None
            }
            why = "; ".join(f"{MOVED} {shown_key(key)}".strip() for key in sorted(set(found.values())))
        else:
            found = dict.fromkeys(gone, "") if record.doubt.startswith(MOVED) else {}
            why = record.doubt
        if not found:
            continue
        said = changed.pop(student, SourceRecord([], rule.digest))
        vanished.discard(student)
        moved_to |= set(found.values())
        moved = tuple(sorted(found, key=repr))
        digest = digest_of([said.digest, MOVED.encode(), why.encode(), *(repr(o).encode() for o in moved)])
        if digest != record.digest:
            changed[student] = SourceRecord(said.rows, digest, "; ".join(filter(None, (why, said.doubt))), moved)
    return replace(answer, changed=changed, vanished=frozenset(vanished), moved_to=frozenset(moved_to))


def _lost(fields: Sequence[str], answer: Answer, student: str, record: Record | None) -> tuple[Obligation, ...]:
    """Return the obligations that the stored record has, and the student's own rows have no more."""
    if record is None or record.verdict not in (Verdict.HELD, Verdict.UNKNOWN):
        return ()
    at = list(fields).index("reference")
    still = {text_of(row[at]) for row in answer.changed[student].rows} if student in answer.changed else set()
    return tuple(o for o in record.obligations if o.reference and o.reference not in still)


def _sightings(
    rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows], wanted: Collection[str]
) -> dict[str, list[tuple[str, date | None]]]:
    """Return where the wanted references are: by each the normalised keys, with the day on which it is due there."""
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


def _where(
    obligation: Obligation,
    student: str,
    sightings: Mapping[str, Sequence[tuple[str, date | None]]],
    unmatched: Mapping[str, Rows],
    resolved: ResolvedKeys,
) -> str | None:
    """Return the unmatched key under which an obligation is now; None where there is none.

    A reference under several keys, such as the code of a fee, tells no thing from another: then a hint must say so.
    """
    seen = sightings.get(obligation.reference, ())
    for key, _ in seen:
        if key in unmatched and resolved.near.get(key, ("", ""))[1] == student:
            return key
    if len({key for key, _ in seen}) == 1 and obligation.due is not None:
        return next((key for key, day in seen if key in unmatched and day == obligation.due), None)
    return None
