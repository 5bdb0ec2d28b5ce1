"""Devices: a cookie, given after a sign-in, that says which accounts have signed in on this device before.

It opens nothing. It says only whose wrong passwords are counted apart, and nobody but this portal can make one.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from portal.auth.sessions import Cookie
from portal.web.links import cookie_path
from status_db.desk.key import DeskKey

#: So many accounts of one device are remembered, the last to sign in first.
_ACCOUNTS = 5
_LASTS = 400 * 24 * 3600

_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22}){1,5}")


@dataclass(frozen=True, slots=True)
class Devices:
    """Knows devices again."""

    key: DeskKey
    name: str
    secure: bool

    @classmethod
    def of(cls, key: DeskKey, cookie: Cookie) -> "Devices":
        """Return it for a portal whose sessions are carried by this cookie."""
        return cls(key, f"{cookie.name}-device", cookie.secure)

    def known(self, request: Request, account: str) -> str:
        """Return the device's name when the account has signed in on it before; empty otherwise."""
        device, marks = self._read(request)
        mark = self._mark(device, account)
        return device if any(hmac.compare_digest(mark, one) for one in marks) else ""

    def remember(self, request: Request, response: Response, account: str) -> None:
        """Have the browser keep that the account has signed in on it."""
        device, marks = self._read(request)
        device = device or secrets.token_urlsafe(16)
        mark = self._mark(device, account)
        kept = [mark, *(one for one in marks if one != mark)][:_ACCOUNTS]
        value = ".".join([device, *kept])
        response.set_cookie(
            self.name, value, _LASTS, path=cookie_path(), secure=self.secure, httponly=True, samesite="lax"
        )

    def _read(self, request: Request) -> tuple[str, list[str]]:
        value = request.cookies.get(self.name, "")
        if not _SHAPE.fullmatch(value):
            return "", []
        device, *marks = value.split(".")
        return device, marks

    def _mark(self, device: str, account: str) -> str:
        digest = self.key.hashed("device", f"{device} {account}")
        return urlsafe_b64encode(digest[:16]).decode().rstrip("=")
