"""An answer by roster student: the rows of each, and the differences from what is stored. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from connectors.port import Cell
from status_db.model import (
    Obligation,
    digest_of,
    normalise_number,
)
from status_db.student_numbers import LONGEST, is_empty
from sync.rule.records import Rows, SourceRule, digest_of_rows

#: How many unmatched keys are listed; all are counted.
LISTED_UNMATCHED = 5_000


#: In a digest: replaces the rows of a roster student that the source does not know.
_OUTSIDE = b"outside"


#: In a digest: distinguishes doubtful rows from certain ones.
_DOUBT = b"doubt"


@dataclass(frozen=True, slots=True)
class ResolvedKeys:
    """The students of a source's keys."""

    #: Normalised key → roster student.
    students: Mapping[str, str]
    #: Normalised key → the students it may mean, and why it is doubtful: they become unknown, never held or cleared.
    doubtful: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    #: Normalised key → why it resembles a student's number, and which student: listed for a person, without effect.
    near: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: Normalised keys of students that are listed and do not leave: not unmatched, and without effect.
    staying: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UnmatchedKey:
    """A key without a roster student; `near` is why it resembles one, `student` which."""

    key: str
    near: str = ""
    student: str = ""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """The rows of a source about one roster student."""

    #: The rows that are certainly theirs; none for a student outside the source's population.
    rows: Rows
    digest: bytes
    #: Why other rows may be theirs too; empty when there are none.
    doubt: str = ""
    #: Obligations of theirs that are now under an unmatched key.
    moved: tuple[Obligation, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A snapshot's rows by roster student, where they differ from what is stored."""

    #: Student → rows with a new digest.
    changed: Mapping[str, SourceRecord]
    #: Students with a stored record, for whom the source no longer has rows.
    vanished: frozenset[str]
    unmatched_keys: tuple[UnmatchedKey, ...]
    unmatched_key_count: int
    #: Students that are on the list and do not leave.
    staying: int
    rows: int
    #: Rows about roster students.
    roster_rows: int
    #: Rows without any student number.
    nameless: int
    #: Normalised key → its rows, where it has no roster student or is doubtful; "" for rows without a key.
    unmatched: Mapping[str, Rows] = field(default_factory=dict)
    #: The unmatched keys that now have obligations of roster students.
    moved_to: frozenset[str] = frozenset()


def keys_to_resolve(groups: Mapping[Cell, Rows], stored: Mapping[str, bytes]) -> set[str]:
    """Return the normalised keys that have to be looked up on the roster: no student with them has a stored record."""
    unknown = [key for key in groups if key not in stored]
    return {number for number in map(_normalised_key, unknown) if number and number not in stored}


@dataclass(slots=True)
class _Sorted:
    """Rows by student, while they are sorted."""

    sure: dict[str, Rows] = field(default_factory=dict)
    #: Student → why each key is doubtful, and the rows of these keys.
    doubtful: dict[str, tuple[list[str], Rows]] = field(default_factory=dict)
    unmatched_keys: dict[str, UnmatchedKey] = field(default_factory=dict)
    unmatched: dict[str, Rows] = field(default_factory=dict)
    staying: set[str] = field(default_factory=set)
    nameless: int = 0
    roster_rows: int = 0
    rows: int = 0

    def add(self, student: str, rows: Rows) -> None:
        """Add rows that are certainly about a student."""
        self.roster_rows += len(rows)
        _append_rows(self.sure, student, rows)


def _sort(groups: Mapping[Cell, Rows], stored: Mapping[str, bytes], resolved: ResolvedKeys) -> _Sorted:
    """Sort rows by the students of their keys."""
    found = _Sorted()
    for key, rows in groups.items():
        found.rows += len(rows)
        # A doubtful key stays doubtful, also where a record of the student is stored already.
        if key in stored and key not in resolved.doubtful:
            found.add(str(key), rows)
            continue
        number = _normalised_key(key)
        if not number:
            found.nameless += len(rows)
            _append_rows(found.unmatched, "", rows)
        elif number in resolved.doubtful:
            students, near = resolved.doubtful[number]
            for suspect in students:
                whys, suspect_rows = found.doubtful.setdefault(suspect, ([], []))
                whys.append(f"{near} {shown_key(number)}")
                suspect_rows += rows
            found.unmatched_keys[number] = UnmatchedKey(shown_key(number), near, shown_students(students))
            _append_rows(found.unmatched, number, rows)
        elif number in stored or number in resolved.students:
            found.add(number if number in stored else resolved.students[number], rows)
        elif number in resolved.staying:
            found.staying.add(number)
        else:
            found.unmatched_keys[number] = UnmatchedKey(shown_key(number), *resolved.near.get(number, ()))
            _append_rows(found.unmatched, number, rows)
    return found


def differences(
    rule: SourceRule,
    groups: Mapping[Cell, Rows],
    stored: Mapping[str, bytes],
    resolved: ResolvedKeys,
    outside: frozenset[str] = frozenset(),
    asked_later: frozenset[str] = frozenset(),
    fresh: Mapping[str, tuple[Rows, bytes]] = MappingProxyType({}),
) -> Answer:
    """Return where an answer differs from what is stored, by student and digest.

    `stored` maps each student with a record to its digest. `outside` are the roster students that the source does not
    know, when it has a population. Students that were `asked_later` are left alone. `fresh` are rows with a digest that
    is known already.
    """
    salt, found = rule.digest, _sort(groups, stored, resolved)
    sure, doubtful = found.sure, found.doubtful
    changed: dict[str, SourceRecord] = {}
    for student, rows in sure.items():
        if student in doubtful:
            continue
        known = fresh.get(student)
        digest = known[1] if known is not None and known[0] is rows else digest_of_rows(salt, rows)
        if stored.get(student) != digest and student not in asked_later:
            changed[student] = SourceRecord(rows, digest)
    changed |= {
        student: record
        for student, record in _uncertain(salt, sure, doubtful, outside)
        if stored.get(student) != record.digest and student not in asked_later
    }
    vanished = (s for s in stored if s not in sure and s not in doubtful and s not in outside and s not in asked_later)
    return Answer(
        changed=changed,
        vanished=frozenset(vanished),
        unmatched_keys=tuple(
            sorted(found.unmatched_keys.values(), key=lambda s: (not s.near, s.key))[:LISTED_UNMATCHED]
        ),
        unmatched_key_count=len(found.unmatched_keys),
        staying=len(found.staying),
        rows=found.rows,
        roster_rows=found.roster_rows,
        nameless=found.nameless,
        unmatched=found.unmatched,
    )


def _append_rows(to: dict[str, Rows], name: str, rows: Rows) -> None:
    """Add rows under a name; the lists of rows themselves are never changed."""
    before = to.get(name)
    to[name] = rows if before is None else before + rows


def shown_key(number: str) -> str:
    """Return a key as it is stored and shown: a key that is too long for a number is shortened, and stays unique.

    Half of a surrogate pair, which no database stores, becomes a "?".
    """
    if number.isascii() and len(number) <= LONGEST:
        return number
    text = number.encode("utf-8", "replace").decode("utf-8")
    if text == number and len(text) <= LONGEST:
        return number
    mark = digest_of([number.encode("utf-8", "surrogatepass")]).hex()[:16]
    return f"{text[: LONGEST - len(mark) - 1]}…{mark}"


def shown_students(students: Sequence[str]) -> str:
    """Return the students that a key may mean, as they are stored and shown: as many as fit."""
    shown = ", ".join(students)
    left = len(students)
    while len(shown) > LONGEST and left > 1:
        left -= 1
        shown = f"{', '.join(students[:left])} (+{len(students) - left})"
    return shown if len(shown) <= LONGEST else students[0]


def _normalised_key(key: Cell) -> str:
    return "" if is_empty(key) else normalise_number(key)


def _uncertain(
    salt: bytes, sure: Mapping[str, Rows], doubtful: Mapping[str, tuple[list[str], Rows]], outside: Iterable[str]
) -> Iterator[tuple[str, SourceRecord]]:
    """Yield the students with doubtful rows, and those outside the source's population without rows."""
    for student, (whys, rows) in doubtful.items():
        certain = sure.get(student, [])
        parts = [digest_of_rows(salt, certain)] if certain else []
        yield (
            student,
            SourceRecord(certain, digest_of([*parts, digest_of_rows(salt, rows), _DOUBT]), "; ".join(sorted(whys))),
        )
    unknown_there = _outside_digest(salt)
    for student in outside:
        if student not in sure and student not in doubtful:
            yield student, SourceRecord([], unknown_there)


def outside_digest(rule: SourceRule) -> bytes:
    """Return the digest of the record of a student that the source does not know."""
    return _outside_digest(rule.digest)


def _outside_digest(salt: bytes) -> bytes:
    return digest_of([salt, _OUTSIDE])
