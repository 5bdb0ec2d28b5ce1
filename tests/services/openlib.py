"""Interlib's open interface on a real socket: readers, loans and debts, failures that are 200, tokens that end.

What is public of it is kept to; that its lists come in pages with a total is a guess, the same as the connector's.
"""

from typing import Any

from tests.services.http_office import Call, HttpOffice, Reply, as_json

READERS = "/openlib/service/reader/searchreaderlist"
LOANS = "/openlib/service/barcode/currentloan"
DEBTS = "/openlib/service/reader/searchdebt"
_LISTS = {READERS: "readerlist", LOANS: "loanlist", DEBTS: "debtdetails"}

Rows = list[dict[str, Any]]


def failed(message: str) -> Reply:
    """Return how the interface refuses anything: HTTP 200, and words in a list."""
    return as_json({"success": False, "messagelist": [{"code": "R00000", "message": message}]})


class Openlib(HttpOffice):
    """A library's interface; a test fills `tables`."""

    token_path = "/openlib/service/barcode/token"
    data_paths = (READERS, LOANS, DEBTS)

    def __init__(self, secret: str, readers: Rows, loans: Rows, debts: Rows = []) -> None:  # noqa: B006 - never changed
        super().__init__()
        self.tables: dict[str, Rows] = {READERS: readers, LOANS: loans, DEBTS: debts}
        self._secret = secret
        #: A token is good for so many requests.
        self.lasts = 1_000
        self.left: dict[str, int] = {}
        #: Parameters that this interface knows; others are overlooked.
        self.knows = {"rdid", "selecttype"}

    def asked_of(self, path: str) -> list[Call]:
        """Return the requests to one address."""
        return [call for call in self.calls if call.path == path]

    def _log_in(self, call: Call) -> Reply:
        if call.params != {"appid": "clearance", "secret": self._secret}:
            return failed(f"no such appid: {dict(call.params)}")
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        self.left[self.tokens[-1]] = self.lasts
        return as_json({"success": True, "messagelist": [{"token": self.tokens[-1], "time": "2019-05-25 09:00:00"}]})

    def _page(self, call: Call) -> Reply:
        token = call.params.get("token", "")
        if self.left.get(token, 0) <= 0:
            return failed("token is not valid")
        self.left[token] -= 1
        rows = self.tables[call.path]
        if "rdid" in call.params and "rdid" in self.knows:
            rows = [row for row in rows if str(row["rdid"]).strip() == call.params["rdid"]]
        if "selecttype" in call.params and "selecttype" in self.knows:
            rows = [row for row in rows if row.get(call.params["selecttype"]) == call.params["queryvalue"]]
        page, size = int(call.params.get("page", 1)), int(call.params.get("rows", 10))
        records = self.tamper(page, [dict(row) for row in rows[(page - 1) * size : page * size]])
        answer: dict[str, Any] = {"success": True, _LISTS[call.path]: records}
        return as_json(answer | ({"total": len(rows)} if self.total else {}))
