"""Masked rows: what a person recognises as the right column, and what identifies no one."""

from collections.abc import Mapping

from portal.present.masking import mask_name, mask_number
from status_db.model import normalise_number

#: Fields that name a person.
_NUMBERS = ("student", "reference")

#: The longest text of a cell in a comment.
_LONGEST = 40


def masked(row: Mapping[str, object]) -> dict[str, str]:
    """Return a row by our fields as text: numbers and names masked, long texts cut, empty cells left out."""
    return {field: _masked(field, cell) for field, cell in row.items() if cell not in (None, "")}


def _masked(field: str, cell: object) -> str:
    if field in _NUMBERS:
        return mask_number(normalise_number(cell))
    text = " ".join(str(cell).split())
    if field == "name":
        return mask_name(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
