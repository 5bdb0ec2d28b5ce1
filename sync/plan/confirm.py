"""Confirm: before an answer releases students, the office is asked about them once more.

A book can move between the pages of one answer, and a cache can be old: then a debt is missing once. Where an office
gives the same wrong answer again, this check does not find it; the guard does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from connectors.port import AsksByNumber, Cell, Connector, Proof, ProofKind, Snapshot, SourceError
from foundation.translation import tr
from status_db.model import CLEAR, Record, Verdict, normalise_number
from sync.rule.guard import released
from sync.rule.reconcile import Change
from sync.rule.records import Rows, SourceRule, digest_of_rows, record_from_rows

#: The maximum of students that are asked about again in one run. The others stay held until the next run.
MOST = 1_000

#: How many held students are asked about one by one, to prove that this agrees with the whole answer.
PROVEN_BY = 5


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The result of asking the office again in one run: each student is asked about once."""

    #: Asked about again.
    asked: frozenset[str] = frozenset()
    #: Those of them that are not released: they still owe, or have no answer.
    kept: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    proofs: tuple[Proof, ...] = ()
    #: Asking about one student was tried, or need not be.
    tried_one: bool = False


def confirm(
    rule: SourceRule,
    connector: Connector,
    changes: Sequence[Change],
    numbers: Mapping[str, tuple[str, ...]],
    held: Mapping[str, Record],
    before: Confirmation,
) -> Confirmation:
    """Ask the office again about the students that these changes release; ask about some held students one by one.

    `numbers` are all numbers of each student to ask about, `held` stored records of held students.
    """
    after = before
    if isinstance(connector, AsksByNumber):
        again = {student: numbers[student] for student in released(changes, rule.means) - before.asked}
        if again:
            second = ask_again(rule, connector, again)
            after = replace(
                after,
                asked=before.asked | again.keys(),
                kept=before.kept | second.kept,
                warnings=(*before.warnings, *([second.message] if second.message else [])),
            )
    if after.tried_one:
        return after
    one = _some_held(changes, held)
    after = replace(after, tried_one=True)
    if not one:
        return after
    if differs := disagreement(rule, connector, one, numbers):
        warning = tr(
            "{differs}. Until they agree, a recheck of one student never clears. Correct `one` in the settings",
            differs=differs,
        )
        return replace(after, warnings=(*after.warnings, warning))
    shown = Proof(ProofKind.ONE_AGREES, tr("{count} held students, asked one by one", count=len(one)))
    return replace(after, proofs=(*after.proofs, shown))


def _some_held(changes: Sequence[Change], stored: Mapping[str, Record]) -> dict[str, Record]:
    """Return some students that an answer holds, with their records from it."""
    changed = {c.student for c in changes}
    held = {c.student: c.after for c in changes if c.after is not None and c.after.verdict is Verdict.HELD}
    if len(held) < PROVEN_BY:
        held |= {student: record for student, record in stored.items() if student not in changed}
    return dict(sorted(held.items())[:PROVEN_BY])


@dataclass(frozen=True, slots=True)
class SecondAnswer:
    """The result of asking again."""

    asked: int
    #: Students that are not released: they still owe, have no answer, or exceed the maximum.
    kept: frozenset[str]
    #: For people; empty where all were confirmed.
    message: str


def ask_again(rule: SourceRule, connector: AsksByNumber, numbers: Mapping[str, Sequence[str]]) -> SecondAnswer:
    """Ask about these students (student → all their numbers) again, in one call."""
    asked = dict(sorted(numbers.items())[:MOST])
    beyond = frozenset(numbers.keys() - asked.keys())
    try:
        answer = connector.pull_these([number for theirs in asked.values() for number in theirs])
    except SourceError as error:
        kept = frozenset(numbers)
        return SecondAnswer(
            len(asked),
            kept,
            tr(
                "{count} students stay held, because asking about them again failed: {error}",
                count=len(kept),
                error=error,
            ),
        )
    still = {student for student, rows in _group_rows(answer, asked).items() if _owes(rule, answer, student, rows)}
    doubtful = _students_with(answer.unsettled, asked) - still
    return SecondAnswer(
        len(asked), frozenset(still) | doubtful | beyond, _kept_text(len(asked), len(still), len(doubtful), len(beyond))
    )


def _kept_text(asked: int, still: int, doubtful: int, beyond: int) -> str:
    """Return why students stay held, from their numbers; empty where none does."""
    parts: list[str] = []
    if still:
        parts.append(tr("{count} of {asked} students still owe when asked about again", count=still, asked=asked))
    if doubtful:
        parts.append(tr("{count} of {asked} students have a doubtful answer", count=doubtful, asked=asked))
    if beyond:
        parts.append(tr("{count} students exceed the limit of one run", count=beyond))
    return tr("{why}: they stay held until the next run", why=tr(" and ").join(parts)) if parts else ""


def _students_with(cells: Iterable[Cell], numbers: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the students that have one of these numbers."""
    named = {normalise_number(cell) for cell in cells if cell is not None}
    return frozenset(s for s, theirs in numbers.items() if named.intersection(map(normalise_number, theirs)))


def _owes(rule: SourceRule, answer: Snapshot, student: str, rows: Rows) -> bool:
    return record_from_rows(rule, answer.fields, student, rows, b"").verdict not in CLEAR


def _group_rows(answer: Snapshot, numbers: Mapping[str, Sequence[str]]) -> dict[str, Rows]:
    owner = {normalise_number(number): student for student, theirs in numbers.items() for number in theirs}
    found: dict[str, Rows] = {}
    for row in answer.rows:
        student = owner.get(normalise_number(row[0])) if row[0] is not None else None
        if student is not None:
            found.setdefault(student, []).append(row)
    return found


def disagreement(
    rule: SourceRule, connector: Connector, held: Mapping[str, Record], numbers: Mapping[str, Sequence[str]]
) -> str:
    """Ask about some held students one by one; return the first difference from the whole answer, or nothing.

    `held` are their records by the whole answer, `numbers` all their numbers.
    """
    for student, record in sorted(held.items())[:PROVEN_BY]:
        try:
            answers = [connector.pull_one(number) for number in numbers.get(student, (student,))]
        except SourceError as error:
            return tr("asking about {student} alone failed: {error}", student=student, error=error)
        # A list for each answer: two numbers of one student may return the same row.
        rows: Rows = []
        for answer in answers:
            rows += [row for row in _group_rows(answer, {student: numbers.get(student, (student,))}).get(student, [])
                     if row not in rows]  # fmt: skip
        if not rows:
            return tr("asking about {student} alone returned nothing, but the whole answer holds them", student=student)
        alone = record_from_rows(rule, answers[0].fields, student, rows, digest_of_rows(rule.digest, rows))
        if (alone.verdict, sorted(o.key for o in alone.obligations)) != (
            record.verdict,
            sorted(o.key for o in record.obligations),
        ):
            return tr("asking about {student} alone returned something else than the whole answer", student=student)
    return ""
