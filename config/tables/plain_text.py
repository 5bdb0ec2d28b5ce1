"""Makes text from outside safe for a terminal and a log."""

import re

#: Control characters except line breaks and tabs, direction marks, Unicode line separators, and lone surrogates. On a
#: terminal they move the cursor, change colours, and hide or reorder text; a lone surrogate cannot be encoded.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: Those of them that do not occur in ordinary text.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Return the text with every harmful character escaped, such as `\x1b` or `\u202e`; none is removed.

    A Windows line break becomes `\n`.
    """
    # Nearly every text is harmless, so search first.
    return _HARMFUL.sub(_escape_character, text.replace("\r\n", "\n")) if _HARMFUL.search(text) else text


def on_one_line(text: str) -> str:
    """Return the text likewise, with its line breaks and tabs written out, too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def json_plain(text: str) -> str:
    r"""Return JSON text with every harmful character as a JSON escape: the same value, safe to print."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if _HARMFUL.search(text) else text


def unprintable_in(text: str) -> str:
    """Return the first control character or lone surrogate of a text, escaped; empty if there is none.

    Line breaks and tabs are text. So are direction marks and line separators, which copied text contains; `plain`
    escapes them when they are printed.
    """
    found = _UNPRINTABLE.search(text)
    return _escape_character(found) if found else ""


def _escape_character(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
