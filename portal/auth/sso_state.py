"""The journey to a provider and back: bound to the browser that left, and short.

What must be known again on the way back stays with the browser, in a sealed cookie.
"""

import hmac
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from portal.auth.sealed_cookie import seal, unseal
from portal.auth.sessions import Cookie, new_token
from portal.web.links import cookie_path
from status_db.desk.key import DeskKey

#: Long enough to look for a password; a page left open overnight begins anew.
_LONGEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SignInState:
    """What a browser takes along; each journey has secrets of its own."""

    #: Where it goes when it is back: a page of ours.
    goal: str
    state: str = field(default_factory=new_token, repr=False)
    nonce: str = field(default_factory=new_token, repr=False)
    verifier: str = field(default_factory=new_token, repr=False)


@dataclass(frozen=True, slots=True)
class SignInStates:
    """Those that browsers are on, each in its own. Raises KeyRefused."""

    key: DeskKey
    cookie: Cookie

    def begin(self, response: Response, method: str, sign_in_state: SignInState, now: datetime) -> None:
        """Have the browser keep it."""
        response.set_cookie(
            self._name(method),
            seal(self._key(method), asdict(sign_in_state), now + _LONGEST),
            int(_LONGEST.total_seconds()),
            path=cookie_path(),
            secure=self.cookie.secure,
            httponly=True,
            # It must come along when the provider sends the browser back.
            samesite="lax",
        )

    def resume(self, request: Request, method: str, now: datetime) -> SignInState | None:
        """Return the journey this browser is on, if it is the one that the address names as its `state`."""
        kept = request.cookies.get(self._name(method), "")
        values = unseal(self._key(method), kept, now) if kept else None
        state = request.query_params.get("state", "")
        if values is None or not hmac.compare_digest(values["state"].encode(), state.encode()):
            return None
        return SignInState(**values)

    def end(self, response: Response, method: str) -> None:
        """Have the browser forget it."""
        secure = self.cookie.secure
        response.delete_cookie(self._name(method), path=cookie_path(), secure=secure, httponly=True, samesite="lax")

    def _key(self, method: str) -> bytes:
        return self.key.of(f"journey to {method}")

    def _name(self, method: str) -> str:
        return f"{self.cookie.name}-{method}"
