"""Sessions: a random token in a cookie, its SHA-256 in the desk's database, and two limits of time.

Before sign-in, the same cookie carries a token that gives no access. Forms are bound to it.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from config.tables.portal import Auth, Portal
from portal.web.links import cookie_path
from status_db.accounts.accounts import Accounts, Session

_TOKEN_BYTES = 32

#: The time of a session's last use is stored at most this often.
_TOUCH = timedelta(minutes=1)


def new_token() -> str:
    """Return a fresh token: 32 random bytes as text."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """Return the hash by which the database stores a token."""
    return hashlib.sha256(token.encode()).digest()


def form_token(token: str) -> str:
    """Return the token of a form, so that only pages of this portal can send it with this cookie."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie that carries a token: never readable by scripts, never sent along from another site's form."""

    name: str
    secure: bool

    @classmethod
    def of(cls, portal: Portal, *, desk: bool = False) -> "Cookie":
        """Return the cookie for the public address: with https it is Secure and, by its name, bound to this host.

        A name can bind a cookie to the host only if the cookie is for every path.

        A `desk` in a process of its own has another name: a browser sends cookies to every port of a host.
        """
        secure = portal.public_url.startswith("https://")
        name = "clearance-desk" if desk else "clearance"
        bound = "__Host-" if cookie_path() == "/" else "__Secure-"
        return cls(f"{bound}{name}" if secure else name, secure)

    def read(self, request: Request) -> str:
        """Return the token that a browser sent; empty if it sent none."""
        return request.cookies.get(self.name, "")

    def set(self, response: Response, token: str) -> None:
        """Set the token in the browser, until the browser is closed."""
        response.set_cookie(self.name, token, path=cookie_path(), secure=self.secure, httponly=True, samesite="lax")

    def drop(self, response: Response) -> None:
        """Delete the cookie in the browser."""
        response.delete_cookie(self.name, path=cookie_path(), secure=self.secure, httponly=True, samesite="lax")


def find(accounts: Accounts, auth: Auth, token: str, now: datetime) -> Session | None:
    """Return the session a token opens now; None for no token, an unknown one, or one past its limits."""
    if not token:
        return None
    return accounts.find_session(hash_of(token), now, idle=auth.session_idle, longest=auth.session_longest)


def wants_touch(session: Session, auth: Auth, now: datetime) -> bool:
    """Return whether it is time to store that the session is in use."""
    return now - session.seen_at >= min(_TOUCH, auth.session_idle / 4)
