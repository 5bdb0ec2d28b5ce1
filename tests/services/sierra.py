"""Sierra's REST API as it describes itself, on a real socket: tokens that end, ids that are addresses, pages."""

import re
from typing import Any
from urllib.parse import parse_qs

from tests.services.http_office import Call, HttpOffice, Reply, as_json, basic

SECRET = "hidden-word"

_BASE = "/iii/sierra-api/v6"
_ADDRESS = f"https://sierra.inner{_BASE}"
_PATRON = re.compile(rf"{_BASE}/patrons/([0-9]+)(/checkouts|/fines)?")


def failure(code: int, name: str, status: int, description: str | None = None) -> Reply:
    """Return an error as Sierra sends it."""
    said = {"code": code, "specificCode": 0, "httpStatus": status, "name": name}
    return as_json(said | ({"description": description} if description else {}), status)


def checkout(number: int, patron: int, item: str = "", **more: Any) -> dict[str, Any]:
    """Return a checkout; its ids are addresses."""
    return {
        "id": f"{_ADDRESS}/patrons/checkouts/{number}",
        "patron": f"{_ADDRESS}/patrons/{patron}",
        "item": f"{_ADDRESS}/items/{item or number + 1000}",
        "dueDate": "2019-05-30T15:59:00Z",
        "barcode": f"B{number}",
        **more,
    }


def fine(number: int, patron: int, *amounts: float, **more: Any) -> dict[str, Any]:
    """Return a fine: charge for the item, processing, billing, and what was paid."""
    named = dict(zip(("itemCharge", "processingFee", "billingFee", "paidAmount"), amounts, strict=False))
    return {
        "id": f"{_ADDRESS}/patrons/fines/{number}",
        "patron": f"{_ADDRESS}/patrons/{patron}",
        "chargeType": {"code": "3", "display": "Overdue"},
        **named,
        **more,
    }


class Sierra(HttpOffice):
    """A library on Sierra. It answers what is asked as Sierra does, whoever asks."""

    token_path = f"{_BASE}/token"

    def __init__(self) -> None:
        super().__init__()
        #: Patron's id → what each field of their record holds.
        self.patrons: dict[int, list[tuple[str, str]]] = {}
        self.checkouts: dict[int, list[dict[str, Any]]] = {}
        self.fines: dict[int, list[dict[str, Any]]] = {}
        self.blocked: dict[int, dict[str, Any]] = {}
        #: Item → its title.
        self.titles: dict[str, str] = {}
        #: A token is good for so many requests.
        self.lasts = 1_000
        self.left: dict[str, int] = {}
        self.forbidden: set[str] = set()
        self.asked_for: list[Call] = []

    def answer(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            if call.path == self.token_path:
                return self._token(call)
            token = call.headers.get("Authorization", "").removeprefix("Bearer ")
            self.left[token] = self.left.get(token, 0) - 1
            if self.left[token] < 0:
                return failure(123, "Unauthorized", 401, "invalid_grant")
            self.asked_for.append(call)
            fault = self.befalls(call)
            if fault is not None:
                return fault
            kind = call.path.removeprefix(f"{_BASE}/").split("/")[0]
            if kind in self.forbidden:
                return failure(120, "Forbidden", 403)
            if call.path == f"{_BASE}/patrons/find":
                return self._find(call)
            if (patron := _PATRON.fullmatch(call.path)) is not None:
                return self._patron(int(patron[1]), patron[2] or "", call)
            if kind in ("items", "bibs"):
                return self._described(kind, call)
            return Reply(b"<html>404</html>", 404)

    def _token(self, call: Call) -> Reply:
        asked = parse_qs(call.body.decode())
        if call.headers.get("Authorization") != basic("us", SECRET) or asked != {"grant_type": ["client_credentials"]}:
            return failure(101, "Unauthorized", 401, "invalid_client")
        self.tokens.append(f"token-number-{len(self.tokens) + 1}")
        self.left[self.tokens[-1]] = self.lasts
        return as_json({"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": 3600})

    def _find(self, call: Call) -> Reply:
        tag, content = call.params["varFieldTag"], call.params["varFieldContent"]
        # The index knows no upper and lower case.
        found = [
            patron
            for patron, fields in self.patrons.items()
            if any(own == tag and text.lower() == content.lower() for own, text in fields)
        ]
        if not found:
            return failure(107, "Record not found", 404)
        if len(found) > 1:
            words = f"Duplicate patrons found for the specified varFieldTag[{tag}]."
            return failure(109, "Internal server error", 409, words)
        fields = [{"fieldTag": own, "content": text} for own, text in self.patrons[found[0]]]
        return as_json({"id": found[0], "varFields": fields})

    def _patron(self, patron: int, what: str, call: Call) -> Reply:
        if patron not in self.patrons:
            return failure(107, "Record not found", 404)
        if not what:
            block = self.blocked.get(patron, {"code": "-"})
            return as_json({"id": patron, "blockInfo": block, "expirationDate": "2019-06-30"})
        rows = (self.checkouts if what == "/checkouts" else self.fines).get(patron, [])
        size, start = min(int(call.params.get("limit", 50)), self.most), int(call.params.get("offset", 0))
        page = self.tamper(start // size + 1, [dict(row) for row in rows[start : start + size]])
        listed: dict[str, Any] = {"entries": page} if page else {}
        return as_json({"total": len(rows), "start": start, **listed})

    def _described(self, kind: str, call: Call) -> Reply:
        ids = [one for one in call.params["id"].split(",") if one in self.titles]
        if not ids:
            return failure(107, "Record not found", 404)
        # A title's record has the item's own number here.
        of_item = [{"id": one, "bibIds": [one]} for one in ids]
        of_bib = [{"id": one, "title": self.titles[one]} for one in ids]
        return as_json({"total": len(ids), "entries": of_item if kind == "items" else of_bib})
