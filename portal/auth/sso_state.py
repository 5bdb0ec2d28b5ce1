"""The state of a sign-in at a provider: it belongs to one browser, and does not last long.

The browser keeps it in a sealed cookie until the provider sends the browser back.
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

#: Long enough to find a password. A page that is left open overnight starts again.
_LONGEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SignInState:
    """The state of one sign-in, with secrets of its own."""

    #: The page of ours to show after the sign-in.
    goal: str
    state: str = field(default_factory=new_token, repr=False)
    nonce: str = field(default_factory=new_token, repr=False)
    verifier: str = field(default_factory=new_token, repr=False)


@dataclass(frozen=True, slots=True)
class SignInStates:
    """The states of sign-ins, each kept by its browser. Every method raises KeyRefused."""

    key: DeskKey
    cookie: Cookie

    def begin(self, response: Response, method: str, sign_in_state: SignInState, now: datetime) -> None:
        """Store the state in the browser."""
        response.set_cookie(
            self._cookie_name(method),
            seal(self._key(method), asdict(sign_in_state), now + _LONGEST),
            int(_LONGEST.total_seconds()),
            path=cookie_path(),
            secure=self.cookie.secure,
            httponly=True,
            # The browser must send it when the provider redirects back.
            samesite="lax",
        )

    def resume(self, request: Request, method: str, now: datetime) -> SignInState | None:
        """Return this browser's state if its secret is the `state` in the address; otherwise None."""
        kept = request.cookies.get(self._cookie_name(method), "")
        values = unseal(self._key(method), kept, now) if kept else None
        state = request.query_params.get("state", "")
        if values is None or not hmac.compare_digest(values["state"].encode(), state.encode()):
            return None
        return SignInState(**values)

    def end(self, response: Response, method: str) -> None:
        """Delete the state in the browser."""
        secure = self.cookie.secure
        response.delete_cookie(
            self._cookie_name(method), path=cookie_path(), secure=secure, httponly=True, samesite="lax"
        )

    def _key(self, method: str) -> bytes:
        return self.key.of(f"journey to {method}")

    def _cookie_name(self, method: str) -> str:
        return f"{self.cookie.name}-{method}"
