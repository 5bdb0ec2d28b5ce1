"""A clerk who decides on the pages of the desk: signed in once, and served by whichever desk responds."""

import http.client
import re
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlencode

from tests.services.institutions import STUDENT

_FIELD = re.compile(r'name="(form_token|saw|decision)" value="([^"]*)"')

_PASSWORD = "lampe-birne-treppe"

_COOKIE = re.compile(r"clearance-desk=[^;]+")

#: Seconds until a desk that does not respond is given up.
_WAITS = 20


class _Answer(NamedTuple):
    status: int
    page: str
    location: str


class Clerk:
    """One operator at one institution. What fails raises OSError or http.client.HTTPException."""

    def __init__(self, host: str, account: str, port: Callable[[], int]) -> None:
        """`port` returns the port of a desk."""
        self._host = host
        self._account = account
        self._port = port
        self._session = ""

    def sign_in(self, code: str) -> None:
        """Set the first password by a code, which signs the clerk in."""
        self._send("/first-password", {"account": self._account, "code": code})
        self._send("/new-password", {"password": _PASSWORD, "again": _PASSWORD})
        answer = self._ask("GET", f"/desk/students/{STUDENT}?step=library")
        assert answer.status == 200, answer.page

    def _send(self, path: str, values: dict[str, str]) -> None:
        """Open a page, fill in its form and send it."""
        fields = dict(_FIELD.findall(self._ask("GET", path).page))
        answer = self._ask("POST", path, fields | values)
        assert answer.status == 303, answer.page

    def decide(self, verdict: str, note: str) -> bool:
        """Open the student's record, fill in its form and send it; return whether the desk accepted the decision."""
        fields = dict(_FIELD.findall(self._ask("GET", f"/desk/students/{STUDENT}?step=library").page))
        if "form_token" not in fields:
            # The desk did not respond, or its database did not.
            return False
        fields |= {"verdict": verdict, "reason": "赔书", "note": note}
        answer = self._ask("POST", f"/desk/students/{STUDENT}/decide?step=library", fields)
        # Whoever is not signed in is sent elsewhere.
        return answer.status == 303 and "done=" in answer.location

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> _Answer:
        headers = {"Host": self._host, "Origin": f"http://{self._host}"}
        if self._session:
            headers["Cookie"] = self._session
        body = None
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(fields)
        with closing(http.client.HTTPConnection("127.0.0.1", self._port(), timeout=_WAITS)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            if cookie := _COOKIE.search(answer.getheader("Set-Cookie") or ""):
                self._session = cookie[0]
            return _Answer(answer.status, answer.read().decode(), answer.getheader("Location") or "")
