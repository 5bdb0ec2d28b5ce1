"""Texts that the core stored in the language of its process, in the reader's language.

Proofs and warnings of a run are stored as text, with their figures filled in. The core's catalogue has each of these
texts in both languages, so a stored text is matched against them and filled in again. A text that matches none stays
as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from babel.messages.pofile import read_po

from foundation.translation import LOCALE

#: Where the stored texts are in the code.
_FROM = ("connectors/", "sync/")

_FIELD = re.compile(r"\{(\w+)\}")

#: A text of fewer letters beside its fields matches too much.
_LEAST_LETTERS = 4

#: A longer text stays as it is: the time to match it grows faster than its length.
_LONGEST = 2_000

#: Between the parts of a joined text, in both languages.
_PARTS = re.compile(r"(; |；|: |：|, |，)")
_PART_OF: Mapping[str, Mapping[str, str]] = {
    "en": {"；": "; ", "：": ": ", "，": ", "},
    "zh": {"; ": "；", ": ": "：", ", ": "，"},
}


@dataclass(frozen=True, slots=True)
class _Template:
    """One text of the code in a language, and its counterpart."""

    pattern: re.Pattern[str]
    counterpart: str


def in_language(text: str, code: str) -> str:
    """Return a stored text in a language, `zh` or `en`; as it is if it is not one of the core's."""
    if len(text) > _LONGEST:
        return text
    found = _matched(text, code)
    if found is not None:
        return found
    pieces = _PARTS.split(text)
    if len(pieces) == 1:
        return text
    words = [_matched(piece, code) for piece in pieces[::2]]
    if not any(word is not None for word in words):
        return text
    between = [_PART_OF[code].get(piece, piece) for piece in pieces[1::2]] + [""]
    joined = zip(words, pieces[::2], between, strict=True)
    return "".join((piece if word is None else word) + part for word, piece, part in joined)


@lru_cache(maxsize=4096)
def _matched(text: str, code: str) -> str | None:
    for template in _templates(code):
        if found := template.pattern.fullmatch(text):
            values = {name: in_language(value, code) for name, value in found.groupdict().items()}
            return _filled(template.counterpart, values)
    return None


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: values.get(field[1], field[0]), text)


@cache
def _templates(code: str) -> tuple[_Template, ...]:
    """Return the texts of the other language with their counterparts in this one, the longest first."""
    pairs = sorted(set(_pairs(code)), key=lambda pair: (-_letters(pair[0]), pair))
    return tuple(_Template(_pattern(theirs), ours) for theirs, ours in pairs if _letters(theirs) >= _LEAST_LETTERS)


def _pairs(code: str) -> Iterator[tuple[str, str]]:
    with (LOCALE / "zh" / "LC_MESSAGES" / "messages.po").open("rb") as opened:
        for message in read_po(opened, locale="zh"):
            if not message.id or not any(place.startswith(_FROM) for place, _ in message.locations):
                continue
            english, chinese = _forms(message.id), _forms(message.string)
            for text in english:
                for other in chinese if code == "en" else chinese[:1]:
                    if text and other:
                        yield (text, other) if code == "zh" else (other, english[-1])


def _forms(text: object) -> list[str]:
    """Return the singular and plural of a message; one text if it has no plural."""
    return list(map(str, text)) if isinstance(text, list | tuple) else [str(text)]


def _letters(text: str) -> int:
    """Return how many letters a text has beside its fields; a Chinese one counts as four."""
    return sum(4 if ord(letter) > 0x2E7F else 1 for letter in _FIELD.sub("", text) if letter.isalpha())


def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of a text whose fields can have any value; a field that repeats has the same one."""
    seen: set[str] = set()
    written: list[str] = []
    for at, piece in enumerate(_FIELD.split(text)):
        if not at % 2:
            written.append(re.escape(piece))
        elif piece in seen:
            written.append(f"(?P={piece})")
        else:
            seen.add(piece)
            written.append(f"(?P<{piece}>.+?)")
    return re.compile("".join(written), re.DOTALL)
