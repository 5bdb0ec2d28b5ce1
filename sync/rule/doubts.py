"""Stored doubts about a record, in the language of the process."""

from foundation.translation import tr
from status_db.doubts import PLAIN, WITH_CELL, parts_of


def doubt_text(doubt: str) -> str:
    """Return a stored doubt in the language of the process. What is not known stays as it is."""
    return tr("; ").join(_part_text(text, cell) for text, cell in parts_of(doubt))


def _part_text(text: str, cell: str) -> str:
    if text in WITH_CELL:
        return tr(text, cell=cell)
    return tr(text) if text in PLAIN else text
