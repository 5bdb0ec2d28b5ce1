"""Known devices: a cookie, set after a sign-in, that names the accounts that have signed in on this device.

It gives no access. Wrong passwords of these accounts are counted separately on this device. Only this portal can
create the cookie.
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

#: Accounts remembered on one device, at most: the most recent ones.
_ACCOUNTS = 5
_LASTS = 400 * 24 * 3600

_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}(\.[A-Za-z0-9_-]{22}){1,5}")


@dataclass(frozen=True, slots=True)
class Devices:
    """Recognises devices by their cookie."""

    key: DeskKey
    name: str
    secure: bool

    @classmethod
    def of(cls, key: DeskKey, cookie: Cookie) -> "Devices":
        """Return the devices of a portal with this session cookie."""
        return cls(key, f"{cookie.name}-device", cookie.secure)

    def known(self, request: Request, account: str) -> str:
        """Return the device's name if the account has signed in on it before; otherwise an empty text."""
        device, marks = self._read_cookie(request)
        mark = self._mark(device, account)
        return device if any(hmac.compare_digest(mark, one) for one in marks) else ""

    def remember(self, request: Request, response: Response, account: str) -> None:
        """Record in the browser's cookie that the account has signed in on this device."""
        device, marks = self._read_cookie(request)
        device = device or secrets.token_urlsafe(16)
        mark = self._mark(device, account)
        kept = [mark, *(one for one in marks if one != mark)][:_ACCOUNTS]
        value = ".".join([device, *kept])
        response.set_cookie(
            self.name, value, _LASTS, path=cookie_path(), secure=self.secure, httponly=True, samesite="lax"
        )

    def _read_cookie(self, request: Request) -> tuple[str, list[str]]:
        value = request.cookies.get(self.name, "")
        if not _SHAPE.fullmatch(value):
            return "", []
        device, *marks = value.split(".")
        return device, marks

    def _mark(self, device: str, account: str) -> str:
        digest = self.key.hashed("device", f"{device} {account}")
        return urlsafe_b64encode(digest[:16]).decode().rstrip("=")
