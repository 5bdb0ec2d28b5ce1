"""The line after an act: what happened, with the way back and the next page. The page that follows shows it once.

The browser carries it to that page in a cookie that the session's token signs, so that no address repeats it.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from portal.web.links import cookie_path, is_link

COOKIE = "after-act"

#: A browser that does not open the page that follows forgets the line, in seconds.
_LASTS = 120
#: Browsers store at most about 4 KB.
_LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class AfterAct:
    """What happened, in the visitor's language."""

    text: str
    #: Where the form that takes it back is sent, with its fields and the word on its button. Empty if nothing does.
    undo: str = ""
    undo_word: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    #: The page to open next, and its name.
    next_address: str = ""
    next_name: str = ""


def state(response: Response, token: str, done: AfterAct, *, secure: bool) -> Response:
    """Return a redirect whose page states what happened."""
    payload = urlsafe_b64encode(
        json.dumps(asdict(done) | {"text": done.text[:_LONGEST_TEXT]}, ensure_ascii=False).encode()
    ).decode()
    value = f"{payload}.{_signature(token, payload)}"
    response.set_cookie(COOKIE, value, _LASTS, path=cookie_path(), secure=secure, httponly=True, samesite="lax")
    return response


def stated(request: Request, token: str) -> AfterAct | None:
    """Return what the browser carries; None without one of this session's own."""
    payload, _, signature = request.cookies.get(COOKIE, "").partition(".")
    if not payload or not token or not hmac.compare_digest(signature.encode(), _signature(token, payload).encode()):
        return None
    done = AfterAct(**json.loads(urlsafe_b64decode(payload)))
    ours = all(not address or is_link(address) for address in (done.undo, done.next_address))
    return done if ours else None


def forget(response: Response, *, secure: bool) -> None:
    """Remove the line from the browser, with the flags it was set with."""
    response.delete_cookie(COOKIE, path=cookie_path(), secure=secure, httponly=True, samesite="lax")


def _signature(token: str, payload: str) -> str:
    return hmac.new(token.encode(), f"after-act {payload}".encode(), hashlib.sha256).hexdigest()
