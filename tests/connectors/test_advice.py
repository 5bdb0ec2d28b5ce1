"""What a ready-made connector advises: keys that a source's table has, and never those that it sets by itself."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from connectors import alma, datacentre, folio, interlib, koha_rest, rest, sierra
from connectors.own_keys.questions import KnownQuestions
from connectors.port import Candidates, Question, SourceError, SourceGarbled
from tests.contract import Ticking
from tests.services.http_office import Call, HttpOffice, Reply, as_json
from tests.services.university import ROOT

ROSTER = Candidates({"20151001": ("20151001",)}, revision=7)

#: Connector → its own keys, but for its url.
READY_MADE: Mapping[Any, Mapping[str, Any]] = {
    alma: {"key": "env:KEY", "asks": "fees"},
    datacentre: {"key": "clearance", "secret": "env:KEY", "api": "arrears"},
    folio: {"tenant": "diku", "user": "clearance", "password": "env:KEY", "asks": "loans"},
    interlib: {"appid": "clearance", "secret": "env:KEY", "asks": "loans"},
    koha_rest: {"client_id": "clearance", "client_secret": "env:KEY", "asks": "loans"},
    sierra: {"client_id": "clearance", "client_secret": "env:KEY", "asks": "fines", "titles": False},
}

#: Advice that is about one of these keys, and no ordinary English.
KEYS = {
    key: re.compile(words)
    for key, words in {
        "records": r"[Cc]orrect records",
        "bare_record": r"\bbare_record\b",
        "params": r"\bparams\b",
        "paging": r"[Ll]ook at (the names in )?paging|page by key",
        "proofs": r"\bproofs\b",
        "total": r"(Look at|Correct|[Nn]ame .* as) total\b",
        "total_header": r"\btotal_header\b",
        "most_pages": r"\bmost_pages\b",
        "most_bytes": r"\bmost_bytes\b",
        "limit": r"raise limit",
        "one_url": r"\bone_url\b",
        "optional": r"\boptional\b",
        "headers": r"\bheaders\b",
        "auth": r"\bauth\b",
        "ok": r"\bok\b",
        "token": r"\btoken\b",
        "per_page": r"\bper_page\b",
        "per_student": r"\bper_student\b",
    }.items()
}

_RECORD = {"id": 1, "userId": "u", "patron_id": 1, "checkout_id": 1, "rdid": "r"}


def listed(records: object, total: object) -> Reply:
    """Return these records wherever one of the connectors looks for its list, and this total for all of them."""
    names = ("fee", "users", "loans", "readerlist", "loanlist", "entries")
    said = dict.fromkeys(names, records) | dict.fromkeys(("total_record_count", "totalRecords", "total"), total)
    result = {"data": records, "total": total, "max_page": 1}
    return as_json({**said, "success": True, "code": 10000, "result": result, "id": 7})


#: What may come in place of an answer.
REPLIES = {
    "no list": as_json({"total_record_count": 1, "totalRecords": 1, "total": 1, "success": True, "code": 10000}),
    "a bare record": listed(_RECORD, 3),
    "no total": listed([_RECORD], "many"),
    "fewer than the total": listed([_RECORD], 3),
    "records without columns": listed([{"strange": 1}], 1),
    "columns that hold several values": listed([{name: [1, 2] for name in (*_RECORD, "balance")}], 1),
    "columns in two cases": listed([{"ID": 1, "Id": 2, "RDID": 1, "Rdid": 2, "Balance": 1, "BALANCE": 2}], 1),
    "not JSON": Reply(b"x = 1"),
    "odd JSON": Reply(b'{"a": 1, "a": 2}'),
    "nothing": Reply(b""),
    "a web page": Reply(b"<html><title>Log in</title></html>"),
    "XML": Reply(b'<?xml version="1.0"?><loans/>'),
    "a part": Reply(b"[]", 206),
    "another address": Reply(b"", 302, {"Location": "https://elsewhere.example/login"}),
    "a refusal": Reply(b"{}", 422),
    "a failure that HTTP calls a success": as_json({"success": False, "code": 500, "message": "broken"}),
    "a login without a token": Reply(b"{}"),
}


class Hostile(HttpOffice):
    """Lets everybody in, unless its login is what befalls, and then answers one thing to everything."""

    reply = Reply()
    lets_in = True

    def answer(self, call: Call) -> Reply:
        """Return the reply, after a login and, for Sierra, the patron."""
        if "/patrons/find" in call.path:
            return as_json({"id": 7, "varFields": [{"fieldTag": "u", "content": "20151001"}]})
        if not call.path.endswith(("token", "login-with-expiry")):
            return self.reply
        if not self.lets_in:
            return as_json({})
        token = {"token": "t", "access_token": "t"}
        said = {**token, "success": True, "code": 10000, "messagelist": [token], "result": token}
        return as_json(said, headers={"Set-Cookie": "folioAccessToken=t"})


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("KEY", "a-secret-word")
    with Hostile() as served:
        yield served


def failure(connector: Any, office: Hostile, **own: Any) -> tuple[SourceError, Question]:
    """Return what the connector raises, and what it was asked."""
    given = {"url": office.root, "retries": 0, **READY_MADE[connector], **own}
    if "per_student" in connector.Settings.model_fields:
        given["per_student"] = {"rounds": 1, "per_second": 1000}
    settings = connector.Settings.model_validate(given)
    columns = {"student": "XH", "title": "NR"}
    if issubclass(connector.Settings, KnownQuestions):
        columns = dict(connector.Settings.default_columns(given))
    question = Question("library", columns, Ticking(), lambda: ROSTER)
    with pytest.raises(SourceError) as caught:
        connector.connect(settings, question).pull()
    return caught.value, question


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("connector", READY_MADE, ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_advice_names_a_key_that_the_source_has_not(connector: Any, reply: str, office: Hostile) -> None:
    office.reply, office.lets_in = REPLIES[reply], reply != "a login without a token"
    error, question = failure(connector, office)
    lacking = [key for key in KEYS if key not in connector.Settings.model_fields]
    assert [key for key in lacking if KEYS[key].search(error.fix_text)] == [], str(error)
    columns = set(re.findall(r"columns\.(\w+)", error.fix_text))
    assert columns <= set(question.columns), str(error)
    assert error.fix_text.endswith(".")


def test_what_is_advised_can_be_done(office: Hostile) -> None:
    """The same fault: one connector has the key under another name, one has none, and `rest` has all."""
    office.reply = REPLIES["no list"]
    assert failure(interlib, office)[0].fix_text == "Correct readers_list in [source.library]."
    said = failure(alma, office)[0]
    assert isinstance(said, SourceGarbled)
    assert said.fix_text.startswith("The connector has no key for this. Ask the office")
    settings = rest.Settings(url=office.url, total="total", records="loans", retries=0)
    with pytest.raises(SourceGarbled, match=r"Correct records in \[source.library\]; .* add bare_record = true"):
        rest.connect(settings, Question("library", {"student": "XH"}, Ticking())).pull()


def test_a_column_is_named_as_the_table_has_it(office: Hostile) -> None:
    office.reply = listed([{"rdid": [1]}], 1)
    assert failure(interlib, office)[0].fix_text == "Correct reader: name a value inside it."
    assert failure(interlib, office, reader="id")[0].fix_text == "Correct reader in [source.library]."
    office.reply = REPLIES["records without columns"]
    assert failure(datacentre, office)[0].fix_text == "Correct columns.student in [source.library]."
    office.reply = listed([{"XH": "20151001"}], 1)
    assert failure(datacentre, office)[0].fix_text == (
        'Correct columns.title in [source.library]; if records leave it out when it is empty, add "title" to optional.'
    )


def test_a_record_about_somebody_else_is_answered_with_a_key_that_is_there(office: Hostile) -> None:
    office.reply = listed([{"who": "20159999"}], 1)
    columns = {"student": "who"}
    settings = alma.Settings.model_validate({"url": office.root, "retries": 0, **READY_MADE[alma]})
    with pytest.raises(SourceGarbled, match="another student") as caught:
        alma.connect(settings, Question("library", columns, Ticking(), lambda: ROSTER)).pull()
    assert "Remove student from columns" in caught.value.fix_text


def test_every_connector_that_asks_through_rest_is_tried_here() -> None:
    through_rest = {
        file.stem
        for file in (ROOT / "connectors").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "rest.Settings"
    }
    assert through_rest == {module.__name__.rpartition(".")[2] for module in READY_MADE}
