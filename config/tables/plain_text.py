"""Text that somebody else wrote, made harmless for a terminal and a log."""

import re

#: Control characters but for line breaks and tabs, marks that turn the direction of writing, separators of lines that
#: are no line breaks, and halves of characters. On a terminal they move the cursor, change colours, hide or reorder
#: what is printed; the last cannot be encoded at all.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: Those of them that nobody writes.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Return the text with every harmful character written out, such as `\x1b` or `\u202e`; nothing is left out.

    A line break of Windows becomes an ordinary one.
    """
    # Nearly every text is harmless, and is looked at once.
    return _HARMFUL.sub(_written_out, text.replace("\r\n", "\n")) if _HARMFUL.search(text) else text


def on_one_line(text: str) -> str:
    """Return the text likewise, with its line breaks and tabs written out, too."""
    return plain(text).replace("\n", "\\n").replace("\t", "\\t")


def json_plain(text: str) -> str:
    r"""Return JSON text with every harmful character in the escapes of JSON: the same value, harmless to print."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) if _HARMFUL.search(text) else text


def unprintable_in(text: str) -> str:
    """Return the first control character or half of a character of a text, written out; empty where there is none.

    Line breaks and tabs are text, and so are marks of direction and separators of lines, which come along with what is
    copied; `plain` writes them out wherever they are printed.
    """
    found = _UNPRINTABLE.search(text)
    return _written_out(found) if found else ""


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
