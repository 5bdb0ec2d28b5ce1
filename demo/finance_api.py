"""The finance office's own program: a small JSON API on loopback, with a login token and paged answers.

    python -m demo.finance_api --data FOLDER --port 8619

It answers as many such systems do: a failure is HTTP 200 with a code other than 0, and amounts are text.
"""

import argparse
import contextlib
import hmac
import json
import secrets
import signal
import sqlite3
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from demo.offices import Offices

#: How long a token is valid, in seconds.
TOKEN_LASTS = 7200

_MOST_PER_PAGE = 500


class _Office(ThreadingHTTPServer):
    """The server, with the tokens it has issued."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], offices: Offices) -> None:
        self.offices = offices
        self.tokens: dict[str, float] = {}
        super().__init__(address, _Handler)

    def log_in(self, user: str, password: str) -> str | None:
        """Return a new token if the password is right; otherwise None."""
        right = self.offices.finance_password.read_text(encoding="ascii").strip()
        if user != "clearance" or not hmac.compare_digest(password.encode(), right.encode()):
            return None
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + TOKEN_LASTS
        return token

    def knows(self, token: str) -> bool:
        """Return whether a token is valid."""
        return self.tokens.get(token, 0) > time.monotonic()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Office

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path != "/api/token":
            self._answer({"code": 404, "msg": "no such address"}, HTTPStatus.NOT_FOUND)
            return
        form = json.loads(body or b"{}")
        token = self.server.log_in(str(form.get("user", "")), str(form.get("password", "")))
        if token is None:
            self._answer({"code": 4001, "msg": "user or password is wrong"})
            return
        self._answer({"code": 0, "msg": "ok", "data": {"token": token, "expires_in": TOKEN_LASTS}})

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/api/health":
            self._answer({"code": 0, "msg": "ok", "data": {"folder": str(self.server.offices.folder.resolve())}})
            return
        if address.path != "/api/arrears":
            self._answer({"code": 404, "msg": "no such address"}, HTTPStatus.NOT_FOUND)
            return
        if not self.server.knows(self.headers.get("X-Access-Token", "")):
            self._answer({"code": 4010, "msg": "log in first"}, HTTPStatus.UNAUTHORIZED)
            return
        asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
        page, size = int(asked.get("page", 1)), min(int(asked.get("page_size", 100)), _MOST_PER_PAGE)
        total, rows = _read_page(self.server.offices.finance, asked.get("number"), page, size)
        self._answer({"code": 0, "msg": "ok", "data": {"total": total, "page": page, "rows": rows}})

    def _answer(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(content, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server names it so
        """Log nothing: the terminal is for the demo's own output."""


def _read_page(file: Path, number: str | None, page: int, size: int) -> tuple[int, list[dict[str, str]]]:
    every = number is None
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        (total,) = connection.execute("SELECT COUNT(*) FROM arrears WHERE ? OR number = ?", (every, number)).fetchone()
        rows = connection.execute(
            "SELECT bill, number, name, item, payable, paid, owed FROM arrears WHERE ? OR number = ? "
            "ORDER BY bill LIMIT ? OFFSET ?",
            (every, number, size, (page - 1) * size),
        ).fetchall()
    return total, [dict(row) for row in rows]


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="The demo university's finance office.")
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds finance.sqlite")
    parser.add_argument("--port", type=int, default=8619)
    chosen = parser.parse_args()
    try:
        office = _Office(("127.0.0.1", chosen.port), Offices(chosen.data))
    except OSError as error:
        sys.exit(f"the finance office cannot open port {chosen.port} ({error}). Choose another with --port")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with office, contextlib.suppress(KeyboardInterrupt):
        office.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
