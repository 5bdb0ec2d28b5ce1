"""The app as second factor: six digits from a shared secret and the time (TOTP). The secret is stored sealed."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import datetime
from io import BytesIO

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken

from status_db.desk.key import DeskKey

#: Digits of this time step, and of the one before and after, are accepted: clocks differ.
_STEP = 30
_TOLERANCE = 1

#: How long the set-up of an app may take, in seconds.
_FRESH = 1800


def new_secret() -> str:
    """Return a fresh secret: 160 bits as text."""
    return pyotp.random_base32()


def seal(key: DeskKey, account: str, secret: str, now: datetime) -> bytes:
    """Return an account's secret, encrypted with the desk's key. Raises KeyRefused."""
    return _box(key).encrypt_at_time(json.dumps([account, secret]).encode(), int(now.timestamp()))


def unseal(key: DeskKey, account: str, sealed: bytes, fresh_at: datetime | None = None) -> str | None:
    """Return the secret that was sealed for this account; None if it was sealed for another one, or by another key.

    With `fresh_at`, also None if it was sealed long before: an app is set up in minutes.
    """
    try:
        if fresh_at is None:
            opened = _box(key).decrypt(sealed)
        else:
            opened = _box(key).decrypt_at_time(sealed, _FRESH, int(fresh_at.timestamp()))
    except InvalidToken:
        return None
    whose, secret = json.loads(opened)
    return str(secret) if whose == account else None


def step_of(secret: str, typed: str, now: datetime) -> int | None:
    """Return the time step whose six digits these are; None if no step near `now` has them."""
    counter, digits = pyotp.TOTP(secret), "".join(letter for letter in typed if letter.isdecimal())
    this = int(now.timestamp()) // _STEP
    near = range(this - _TOLERANCE, this + _TOLERANCE + 1)
    return next((step for step in near if hmac.compare_digest(counter.generate_otp(step), _ascii_digits(digits))), None)


def address(secret: str, account: str, issuer: str) -> str:
    """Return the address that an app reads from the picture."""
    return pyotp.TOTP(secret, name=account, issuer=issuer).provisioning_uri()


def picture(uri: str) -> str:
    """Return a QR code as SVG for a page: dark on white, without inline styles, which the policy forbids."""
    drawn = BytesIO()
    segno.make(uri, error="m", micro=False).save(
        drawn,
        kind="svg",
        scale=4,
        border=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgns=True,
        nl=False,
        omitsize=True,
    )
    return drawn.getvalue().decode()


def _ascii_digits(digits: str) -> str:
    """Return digits as ASCII, including full-width ones from a Chinese keyboard."""
    return "".join(str(int(digit)) for digit in digits)


def _box(key: DeskKey) -> Fernet:
    return Fernet(urlsafe_b64encode(key.of("second factor")))
