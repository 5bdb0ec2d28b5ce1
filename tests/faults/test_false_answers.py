"""Promise 1 at the answer's level: a JSON API that fails, shortens, doubles, loses or lies changes nothing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from connectors import rest
from connectors.port import Connector, Question
from status_db.model import RunState
from tests.faults.seeds import case, seeds
from tests.faults.trial import AFTER, Trial
from tests.services.http_office import Call, HttpOffice, Reply, as_json

CASES = 40

PER_PAGE = 10

PAGES = -(-len(AFTER) // PER_PAGE)

#: What an answer's records and total become.
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Falsehood:
    """One thing that an answer may have wrong with it."""

    #: Changes an answer; may draw, and may ask the office for another of its answers.
    spoil: Callable[[Random, "Spoiled", Call, Reply], Reply]
    #: Only on this page; None for a page that is drawn.
    page: int | None = None
    #: Nothing in the answer itself shows it: the guard must.
    for_the_guard: bool = False


def status(code: int) -> Falsehood:
    """Answer with an error, in JSON as APIs do; some say when to come again."""
    return Falsehood(lambda chance, *_: as_json({"error": code}, code, chance.choice(({}, {"Retry-After": "1"}))))


def body(change: Callable[[Random, list[Any], Body], Any], **where: Any) -> Falsehood:
    """Change an answer's records and what is stored beside them, in place or by what is returned."""

    def spoil(chance: Random, _office: "Spoiled", _call: Call, reply: Reply) -> Reply:
        said = json.loads(reply.body)
        changed = change(chance, said["data"]["rows"], said["data"])
        return as_json(said if changed is None else changed)

    return Falsehood(spoil, **where)


def page_of(call: Call) -> int:
    """Return which page is asked for."""
    return int(call.params["page"])


def another_page(by: int) -> Callable[[Random, "Spoiled", Call, Reply], Reply]:
    """Answer with another page than the one that was asked for."""
    return lambda _chance, office, call, _reply: office.other_page(call, page_of(call) + by)


def cut(length: str) -> Callable[[Random, "Spoiled", Call, Reply], Reply]:
    """Break the body off somewhere, its whole length having been announced, or not."""

    def spoil(chance: Random, _office: "Spoiled", _call: Call, reply: Reply) -> Reply:
        part = reply.body[: chance.randrange(len(reply.body))]
        return replace(reply, body=part, length=len(reply.body) if length == "told" else None)

    return spoil


def _drop(chance: Random, rows: list[Any], _data: Body) -> None:
    del rows[chance.randrange(len(rows))]


def _slipped(chance: Random, office: "Spoiled", call: Call, reply: Reply) -> Reply:
    """Give a record of another page in the place of one, as when rows move between pages while they are read.

    One that appears twice on a page itself is let pass: a join doubles rows so, and the total counts them.
    """
    there = chance.choice([number for number in range(1, PAGES + 1) if number != page_of(call)])
    said, others = json.loads(reply.body), json.loads(office.other_page(call, there).body)
    rows = said["data"]["rows"]
    rows[chance.randrange(len(rows))] = chance.choice(others["data"]["rows"])
    return as_json(said)


def _total(by: Callable[[Random], int]) -> Callable[[Random, list[Any], Body], None]:
    def change(chance: Random, _rows: list[Any], data: Body) -> None:
        data["total"] += by(chance)

    return change


def _without(field: str) -> Callable[[Random, list[Any], Body], None]:
    def change(chance: Random, rows: list[Any], _data: Body) -> None:
        del chance.choice(rows)[field]

    return change


def _broken(chance: Random, rows: list[Any], _data: Body) -> None:
    # In a title it would be replaced and reported; a number nobody can read is nobody's.
    chance.choice(rows)["CARD"] = "C-\ufffd"


LOGIN_PAGE = "<!DOCTYPE html><html><body><form action='/login'>请登录</form></body></html>".encode()

FALSEHOODS: dict[str, Falsehood] = {
    **{f"HTTP {code}": status(code) for code in (400, 401, 403, 404, 429, 500, 502, 503)},
    "sent on to a login page": Falsehood(lambda *_: Reply(status=302, headers={"Location": "/login"})),
    "a login page with 200": Falsehood(lambda *_: Reply(LOGIN_PAGE, headers={"Content-Type": "text/html"})),
    "nothing at all with 200": Falsehood(lambda *_: Reply()),
    "an error in words with 200": body(lambda *_: {"code": 500, "msg": "服务器繁忙", "data": None}),
    "an empty list, the total as before": body(lambda _chance, rows, _data: rows.clear()),
    "an empty list, the total nought": body(lambda *_: {"data": {"rows": [], "total": 0}}, page=1, for_the_guard=True),
    "an empty list and no total": body(lambda *_: []),
    "the total is the page's": body(
        lambda _chance, rows, data: data.update(total=len(rows)), page=1, for_the_guard=True
    ),
    "a total too large": body(_total(lambda chance: chance.randrange(1, 50))),
    "a total too small": body(_total(lambda chance: -chance.randrange(1, PER_PAGE))),
    "no total": body(lambda _chance, _rows, data: data.pop("total") and None),
    "a total in words": body(lambda _chance, _rows, data: data.update(total="很多")),
    "the page before it again": Falsehood(another_page(-1), page=0),
    "the page after it instead": Falsehood(another_page(1)),
    "a record left out": body(_drop),
    "a record of another page instead": Falsehood(_slipped),
    "a record without its student": body(_without("CARD")),
    "a record without its title": body(_without("TITLE")),
    "a number in broken text": body(_broken),
    "cut off, its length told": Falsehood(cut("told")),
    "cut off, its length untold": Falsehood(cut("untold")),
    "hung up on": Falsehood(lambda *_: Reply(hang_up=True)),
}


class Spoiled(HttpOffice):
    """An office whose answers to requests for data may be changed on their way out."""

    def __init__(self) -> None:
        super().__init__()
        self.spoil: Callable[[Call, Reply], Reply] = lambda _call, reply: reply

    def other_page(self, call: Call, number: int) -> Reply:
        """Return the ordinary answer to the same question about another page."""
        return super()._page(replace(call, params={**call.params, "page": str(number)}))

    def _page(self, call: Call) -> Reply:
        return self.spoil(call, super()._page(call))


class Liar:
    """Spoils one page's answer, once or each time it is asked for."""

    def __init__(self, office: Spoiled, chance: Random, falsehood: Falsehood) -> None:
        first = 2 if falsehood.page == 0 else 1
        self.page = falsehood.page or chance.randint(first, PAGES)
        self.times = chance.choice((1, 1000))
        self.fired = 0
        self._office, self._chance, self._falsehood = office, chance, falsehood

    def __call__(self, call: Call, reply: Reply) -> Reply:
        if page_of(call) != self.page or self.fired >= self.times:
            return reply
        self.fired += 1
        return self._falsehood.spoil(self._chance, self._office, call, reply)


def test_an_answer_that_is_false_changes_nothing(tmp_path: Path) -> None:
    with Spoiled() as office:

        def fill(rows: Any) -> None:
            office.rows = [dict(row) for row in rows]

        def connect(question: Question, retries: int = 0) -> Connector:
            keys = {
                "url": office.url,
                "records": "data.rows",
                "total": "data.total",
                "paging": {"kind": "page", "per_page": PER_PAGE},
                "retries": retries,
            }
            return rest.connect(rest.Settings.model_validate(keys), question)

        trial = Trial(tmp_path, connect, fill)
        names = list(FALSEHOODS)
        for seed in seeds(CASES):
            with case(seed) as chance:
                falsehood = FALSEHOODS[names[seed % len(names)]]
                trial.through(connect(trial.question, chance.choice((0, 0, 2))))
                office.spoil = liar = Liar(office, chance, falsehood)
                outcome = trial.ask(may_wait=falsehood.for_the_guard)
                assert liar.fired, names[seed % len(names)]
                if liar.times > 1:
                    assert outcome.state is not RunState.APPLIED, names[seed % len(names)]
        assert trial.ended[RunState.FAILED] >= len(seeds(CASES)) / 2
