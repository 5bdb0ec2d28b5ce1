"""A clerk who decides on the pages of the desk: signed in once, and served by whichever desk responds."""

import http.client
import re
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlencode

from tests.services.institutions import STUDENT

_FIELD = re.compile(r'name="(form_token|saw|decision)" value="([^"]*)"')

#: Seconds until a desk that does not respond is given up.
_WAITS = 20


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
        _, page, cookie = self._ask("GET", "/first-password")
        fields = dict(_FIELD.findall(page)) | {"account": self._account, "code": code}
        self._session = cookie
        status, page, self._session = self._ask("POST", "/first-password", fields)
        assert status == 303, page

    def decide(self, verdict: str, note: str) -> bool:
        """Open the student's record, fill in its form and send it; return whether the desk accepted the decision."""
        _, page, _ = self._ask("GET", f"/desk/students/{STUDENT}?step=library")
        fields = dict(_FIELD.findall(page))
        if "form_token" not in fields:
            # The desk did not respond, or its database did not.
            return False
        fields |= {"verdict": verdict, "reason": "赔书", "note": note}
        status, _, _ = self._ask("POST", f"/desk/students/{STUDENT}/decide?step=library", fields)
        return status == 303

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Return the status, the page, and the cookie of the session."""
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
            cookie = re.search(r"(clearance[a-z-]*=[^;]+)", answer.getheader("Set-Cookie") or "")
            return answer.status, answer.read().decode(), cookie[1] if cookie else self._session
