"""The outputs of a command: they print any text, in any encoding of the console."""

import codecs
import io
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from config.tables.plain_text import on_one_line, plain, unprintable_in
from foundation.translation import tr

#: Replacements for characters that the console's encoding lacks; the first that it has is used.
#: GBK has the full-width yuan sign.
_SIMILAR = {
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

#: The name of this error handler in Python.
REPLACED = "clearance.replaced"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks, by a similar character or a question mark; two for a wide character."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101 - it is registered for outputs only
    letters = error.object[error.start : error.end]
    return "".join(_replacement(letter, error.encoding) for letter in letters), error.end


def _replacement(letter: str, encoding: str) -> str:
    for similar in _SIMILAR.get(letter, ()):
        # A replacement that this encoding lacks would fail again.
        if similar.isascii() or similar.encode(encoding, "ignore"):
            return similar
    return "??" if unicodedata.east_asian_width(letter) in "WF" else "?"


codecs.register_error(REPLACED, _replaced)


def replace_unencodable() -> None:
    """Make both outputs replace what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=REPLACED)


def unreadable_word(words: Sequence[str]) -> str:
    """Return the error of the first word that is not text, with the fix; empty when all words are text.

    Bytes that are not text in this system's encoding reach a process as surrogate characters.
    """
    for place, word in enumerate(words, 1):
        if found := unprintable_in(word):
            return tr(
                'Word {place} of the command line, "{word}", contains {found}: a control character, or text in '
                "another encoding than this terminal's. Type it again without it, or rename the file.",
                place=place,
                word=plain(word),
                found=found,
            )
    return ""


class Terminal(Console):
    """A console that prints text as one line. No part of it is markup, moves the cursor or changes a colour.

    Pass a style as `style=` or in a `rich.text.Text`.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own options
        """Return a text as one line for display, with its control characters and line breaks spelled out."""
        return super().render_str(on_one_line(text), **options)
