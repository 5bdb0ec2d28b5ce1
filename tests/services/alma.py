"""Alma as its documentation describes it, on a real socket: users, loans page by page, fees by state, an errorList."""

import re
from typing import Any
from urllib.parse import unquote

from tests.services.http_office import Call, HttpOffice, Reply, as_json

KEY = "l8xx-hidden-key"

_USER = re.compile(r"/almaws/v1/users/([^/]+)(/loans|/fees)?")


def failure(code: str, message: str, status: int = 400) -> Reply:
    """Return an errorList as Alma sends it."""
    error = {"errorCode": code, "errorMessage": message, "trackingId": "E01-1"}
    return as_json({"errorsExist": True, "errorList": {"error": [error]}, "result": None}, status)


def loan(
    number: int, title: str | None = "构造地质学", due: str = "2019-05-30T15:59:00Z", **more: Any
) -> dict[str, Any]:
    """Return a loan; Alma leaves out what is empty."""
    made = {"loan_id": str(number), "item_barcode": f"B{number}", "title": title, "due_date": due, "user_id": "primary"}
    return {name: value for name, value in (made | more).items() if value is not None}


def fee(number: int, balance: float, status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    """Return a fee with what is left of it."""
    kind = {"value": "OVERDUEFINE", "desc": "Overdue fine"}
    states = {"value": status, "desc": status.title()}
    return {"id": str(number), "type": kind, "status": states, "balance": balance, "title": "唐诗选", **more}


def block(words: str, status: str | None = "ACTIVE") -> dict[str, Any]:
    """Return a block of a user's record."""
    made: dict[str, Any] = {"block_type": {"desc": "General"}, "block_description": {"value": "1", "desc": words}}
    return made | ({"block_status": status} if status else {})


class Alma(HttpOffice):
    """A library on Alma. It answers what is asked as Alma does, whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        #: Identifier → loans, fees and blocks of that user.
        self.users: dict[str, dict[str, list[dict[str, Any]]]] = {}
        #: So many questions are answered on one day.
        self.quota = 1_000_000
        #: With no loans, the list is left out.
        self.leaves_out = True
        self.asked_for: list[Call] = []

    def answer(self, call: Call) -> Reply:
        with self._lock:
            self.calls.append(call)
            if call.headers.get("Authorization") != f"apikey {KEY}":
                return failure("UNAUTHORIZED", "API-key not defined or not configured to allow this API.")
            if len(self.calls) > self.quota:
                return failure("DAILY_THRESHOLD", "Daily API Request Threshold has been exceeded.", 429)
            asked = _USER.fullmatch(call.path)
            if asked is None or "json" not in call.headers.get("Accept", ""):
                return Reply(b"<web_service_result/>", 404)
            self.asked_for.append(call)
            fault = self.befalls(call)
            if fault is not None:
                return fault
            user = unquote(asked[1])
            if user not in self.users:
                return failure("401861", f"User with identifier {user} was not found.")
            own = self.users[user]
            match asked[2]:
                case "/loans":
                    return self._loans(own.get("loans", []), call)
                case "/fees":
                    return self._listed("fee", [f for f in own.get("fees", []) if self._is(f, call)])
                case _:
                    return as_json({"primary_id": "p", "user_block": own.get("blocks", [])})

    def _is(self, record: dict[str, Any], call: Call) -> bool:
        return bool(record["status"]["value"] == call.params.get("status", "ACTIVE"))

    def _loans(self, loans: list[dict[str, Any]], call: Call) -> Reply:
        size, start = min(int(call.params.get("limit", 10)), 100, self.most), int(call.params.get("offset", 0))
        page = self.tamper(start // max(size, 1) + 1, [dict(row) for row in loans[start : start + size]])
        return self._listed("item_loan", page, len(loans))

    def _listed(self, name: str, records: list[dict[str, Any]], total: int | None = None) -> Reply:
        total = len(records) if total is None else total
        listed = {} if self.leaves_out and not total else {name: records}
        return as_json({**listed, "total_record_count": total})
