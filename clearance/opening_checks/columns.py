"""Columns that look like another's, and amounts that look like fen: a mapping that works and means something else."""

from collections.abc import Iterator

from clearance.setup.recognise import columns as guessed
from config.settings import Settings
from connectors.port import Sample, table_of
from foundation.translation import N_, tr
from status_db.model import ROSTER

#: What a column looks like, for messages.
_LOOKS = {
    "identity": N_("numbers of identity documents"),
    "name": N_("names of people"),
    "due": N_("dates"),
    "amount": N_("amounts"),
    "student": N_("numbers of students"),
    "other": N_("something else"),
}

#: The fields whose cells have a form of their own.
_CHECKED = ("student", "name", "amount", "paid", "waived", "refunded", "due")


def warnings(settings: Settings, name: str, sample: Sample) -> Iterator[str]:
    """Yield a warning for each mapped column whose cells look wrong, each with the fix."""
    if sample.row is None:
        return
    asked = settings.roster if name == ROSTER else settings.source[name]
    fields = tuple(sample.row)
    rows = [dict(zip(fields, row, strict=True)) for row in sample.rows] or [dict(sample.row)]
    for field in _CHECKED:
        if field not in fields:
            continue
        cells = guessed.cells_of(field, rows)
        if looks := guessed.contradicts(field, cells):
            yield tr(
                "columns.{field} = {column!r} looks like {looks}, not like {wanted}: correct it in {table}.",
                field=field,
                column=asked.columns.get(field, field),
                looks=tr(_LOOKS[looks]),
                wanted=tr(_WANTED[field]),
                table=table_of(name),
            )
    if name != ROSTER and settings.source[name].unit == "yuan" and "amount" in fields:
        column = asked.columns.get("amount", "")
        if guessed.looks_like_fen(column, guessed.cells_of("amount", rows)):
            yield tr(
                "The amounts in {column!r} look like fen (分): they are whole, large and divisible by 100, or the "
                'column is named so. If they are fen, set unit = "fen" in {table}.',
                column=column,
                table=table_of(name),
            )


_WANTED = {
    "student": N_("numbers of students"),
    "name": N_("names of people"),
    "amount": N_("amounts"),
    "paid": N_("amounts"),
    "waived": N_("amounts"),
    "refunded": N_("amounts"),
    "due": N_("dates"),
}
