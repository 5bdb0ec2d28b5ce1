"""Log names: logs contain no student numbers, but log names, which are hashes keyed with the desk's key.

There are three safeguards. Code passes a number to a log call as `StudentNo`, whose text is the log name. A field that
names a person is always written as a log name. In every other text, each word that looks like a student number or a
document number is replaced. To find a student's lines, run `clearance log-name NO`.
"""

import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache

from foundation import acting

_KEY_BYTES = 32

#: Digits of a log name: among a million students, the probability that two share one is 0.2 percent.
_DIGITS = 12

#: Fields that name a person, whatever the value looks like.
PERSONAL = frozenset({"student", "students", "number", "numbers", "owner", "reader", "card", "alias", "name", "names"})

#: Fields whose values this program makes itself.
_OWN = frozenset({"timestamp", "level", "mac", "request_id", "institution"})

_DIGIT, _LETTERS = "0-9０-９", "A-Za-zＡ-Ｚａ-ｚ"
_WORD = _DIGIT + _LETTERS

# Keeps timestamps, memory addresses and digests; replaces words of 6 to 20 letters and digits with five digits or more.
_LOOKS = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b0x[0-9a-f]+\b"
    r"|[#~][0-9a-f]{12}\b"
    rf"|(?P<number>(?<![{_WORD}])(?=[{_LETTERS}]*(?:[{_DIGIT}][{_LETTERS}]*){{5}})[{_WORD}]{{6,20}}(?![{_WORD}]))"
)
#: A user and a password in a URL.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")


def normal(number: object) -> str:
    """Return the form of a number that is hashed: NFKC, upper case, without blanks and invisible characters."""
    text = unicodedata.normalize("NFKC", str(number))
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Zs")).upper()


def log_name(key: bytes, number: object) -> str:
    """Return the log name of a number: `#` and twelve hexadecimal digits."""
    return "#" + hmac.digest(key, normal(number).encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]


class _Names:
    """Log names of this process, made with the desk's key, or with a random key until that exists."""

    def __init__(self, key: Callable[[], bytes | None]) -> None:
        self._ask = key
        self._key: bytes | None = None
        self._own = secrets.token_bytes(_KEY_BYTES)
        self._cached = lru_cache(1000)(log_name)

    def of(self, number: object) -> str:
        if self._key is None:
            try:
                self._key = self._ask()
            except Exception:  # noqa: BLE001 - the log line is written, without numbers, whatever the error
                self._key = None
        if self._key is None:
            # `~` marks a name that cannot be searched for; it is the same in all lines of this process.
            return "~" + self._cached(self._own, normal(number))[1:]
        return self._cached(self._key, normal(number))


_nobodys = _Names(lambda: None)
#: Institution → its log names; the key is empty where there is only one.
_by_institution: dict[str, _Names] = {}


def use_key(key: Callable[[], bytes | None], institution: str = "") -> None:
    """Make log names with this key, for an institution. It is requested when first needed, and again until it exists.

    Without an institution, there is only one.
    """
    _by_institution[institution] = _Names(key)


def _names() -> _Names:
    """Return the log names of the institution that this thread or task acts for."""
    return _by_institution.get(acting.institution(), _nobodys)


class StudentNo:
    """A student number as a log call accepts it: its text is the log name; the number itself cannot be printed."""

    __slots__ = ("_number",)

    def __init__(self, number: object) -> None:
        self._number = number

    def __str__(self) -> str:
        return _names().of(self._number)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def without_numbers(text: str) -> str:
    """Return the text without credentials, and with a log name in place of each word that looks like a number."""
    text = _CREDENTIALS.sub("…@", text)
    return _LOOKS.sub(lambda found: found[0] if found["number"] is None else _names().of(found[0]), text)


def nameless(value: object, field: str = "") -> object:
    """Return a log value without student numbers and credentials."""
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
