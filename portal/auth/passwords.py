"""Passwords: Argon2id, as much work for an account that does not exist as for one that does; and which are too weak.

A password is weak when it is short, or when whoever knows leaked lists, keyboards and its owner would soon come to it.
"""

import threading
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

_HASHER = PasswordHasher()

#: Of a password that nobody has: what is verified when there is no account, so that the answer takes as long.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$9HsAwe61ePSqtIgvlIRvfg$41k/L1m249QMqfSuANsmoIPpyRa9Ytsy/pmU0lDSHHo"

#: How many characters a password has.
SHORTEST, LONGEST = 10, 128

#: Of zxcvbn's scores from 0 to 4: from this one on, ten thousand guesses a second would need hours at the very least.
_ENOUGH = 3
#: Its work grows steeply, and what the first characters are worth can only grow.
_LOOKED_AT = 40

#: It knows the leaked lists of the West; these are everywhere on those of China.
_FAVOURITES = (
    "woaini1314520",
    "woaini5201314",
    "5201314",
    "1314520",
    "woaini1314",
    "woaini520",
    "aini1314",
    "qq123456",
)

#: It keeps a person's own words where every thread finds them.
_ONE_AT_A_TIME = threading.Lock()


class Weakness(StrEnum):
    """Why a password will not do."""

    SHORT = "short"
    LONG = "long"
    DIGITS = "digits"
    OWN = "own"
    COMMON = "common"
    KEYBOARD = "keyboard"
    REPEATED = "repeated"
    SEQUENCE = "sequence"
    DATE = "date"
    GUESSABLE = "guessable"


_BY_PATTERN = {
    "dictionary": Weakness.COMMON,
    "spatial": Weakness.KEYBOARD,
    "repeat": Weakness.REPEATED,
    "sequence": Weakness.SEQUENCE,
    "regex": Weakness.DATE,
    "date": Weakness.DATE,
}


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters and salt. Takes a tenth of a second and 64 MiB."""
    return _HASHER.hash(_typed(password))


def verify_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password fits; None, for an account that does not exist, takes as long and never fits."""
    try:
        _HASHER.verify(password_hash or _NOBODY, _typed(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def wants_new_hash(password_hash: str) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def weakness(password: str, own: Iterable[str]) -> Weakness | None:
    """Return why a password is too weak, None when it will do; `own` are words that lead to its owner."""
    typed = _typed(password)
    if len(typed) < SHORTEST:
        return Weakness.SHORT
    if len(typed) > LONGEST:
        return Weakness.LONG
    if typed.isdigit():
        # Of phones, of birthdays, of identity documents: others know them.
        return Weakness.DIGITS
    theirs = sorted({word.lower() for given in own for word in _parts(given)})
    with _ONE_AT_A_TIME:
        found = zxcvbn(typed[:_LOOKED_AT], [*_FAVOURITES, *theirs])
    return None if found["score"] >= _ENOUGH else _reason(found["sequence"], theirs)


def _reason(sequence: list[dict[str, Any]], own: list[str]) -> Weakness:
    """Return what is weak about the longest piece that was known."""
    known = [piece for piece in sequence if piece["pattern"] in _BY_PATTERN]
    if not known:
        return Weakness.GUESSABLE
    longest = max(known, key=lambda piece: len(piece["token"]))
    if longest.get("dictionary_name") == "user_inputs" and longest["matched_word"] in own:
        return Weakness.OWN
    return _BY_PATTERN[longest["pattern"]]


def _parts(word: str) -> Iterable[str]:
    """Give a word, and what begins and ends it where it is long: of a number people take the last six digits."""
    typed = unicodedata.normalize("NFKC", word).strip()
    yield typed
    if len(typed) >= 6:
        yield from (typed[:cut] for cut in range(4, len(typed)))
        yield from (typed[cut:] for cut in range(1, len(typed) - 3))


def _typed(password: str) -> str:
    """Return a password in one form: what a Chinese keyboard types full-width is the same password."""
    return unicodedata.normalize("NFKC", password)
