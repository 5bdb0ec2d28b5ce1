"""Student numbers in logs: none is written there, only its log name, a hash keyed with the desk's key.

Three nets, one below another: a number is handed to a log call as `StudentNo`, whose text is its log name; a field that
names a person is written as a log name whatever it holds; and in every other text, each word that looks like a
number of a student or of a document is replaced. Support finds a student's lines with `clearance log-name NO`.
"""

import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

_KEY_BYTES = 32

#: Digits of a log name: a million students share one with a chance of one in a thousand.
_DIGITS = 12

#: Fields that name a person, whatever the number looks like.
PERSONAL = frozenset({"student", "students", "number", "numbers", "owner", "reader", "card", "alias", "name", "names"})

#: Fields that hold no text of others.
_OWN = frozenset({"timestamp", "level", "mac"})

_DIGIT, _LETTERS = "0-9０-９", "A-Za-zＡ-Ｚａ-ｚ"
_WORD = _DIGIT + _LETTERS

# A moment, an address of memory and a digest stay; a word of 6 to 20 letters and digits with five digits or more goes.
_LOOKS = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b0x[0-9a-f]+\b"
    r"|[#~][0-9a-f]{12}\b"
    rf"|(?P<number>(?<![{_WORD}])(?=[{_LETTERS}]*(?:[{_DIGIT}][{_LETTERS}]*){{5}})[{_WORD}]{{6,20}}(?![{_WORD}]))"
)
#: A user and password within an address.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")


def normal(number: object) -> str:
    """Return a number in the form that is hashed: NFKC, without blanks and invisible characters, upper case."""
    text = unicodedata.normalize("NFKC", str(number))
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Zs")).upper()


def log_name(key: bytes, number: object) -> str:
    """Return the log name of a number: `#` and twelve hexadecimal digits."""
    return "#" + hmac.digest(key, normal(number).encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]


class _Names:
    """Names of this process: by the desk's key, or by a key of its own where there is none yet."""

    def __init__(self, key: Callable[[], bytes | None]) -> None:
        self._ask = key
        self._key: bytes | None = None
        self._own = secrets.token_bytes(_KEY_BYTES)
        self._named = lru_cache(1000)(log_name)

    def of(self, number: object) -> str:
        if self._key is None:
            try:
                self._key = self._ask()
            except Exception:  # noqa: BLE001 - whatever is wrong with the key, a log line is written, without numbers
                self._key = None
        if self._key is None:
            # `~`: it cannot be found by any key, but is the same in all lines of this process.
            return "~" + self._named(self._own, normal(number))[1:]
        return self._named(self._key, normal(number))


_names = _Names(lambda: None)


def use_key(key: Callable[[], bytes | None]) -> None:
    """Have this process name numbers by this key, asked for when it is first needed, and again until it is there."""
    global _names  # noqa: PLW0603 - a process has one log
    _names = _Names(key)


class StudentNo:
    """A student's number on its way into a log line. Its text is the log name; the number itself cannot be printed."""

    __slots__ = ("_number",)

    def __init__(self, number: object) -> None:
        self._number = number

    def __str__(self) -> str:
        return _names.of(self._number)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def without_numbers(text: str) -> str:
    """Return a text with each word that looks like a number of a person as its log name, and without credentials."""
    text = _CREDENTIALS.sub("…@", text)
    return _LOOKS.sub(lambda found: found[0] if found["number"] is None else _names.of(found[0]), text)


def nameless(value: object, field: str = "") -> object:
    """Return a value of a log line as it may be written."""
    if field in _OWN or value is None or isinstance(value, bool | StudentNo):
        return str(value) if isinstance(value, StudentNo) else value
    if isinstance(value, Mapping):
        return {without_numbers(str(key)): nameless(inside, str(key)) for key, inside in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [nameless(inside, field) for inside in value]
    if field in PERSONAL:
        return str(StudentNo(value)) if value != "" else value
    if isinstance(value, int | float):
        return value
    return without_numbers(value if isinstance(value, str) else str(value))
