"""Passwords: Argon2id, and as much work for an account that does not exist as for one that does."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()

#: Of a password that nobody has: what is verified when there is no account, so that the answer takes as long.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$9HsAwe61ePSqtIgvlIRvfg$41k/L1m249QMqfSuANsmoIPpyRa9Ytsy/pmU0lDSHHo"


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters and salt. Takes a tenth of a second and 64 MiB."""
    return _HASHER.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password fits; None, for an account that does not exist, takes as long and never fits."""
    try:
        _HASHER.verify(password_hash or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None
