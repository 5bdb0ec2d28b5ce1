"""Passwords: their hashes (Argon2id), and the check for weak ones.

Verifying takes the same time whether the account exists or not. A password is weak if it is short, or easy to guess
from leaked lists, keyboard patterns and facts about its owner.
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

#: The hash of an unused password. It is verified if there is no account, so that the answer takes the same time.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$9HsAwe61ePSqtIgvlIRvfg$41k/L1m249QMqfSuANsmoIPpyRa9Ytsy/pmU0lDSHHo"

#: How many characters a password must and can have.
SHORTEST, LONGEST = 10, 128

#: The lowest accepted score of zxcvbn's 0 to 4: ten thousand guesses a second need hours at least.
_ENOUGH = 3
#: Only the first characters are scored: zxcvbn's work grows steeply, and more characters can only raise the score.
_SCORED_LENGTH = 40

#: Common passwords in leaked lists of China; zxcvbn has only Western lists.
_COMMON_IN_CHINA = (
    "woaini1314520",
    "woaini5201314",
    "5201314",
    "1314520",
    "woaini1314",
    "woaini520",
    "aini1314",
    "qq123456",
)

#: zxcvbn keeps a person's own words in a global variable.
_ONE_AT_A_TIME = threading.Lock()


class Weakness(StrEnum):
    """Why a password is not accepted."""

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
    return _HASHER.hash(_normalised(password))


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether the password matches. A hash of None, for an unknown account, takes as long and never matches."""
    try:
        _HASHER.verify(password_hash or _NOBODY, _normalised(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def wants_new_hash(password_hash: str) -> bool:
    """Return whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


def weakness(password: str, own: Iterable[str]) -> Weakness | None:
    """Return why a password is too weak; None if it is accepted. `own` are words about its owner."""
    typed = _normalised(password)
    if len(typed) < SHORTEST:
        return Weakness.SHORT
    if len(typed) > LONGEST:
        return Weakness.LONG
    if typed.isdigit():
        # Telephone numbers, birthdays and identity numbers: other people know them.
        return Weakness.DIGITS
    theirs = sorted({word.lower() for given in own for word in _guessable_parts(given)})
    with _ONE_AT_A_TIME:
        found = zxcvbn(typed[:_SCORED_LENGTH], [*_COMMON_IN_CHINA, *theirs])
    return None if found["score"] >= _ENOUGH else _reason(found["sequence"], theirs)


def _reason(sequence: list[dict[str, Any]], own: list[str]) -> Weakness:
    """Return the weakness of the longest recognised part."""
    known = [piece for piece in sequence if piece["pattern"] in _BY_PATTERN]
    if not known:
        return Weakness.GUESSABLE
    longest = max(known, key=lambda piece: len(piece["token"]))
    if longest.get("dictionary_name") == "user_inputs" and longest["matched_word"] in own:
        return Weakness.OWN
    return _BY_PATTERN[longest["pattern"]]


def _guessable_parts(word: str) -> Iterable[str]:
    """Return a word and, if it is long, its beginnings and endings: people use the last six digits of a number."""
    typed = unicodedata.normalize("NFKC", word).strip()
    yield typed
    if len(typed) >= 6:
        yield from (typed[:cut] for cut in range(4, len(typed)))
        yield from (typed[cut:] for cut in range(1, len(typed) - 3))


def _normalised(password: str) -> str:
    """Return a password in one form, so that full-width characters from a Chinese keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)
