"""Number formats: the text that a cell shows, where it is more than the number."""

import re

from connectors.files.tables.table import ShownNumber
from connectors.port import Cell

#: A format of only digits and literal letters: 0000000000, "S"0, 0000-00-00.
_PARTS = re.compile(r'"([^"]*)"|\\(.)|(0)|([#?])|(_.|\*.)|(\[[^\]]*\])|([-/ :年月日])|(.)', re.DOTALL)

#: Formats with leading zeros.
LEADING_ZEROS = re.compile(r'(?:\[[^\]]*\]|"[^"]*"|[-\\ ])*0{3,}')

_MOST_SHOWN_DIGITS = 40


def shown_number(cell: Cell, number_format: str) -> Cell:
    """Return a whole number with its shown text, if the format adds leading zeros or letters; else the cell."""
    if isinstance(cell, bool) or not isinstance(cell, int | float) or "0" not in number_format:
        return cell
    if isinstance(cell, float) and not cell.is_integer():
        return cell
    if cell < 0 or number_format in ("General", "0", "0.00", "#,##0", "#,##0.00") or cell >= 10**15:
        return cell
    parts = _format_parts(number_format.partition(";")[0])
    if parts is None or (sum(part == "" for part, is_digit in parts if is_digit) == 1 and len(parts) == 1):
        return cell
    text = _fill_places(str(int(cell)), parts)
    return cell if text == str(int(cell)) else ShownNumber(cell, text)


def _format_parts(number_format: str) -> list[tuple[str, bool]] | None:
    """Return literals, and positions for a digit (as "" or "#"); None for any other format."""
    parts: list[tuple[str, bool]] = []
    for quoted, escaped, zero, optional, _space, bracket, plain, other in _PARTS.findall(number_format):
        if other or (bracket and not bracket.startswith(("[$-", "[Red", "[Black", "[Blue", "[红", "[黑", "[蓝"))):
            return None
        if zero or optional:
            parts.append(("" if zero else "#", True))
        elif quoted or escaped or plain:
            parts.append((quoted or escaped or plain, False))
    return parts if any(is_digit for _part, is_digit in parts) and len(parts) <= _MOST_SHOWN_DIGITS else None


def _fill_places(digits: str, parts: list[tuple[str, bool]]) -> str:
    """Put digits into their positions from the right; the first position gets all remaining digits."""
    written: list[str] = []
    positions = sum(is_digit for _part, is_digit in parts)
    left = digits
    for part, is_digit in reversed(parts):
        if not is_digit:
            written.append(part)
            continue
        positions -= 1
        if positions == 0:
            written.append(left or ("0" if part == "" else ""))
            left = ""
        else:
            written.append(left[-1:] or ("0" if part == "" else ""))
            left = left[:-1]
    return "".join(reversed(written)).strip()
