"""Two answers of a system joined: the things, and the people that have them; both whole, or nothing.

A thing names its owner by an id of the system's own; the other answer has the student number of that id. Things that
cannot be joined are an error: a wrong id would clear all students.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.port import Cell, Proof, ProofKind, Question, Snapshot, SourceGarbled, table_of
from foundation.translation import N_, tr


@dataclass(frozen=True, slots=True)
class JoinWords:
    """The English names of people and things in messages and proofs, out of `_TRANSLATED`."""

    people: str
    things: str


_TRANSLATED = (N_("readers"), N_("users"), N_("patrons"), N_("loans"), N_("debts"), N_("fines"))


def joined_detail(words: JoinWords, people: str, things: str) -> str:
    """Return the detail of a proof that both answers have."""
    return tr(
        "{people}: {of_people}; {things}: {of_things}",
        people=tr(words.people),
        of_people=people,
        things=tr(words.things),
        of_things=things,
    )


def _counts_always(_person: tuple[Cell, ...]) -> bool:
    return True


def joined(
    question: Question,
    people: Snapshot,
    things: Snapshot,
    words: JoinWords,
    counts: Callable[[tuple[Cell, ...]], bool] = _counts_always,
) -> Snapshot:
    """Return the things by student number; the population is all people that have a number.

    `people` has the id in its first column and the student number in its second; `things` has the question's columns in
    their order, with the id where the student belongs.
    A thing whose owner has no number keeps an empty number, and is counted. `counts` returns whether a row of `people`
    belongs to the population; things are joined in any case. Raises SourceGarbled where the two do not match.
    """
    numbers = _numbers_by_person(question, people, words)
    fields = tuple(question.columns)
    at = fields.index("student")
    _refuse_unmatched(question, [row[at] for row in things.rows], numbers, words)
    rows: list[tuple[Cell, ...]] = [
        tuple(numbers.get(id_text(cell)) if index == at else cell for index, cell in enumerate(row))
        for row in things.rows
    ]
    details = {proof.kind: proof.detail for proof in people.proofs}
    proofs = tuple(
        Proof(p.kind, joined_detail(words, details[p.kind], p.detail))
        for p in things.proofs
        if p.kind in details and p.kind is not ProofKind.COLUMNS_PRESENT
    )
    columns = Proof(ProofKind.COLUMNS_PRESENT, tr(", ").join(question.columns.values()))
    known = [person[1] for person in people.rows if id_text(person[0]) and id_text(person[1]) and counts(person)]
    unsettled = [numbers.get(id_text(cell)) for cell in (*people.unsettled, *things.unsettled)]
    return Snapshot(
        fields,
        rows,
        min(people.began, things.began),
        question.clock(),
        (*proofs, columns),
        known,
        unsettled=[number for number in dict.fromkeys(unsettled) if id_text(number)],
        warnings=tuple(dict.fromkeys((*people.warnings, *things.warnings))),
    )


def id_text(cell: Cell) -> str:
    """Return an id, or a number, as text: an answer can have it as a number, or padded."""
    return "" if cell is None else str(cell).strip()


def _numbers_by_person(question: Question, people: Snapshot, words: JoinWords) -> Mapping[str, Cell]:
    numbers: dict[str, Cell] = {}
    for person, number, *_ in people.rows:
        if not id_text(person):
            continue
        if id_text(numbers.setdefault(id_text(person), number)) != id_text(number):
            raise SourceGarbled(
                tr(
                    "{source}: {person} appears more than once among the {people}, with the student numbers "
                    "{first} and {number}",
                    source=question.source,
                    person=id_text(person),
                    people=tr(words.people),
                    first=id_text(numbers[id_text(person)]),
                    number=id_text(number),
                ),
                tr("Have the office correct it; or map a column that identifies one of them."),
            )
    if people.rows and not any(id_text(number) for number in numbers.values()):
        raise SourceGarbled(
            tr(
                "{source}: none of {number} {people} has a student number",
                source=question.source,
                number=len(people.rows),
                people=tr(words.people),
            ),
            tr(
                "Check which column {table} names for it, and that the account is allowed to read it.",
                table=table_of(question.source),
            ),
        )
    return numbers


def _refuse_unmatched(question: Question, ids: list[Cell], numbers: Mapping[str, Cell], words: JoinWords) -> None:
    """Refuse things none of which has a known owner: the two answers are likely to use different ids."""
    if ids and not any(id_text(cell) in numbers for cell in ids):
        raise SourceGarbled(
            tr(
                "{source}: none of {number} {things} belongs to any of the {others} {people}",
                source=question.source,
                number=len(ids),
                things=tr(words.things),
                others=len(numbers),
                people=tr(words.people),
            ),
            tr("Check in {table} that both name people by the same id.", table=table_of(question.source)),
        )
