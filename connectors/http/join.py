"""Things joined with the people behind them, where a system tells of the two in two answers: both whole, or nothing.

A thing names whoever has it by an id of the system's own; which student number belongs to that id, the other answer
tells. What cannot be joined is not taken for nothing: a wrong id would clear everybody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connectors.port import Cell, Proof, ProofKind, Question, Snapshot, SourceGarbled, table_of


@dataclass(frozen=True, slots=True)
class JoinWords:
    """What a system calls the two, for messages and proofs."""

    people: str
    things: str


def _everybody(_person: tuple[Cell, ...]) -> bool:
    return True


def joined(
    question: Question,
    people: Snapshot,
    things: Snapshot,
    words: JoinWords,
    counts: Callable[[tuple[Cell, ...]], bool] = _everybody,
) -> Snapshot:
    """Return the things by student number, with everybody who has a number as the population.

    `people` has the id in its first column and the student number in its second; `things` has the question's columns in
    their order, with the id where the student belongs.
    Who has no number is nobody's, and counted. `counts` says of a row of `people` whether it belongs to the
    population; what they have is theirs in any case. Raises SourceGarbled where the two do not fit together.
    """
    numbers = _numbers(question, people, words)
    fields = tuple(question.columns)
    at = fields.index("student")
    _refuse_unmatched(question, [row[at] for row in things.rows], numbers, words)
    rows: list[tuple[Cell, ...]] = [
        tuple(numbers.get(plain(cell)) if index == at else cell for index, cell in enumerate(row))
        for row in things.rows
    ]
    told = {proof.kind: proof.detail for proof in people.proofs}
    proofs = tuple(
        Proof(p.kind, f"{words.people}: {told[p.kind]}; {words.things}: {p.detail}")
        for p in things.proofs
        if p.kind in told and p.kind is not ProofKind.COLUMNS_PRESENT
    )
    columns = Proof(ProofKind.COLUMNS_PRESENT, ", ".join(question.columns.values()))
    known = [person[1] for person in people.rows if plain(person[0]) and plain(person[1]) and counts(person)]
    unsettled = [numbers.get(plain(cell)) for cell in (*people.unsettled, *things.unsettled)]
    return Snapshot(
        fields,
        rows,
        min(people.began, things.began),
        question.clock(),
        (*proofs, columns),
        known,
        unsettled=[number for number in dict.fromkeys(unsettled) if plain(number)],
        warnings=tuple(dict.fromkeys((*people.warnings, *things.warnings))),
    )


def plain(cell: Cell) -> str:
    """Return an id, or a number, as text: one answer may write it as a number, or padded."""
    return "" if cell is None else str(cell).strip()


def _numbers(question: Question, people: Snapshot, words: JoinWords) -> Mapping[str, Cell]:
    numbers: dict[str, Cell] = {}
    for person, number, *_ in people.rows:
        if not plain(person):
            continue
        if plain(numbers.setdefault(plain(person), number)) != plain(number):
            raise SourceGarbled(
                f"{question.source}: {plain(person)} stands twice among the {words.people}, with the student numbers "
                f"{plain(numbers[plain(person)])} and {plain(number)}",
                "Have the office correct it; or map what names one of them alone.",
            )
    if people.rows and not any(plain(number) for number in numbers.values()):
        raise SourceGarbled(
            f"{question.source}: none of {len(people.rows)} {words.people} has a student number",
            f"Look in {table_of(question.source)} where it is said to stand, and whether the account may read it.",
        )
    return numbers


def _refuse_unmatched(question: Question, ids: list[Cell], numbers: Mapping[str, Cell], words: JoinWords) -> None:
    """Refuse things of which not one is known to be anybody's: the two are likely to name people by different ids."""
    if ids and not any(plain(cell) in numbers for cell in ids):
        raise SourceGarbled(
            f"{question.source}: none of {len(ids)} {words.things} belongs to any of the {len(numbers)} {words.people}",
            f"Look in {table_of(question.source)} whether both name people by the same id.",
        )
