"""The slip of a clear student: the steps on paper, and a token with which any person can check it later.

The token is encrypted, not only signed, because it contains the student number and anyone can photograph the code. It
is short, so that the code survives a bad printer. It contains a digest of the state, compared at each check.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from portal.present.cards import must_go
from portal.present.headline import is_clear
from status_db.model import digest_of
from status_db.views import StudentView

#: The use under which the desk's key is derived for slips.
USE = "slip"

_PURPOSE = b"clearance slip 1"
_DIGEST_BYTES = 8
_TIME_BYTES = 5
_LONGEST = 300


class NotASlip(Exception):  # noqa: N818 - named by what is so
    """The token was not made here, or not with this key. The reason is not reported."""


@dataclass(frozen=True, slots=True)
class VerifiedSlip:
    """The contents of a token."""

    cohort: str
    student: str
    #: To the second.
    made_at: datetime
    digest: bytes


def digest_of_state(student: StudentView, now: datetime) -> bytes:
    """Return a digest of what counts for each step, and of its decision or run."""
    parts = [student.cohort, student.student, str(student.flow)]
    for status in student.steps:
        parts += [status.step, status.at(now).verdict, status.version_tag(now)]
    return digest_of(part.encode() for part in parts)[:_DIGEST_BYTES]


def make(student: StudentView, now: datetime) -> VerifiedSlip:
    """Return the slip of a student that is clear now. Raise ValueError for any other."""
    if not is_clear(student, now):
        raise ValueError("not clear: a slip needs every step settled")
    return VerifiedSlip(student.cohort, student.student, now.replace(microsecond=0), digest_of_state(student, now))


def still_holds(slip: VerifiedSlip, student: StudentView, now: datetime) -> bool:
    """Return whether the student is clear now, by the same decisions and runs as on the slip."""
    return is_clear(student, now) and digest_of_state(student, now) == slip.digest


def awaits_sources(student: StudentView, now: datetime) -> bool:
    """Return whether the student has nothing to do, but the data of a step are out of date."""
    effective_statuses = [step.at(now) for step in student.steps]
    return (
        student.active and any(s.stale for s in effective_statuses) and not any(must_go(s) for s in effective_statuses)
    )


def seal(slip: VerifiedSlip, key: bytes) -> str:
    """Return the token of a slip, in letters that are safe in an address. The key has 32 bytes."""
    seconds = int(slip.made_at.timestamp()).to_bytes(_TIME_BYTES, "big")
    plain = slip.digest + seconds + f"{slip.cohort}\n{slip.student}".encode()
    return base64.urlsafe_b64encode(AESSIV(key).encrypt(plain, [_PURPOSE])).rstrip(b"=").decode()


def unseal(token: str, key: bytes) -> VerifiedSlip:
    """Return the contents of a token. Raise NotASlip if `seal` did not make it with this key."""
    try:
        if len(token) > _LONGEST:
            raise NotASlip
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        plain = AESSIV(key).decrypt(sealed, [_PURPOSE])
    except (binascii.Error, ValueError, InvalidTag):
        raise NotASlip from None
    made = int.from_bytes(plain[_DIGEST_BYTES : _DIGEST_BYTES + _TIME_BYTES], "big")
    cohort, _, student = plain[_DIGEST_BYTES + _TIME_BYTES :].decode().partition("\n")
    return VerifiedSlip(cohort, student, datetime.fromtimestamp(made, UTC), plain[:_DIGEST_BYTES])
