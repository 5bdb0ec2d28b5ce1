"""Asks a JSON API a few questions: where its list is, what it reports as total, and by which parameters it pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clearance.setup.proposal import SetupCode, SetupRefused
from clearance.setup.recognise.answers import OFFSET_NAMES, PAGE_NAMES, TOTAL_HEADERS, FoundRecords, records_in
from clearance.setup.recognise.views import FoundList
from config.tables.secrets import Origin
from connectors.http.client import HttpAnswer, OfficeClient
from connectors.http.settings import HttpSettings
from connectors.port import Clock, SourceError
from foundation.translation import tr


def probe(
    url: str, written: str, clock: Clock, folder: Path, auth: Mapping[str, Any] | None = None
) -> tuple[FoundList, tuple[str, ...]]:
    """Return the list that an API answers with, and what to check about it. Raises SourceError, SetupRefused.

    `url` is asked, `written` is what the settings file has in its place. `auth` is the table of the settings.
    """
    try:
        settings = HttpSettings.model_validate({"auth": auth} if auth else {}, context=Origin(folder))
    except ValidationError as error:
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr(
                "auth: {why}. Write it as in docs/connectors/rest.md, with secrets as env:NAME or file:PATH.",
                why=error.errors()[0]["msg"],
            ),
        ) from None
    with OfficeClient(settings, written, clock) as office:
        answer = office.get(url, {})
        found = records_in(answer.body)
        if found is None:
            raise SetupRefused(
                SetupCode.NOTHING_FOUND,
                tr(
                    "{url} answers without a list of records. Name the address that returns the list, with the "
                    "parameters that it needs.",
                    url=written,
                ),
            )
        own: dict[str, object] = {"connector": "rest", "url": written}
        if auth:
            own["auth"] = dict(auth)
        if found.path:
            own["records"] = found.path
        doubts: list[str] = []
        header = _total_header(answer)
        total = found.total if header is None else int(answer.headers[header])
        if header is not None:
            own["total_header"] = header
        elif found.total_path:
            own["total"] = found.total_path
        if found.ok_path:
            own["ok"] = {"path": found.ok_path, "equals": [found.ok_value]}
        own |= _paging(office, url, answer, found, total, doubts)
        if total is None:
            own["proofs"] = ["end_of_pages" if "paging" in own else "second_pass"]
            doubts.append(
                tr(
                    "The answer has no total, so nothing shows that it is whole but {proof}. Ask the office for a "
                    "total.",
                    proof=str(own["proofs"]),
                )
            )
    rows = found.rows()
    return FoundList(written, found.columns, rows, own), tuple(doubts)


def _total_header(answer: HttpAnswer) -> str | None:
    return next((name for name in TOTAL_HEADERS if str(answer.headers.get(name, "")).isdigit()), None)


def _paging(
    office: OfficeClient, url: str, first: HttpAnswer, found: FoundRecords, total: int | None, doubts: list[str]
) -> dict[str, object]:
    """Return the table `paging`, found by asking for a second page; nothing where one answer has everything."""
    if "next" in first.links:
        return {"paging": {"kind": "link"}}
    if total is not None and len(found.records) >= total:
        if total:
            doubts.append(
                tr(
                    "All {total} records came in one answer. If the system pages longer lists, name its paging.",
                    total=total,
                )
            )
        return {}
    size = max(1, min(len(found.records), 100))
    for page, per_page in PAGE_NAMES:
        asked = _records(office, url, {page: 1, per_page: size}), _records(office, url, {page: 2, per_page: size})
        if _is_next(found, *asked):
            return {"paging": {"kind": "page", "page": page, "size": per_page, "per_page": size}}
        zero = _records(office, url, {page: 0, per_page: size})
        if _is_next(found, zero, asked[0]):
            return {"paging": {"kind": "page", "page": page, "size": per_page, "per_page": size, "first": 0}}
    for offset, limit in OFFSET_NAMES:
        asked = _records(office, url, {offset: 0, limit: size}), _records(office, url, {offset: size, limit: size})
        if _is_next(found, *asked):
            return {"paging": {"kind": "offset", "offset": offset, "limit": limit, "per_page": size}}
    if total is not None:
        doubts.append(
            tr(
                "{read} of {total} records arrived, and no known parameter returns the next page: set paging as the "
                "system's description has it, see docs/connectors/rest.md.",
                read=len(found.records),
                total=total,
            )
        )
    return {}


def _records(office: OfficeClient, url: str, params: Mapping[str, object]) -> FoundRecords | None:
    try:
        return records_in(office.get(url, params).body)
    except SourceError:
        # An API may refuse a parameter that it does not know.
        return None


def _is_next(found: FoundRecords, first: FoundRecords | None, second: FoundRecords | None) -> bool:
    """Return whether the second answer goes on where the first one, which is the beginning of the list, ends."""
    if first is None or second is None or not second.records or len(first.records) > len(found.records):
        return False
    return found.records[: len(first.records)] == first.records and first.records[0] != second.records[0]
