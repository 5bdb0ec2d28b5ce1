"""Markdown of the reference pages: tables, and links that lead to the same place from another folder."""

import re
from collections.abc import Iterable, Sequence

_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)]+)\)")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a row's cells are Markdown of one line."""
    line = "|" + "---|" * len(head)
    return "\n".join((_line(head), line, *map(_line, rows)))


def _line(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {_cell(cell)} |" if cell else " |" for cell in cells)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def code(text: str) -> str:
    """Return a text as code; an empty one stays empty."""
    return f"`{text}`" if text else ""


def links_from(folder: str, text: str) -> str:
    """Return a text whose links start at docs/ with links that start at a folder of docs/, such as `zh/reference`."""
    return _LINK.sub(lambda link: f"]({'../' * len(folder.split('/'))}{link[1]})", text)
