"""The two outputs of a command: they take any text, whatever the console's encoding and whoever wrote it."""

import codecs
import io
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from config.tables.plain_text import on_one_line, plain, unprintable_in

#: What stands for a character that the console's encoding lacks: the first of these that it has.
#: The yuan sign of GBK is the full-width one.
_ALIKE = {
    "¥": ("￥", "CNY "),
    "→": ("->",),
    "…": ("...",),
    "“": ('"',),
    "”": ('"',),
    "‘": ("'",),
    "’": ("'",),
    "–": ("-",),
    "—": ("-",),
    "−": ("-",),
}

#: How Python names this way of encoding.
REPLACED = "clearance.replaced"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks: by something alike, else by a question mark, by two where it is two wide."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - it is registered for outputs alone
    letters = error.object[error.start : error.end]
    return "".join(_replacement(letter, error.encoding) for letter in letters), error.end


def _replacement(letter: str, encoding: str) -> str:
    for alike in _ALIKE.get(letter, ()):
        # A codec that fails here would fail again on what this returns.
        if alike.isascii() or alike.encode(encoding, "ignore"):
            return alike
    return "??" if unicodedata.east_asian_width(letter) in "WF" else "?"


codecs.register_error(REPLACED, _replaced)


def take_any_text() -> None:
    """Have both outputs replace what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=REPLACED)


def unreadable_word(words: Sequence[str]) -> str:
    """Return what is wrong with the words of a command line, with the fix; empty where all of them are text.

    Bytes that are not text in this system's encoding reach a process as halves of characters.
    """
    for place, word in enumerate(words, 1):
        if found := unprintable_in(word):
            return (
                f'Word {place} of the command line, "{plain(word)}", holds {found}: a control character, or no text in '
                "this terminal's encoding. Type it again without it, or rename the file."
            )
    return ""


class Terminal(Console):
    """A console that prints text as text: nothing in it is markup, moves the cursor, changes a colour or ends the line.

    A style is given beside the text, as `style=` or in a `rich.text.Text`.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - the options are rich's own
        """Return what a text looks like: one line, its control characters and line breaks written out."""
        return super().render_str(on_one_line(text), **options)
