"""The journey to a provider and back: bound to the browser that left, and short.

What must be known again on the way back stays with the browser, in a sealed cookie.
"""

import hmac
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from portal.auth.sealed import seal, unseal
from portal.auth.sessions import new_token
from portal.entrance import safe_next
from portal.house import House

#: Long enough to look for a password; a page left open overnight begins anew.
_LONGEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Journey:
    """What a browser takes along; each journey has secrets of its own."""

    #: Where it goes when it is back: a page of ours.
    goal: str
    state: str = field(default_factory=new_token, repr=False)
    nonce: str = field(default_factory=new_token, repr=False)
    verifier: str = field(default_factory=new_token, repr=False)


def begin(house: House, response: Response, method: str, journey: Journey) -> None:
    """Have the browser keep it."""
    values = seal(house.key.of(_use(method)), asdict(journey), house.clock() + _LONGEST)
    response.set_cookie(
        _name(house, method),
        values,
        int(_LONGEST.total_seconds()),
        path="/",
        secure=house.cookie.secure,
        httponly=True,
        # It must come along when the provider sends the browser back.
        samesite="lax",
    )


def resume(house: House, request: Request, method: str, state: str) -> Journey | None:
    """Return the journey this browser is on, if it is the one that `state` belongs to."""
    kept = request.cookies.get(_name(house, method), "")
    values = unseal(house.key.of(_use(method)), kept, house.clock()) if kept else None
    if values is None:
        return None
    journey = Journey(safe_next(values["goal"]), values["state"], values["nonce"], values["verifier"])
    return journey if hmac.compare_digest(journey.state.encode(), state.encode()) else None


def end(house: House, response: Response, method: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(_name(house, method), path="/", secure=house.cookie.secure, httponly=True, samesite="lax")


def _use(method: str) -> str:
    return f"journey to {method}"


def _name(house: House, method: str) -> str:
    return f"{house.cookie.name}-{method}"
