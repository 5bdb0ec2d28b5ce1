"""A data centre's platform on a real socket, as such platforms are documented: tokens, pages, failures that are 200."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.services.http_office import Call, HttpOffice, Reply, as_json

TOKENS = "/open_api/authentication/get_access_token"


def said(code: int, message: str, result: object = None) -> Reply:
    """Return what the platform reports of everything: HTTP 200, and a code."""
    return as_json({"code": code, "message": message, "description": "", "result": result})


EXPIRED = said(40101, "access_token expired")


def _address(api: str) -> str:
    return f"/open_api/customization/{api}/full"


class DataCentre(HttpOffice):
    """A platform with the API `arrears`, whose rows are `rows`, and others that are added."""

    token_path = TOKENS

    def __init__(self, rows: Sequence[Mapping[str, Any]] = (), key: str = "clearance", secret: str = "") -> None:
        super().__init__(rows)
        self._wanted = {"key": key, "secret": secret}
        self.data_paths = (_address("arrears"),)
        self._others: dict[str, list[dict[str, Any]]] = {}
        #: A token is good for so many requests.
        self.lasts = 1_000
        self.left: dict[str, int] = {}
        #: What is said to a token that is good no longer.
        self.expired = EXPIRED
        #: What stands for a list without any record.
        self.nothing: list[Any] | None = []
        #: The last page, where it is told wrongly.
        self.max_page: int | None = None

    def offer(self, api: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Offer another API."""
        self._others[api] = [dict(row) for row in rows]
        self.data_paths = (*self.data_paths, _address(api))

    def _log_in(self, call: Call) -> Reply:
        words = dict(call.params) if call.method == "GET" else json.loads(call.body)
        if words != self._wanted:
            return said(40001, f"no such key or secret: {words}")
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        self.left[self.tokens[-1]] = self.lasts
        return said(10000, "ok", {"access_token": self.tokens[-1], "expires_in": 7200})

    def _page(self, call: Call) -> Reply:
        token = call.params.get("access_token", "")
        if self.left.get(token, 0) <= 0:
            return self.expired
        self.left[token] -= 1
        api = call.path.split("/")[3]
        rows = self._others.get(api, self.rows)
        for column, wanted in call.params.items():
            if rows and column in rows[0]:
                rows = [row for row in rows if str(row.get(column)) == wanted]
        size = min(int(call.params.get("per_page", 10)), self.most)
        page, last = int(call.params.get("page", 1)), -(-len(rows) // size)
        data = self.tamper(page, [dict(row) for row in rows[(page - 1) * size : page * size]])
        result = {
            "data": data or self.nothing,
            "page": page,
            "per_page": size,
            "max_page": last if self.max_page is None else self.max_page,
            "total": len(rows),
        }
        return said(10000, "ok", result)
