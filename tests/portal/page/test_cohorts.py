"""Several cohorts on the pages: each page has the choice, and a run of any of them is seen and decided."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from portal.student import recheck
from status_db import tables
from status_db.inbox.announcements import Announcements
from status_db.inbox.appeal_rows import AppealEvidence
from status_db.inbox.appeals import Appeals
from status_db.inbox.requests import Requests
from status_db.inbox.uploads import Uploads
from status_db.ledger.chain import Ledger
from status_db.marks.approvals import ApprovalVotes
from status_db.model import ROSTER, RunState
from sync.run.approve import Approvals
from sync.run.run import Sync
from sync.service.inbox import Serving
from tests.cast import LIN
from tests.portal.conftest import settle, token_in
from tests.portal.html_page import Page, Part
from tests.portal.waiting import say
from tests.world import SETTINGS, World

SignedIn = Callable[[str], TestClient]

ROSTER_TABLE = SETTINGS.split("[roster]\n")[1].split("[[step]]")[0]
#: The same list twice, and a finance office whose first answer waits.
ROSTERS = "".join(
    f"[roster.{key}]\n" + ROSTER_TABLE.replace("[roster.columns]", f"[roster.{key}.columns]")
    for key in ("summer", "winter")
)
WINTER = '\nroster = "summer"\n\n[[cohort]]\nkey = "2019w"\nname = "2019届冬季"\nroster = "winter"\n'
TWO = (
    SETTINGS.replace('name = "2019届"\n', f'name = "2019届"{WINTER}')
    .replace("[roster]\n" + ROSTER_TABLE, ROSTERS)
    .replace('first = "apply"\ncolumns = { student = "XH"', 'columns = { student = "XH"')
)


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """Two cohorts: the cast in summer, nobody in December but a run that waits."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, TWO) as made:
        yield settle(made)


def december(world: World) -> Sync:
    """Return what runs the sources of December."""
    ledger = Ledger(world.settings.status_db.ledger_key_file, "2019w")
    sync = Sync(world.settings.of_cohort("2019w"), "2019w", world.engine, world.connect, world.clock, ledger)
    sync.open_cohort()
    return sync


def in_both(world: World) -> Sync:
    """Bring December to the point where Lin owes a book and Sun nothing at all; everybody is on both rosters."""
    sync = december(world)
    for name in (ROSTER, "loans", "fines", "checkouts"):
        world.later(minutes=1)
        assert sync.run(name, by="test").fault is None
    return sync


def _addresses(part: Part) -> list[str]:
    return [link.href for link in part.links if link.href.startswith("/")]


class Leading:
    """Where a page leads: its links; its forms, with whether they send the cohort as a field; and the choice of it."""

    def __init__(self, page: str) -> None:
        chosen = [href for nav in Page(page).all("nav", aria_label="届别") for href in _addresses(nav)]
        self.choices = set(chosen)
        self.links = set(Counter(_addresses(Page(page))) - Counter(chosen))
        self.forms = Page(page).forms()

    def astray(self, cohort: str) -> set[str]:
        """Return the links and forms that lead to no cohort, or another one."""
        forms = {
            f"{form['method'] or 'get'} {form['action']}"
            for form in self.forms
            if not about(form["action"], cohort)
            and not (form["method"] in ("", "get") and form.fields.get("cohort") == [cohort])
        }
        return {link for link in self.links if not about(link, cohort)} | forms


def about(address: str, cohort: str) -> bool:
    """Say whether an address is about a cohort. A run is of one cohort whatever its address says."""
    path = address.partition(" ")[2] or address
    return path.startswith((*NOWHERE, "/runs/")) or parse_qs(urlsplit(address).query).get("cohort") == [cohort]


def shape(address: str) -> str:
    """Return what addresses of one kind of page have in common."""
    at = urlsplit(address)
    return re.sub(r"\d+|(?<=/accounts/)\w+", "N", at.path) + "?" + ",".join(sorted(parse_qs(at.query)))


def hrefs(page: str) -> set[str]:
    """Return where the links and forms of a page lead."""
    addresses = {part[name] for part in Page(page).all() for name in ("href", "action")}
    return {address for address in addresses if address.startswith("/")}


#: Where no cohort is meant.
NOWHERE = ("/static/", "/sign-out")


def test_a_student_of_one_cohort_is_asked_nothing_and_reads_that_one(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    page = browser.get("/?cohort=2019w").text
    assert "2019届冬季" not in page
    assert "cohort=2019" not in "".join(hrefs(page) - {link for link in hrefs(page) if "lang=" in link})
    # The list of summer has her no more: December's is shown, without being asked.
    in_both(university)
    university.says[ROSTER] = [one for one in university.says[ROSTER] if one["学号"] != LIN.number]
    university.run(ROSTER)
    page = browser.get("/").text
    assert "<span>2019届冬季</span>" in page
    assert "cohort=" not in "".join(hrefs(page))


def test_a_student_of_two_cohorts_chooses_and_keeps_the_choice_from_page_to_page(
    university: World, signed_in: SignedIn
) -> None:
    in_both(university)
    browser = signed_in(LIN.number)
    first = browser.get("/").text
    assert "<span>2019届</span>" in first
    assert {"/?cohort=2019", "/?cohort=2019w"} <= hrefs(first)
    assert '<a href="/?cohort=2019" aria-current="true">2019届</a>' in first
    winter = browser.get("/?cohort=2019w").text
    assert "<span>2019届冬季</span>" in winter
    assert '<a href="/?cohort=2019w" aria-current="true">2019届冬季</a>' in winter
    seen: set[str] = set()
    waiting = ["/?cohort=2019w"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = browser.get(path)
        leading = {link for link in hrefs(answer.text) if not link.startswith(NOWHERE)}
        # The other cohort's name leads to its own page; all else stays.
        astray = {link for link in leading if "cohort=2019w" not in link} - {"/?cohort=2019"}
        assert not astray, f"{path}: {astray}"
        forms = {form["action"] for form in Page(answer).forms()}
        waiting += sorted(leading - seen - {"/?cohort=2019", *forms})
    assert "/appeal?cohort=2019w&step=library" in seen
    # Another cohort's key, or one that she is not on, leads to the first of her own.
    assert "<span>2019届</span>" in browser.get("/?cohort=1999").text


def test_appeal_recheck_and_slip_are_about_the_cohort_that_was_chosen(
    university: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "PATIENCE", 0)
    in_both(university)
    browser = signed_in(LIN.number)
    where = "/appeal?cohort=2019w&step=library"
    form = {"form_token": token_in(browser.get(where)), "step": "library", "item": "loan:B0001", "text": "已还"}
    sent = browser.post("/appeal?cohort=2019w", data=form, follow_redirects=False)
    assert sent.headers["location"] == "/?cohort=2019w"
    raised = Appeals(university.desk)
    assert raised.of_student("2019", LIN.number) == ()
    (one,) = raised.of_student("2019w", LIN.number)
    winter, summer = browser.get("/?cohort=2019w").text, browser.get("/?cohort=2019").text
    record = f"/appeal/{one.appeal}/record?cohort=2019w"
    assert record in hrefs(winter)
    assert "已还" not in summer
    assert browser.get(record).status_code == 200
    assert browser.get(f"/appeal/{one.appeal}/record?cohort=2019").status_code == 404
    taken = browser.post(f"/appeal/{one.appeal}/withdraw?cohort=2019w", data=form, follow_redirects=False)
    assert taken.headers["location"] == "/?cohort=2019w"
    assert not raised.of_student("2019w", LIN.number)[0].waits
    # A recheck is asked of that cohort; the page of the other one is as before.
    requests = Requests(university.desk)
    asked = browser.post("/recheck?cohort=2019w", data=form, follow_redirects=False)
    assert asked.headers["location"] == "/recheck?cohort=2019w"
    assert requests.last_recheck("2019w", LIN.number) is not None
    assert requests.last_recheck("2019", LIN.number) is None
    # Who is not clear there is led to the page of that cohort.
    assert browser.get("/slip?cohort=2019w", follow_redirects=False).headers["location"] == "/?cohort=2019w"


@pytest.mark.parametrize("account", ["admin", "dean", "librarian", "reviewer"])
def test_every_link_and_form_of_the_staff_keeps_the_cohort(
    account: str, university: World, signed_in: SignedIn
) -> None:
    sync = in_both(university)
    assert sync.run("fees", by="test").state is RunState.SUSPENDED
    seen = AppealEvidence.of(university.student(LIN.number).steps[0], university.now)
    raised, now = Appeals(university.desk), university.now
    raised.raise_("2019w", LIN.number, "library", "", "已还", account=LIN.number, seen=seen, due=now, now=now, limit=5)
    Announcements(university.desk).announce("还书", "请还书", author="admin", now=now, cohort="2019w")
    browser = signed_in(account)
    assert any(about(choice, "2019w") for choice in Leading(browser.get("/").text).choices)
    pages, waiting = set[str](), ["/?cohort=2019w"]
    while waiting:
        path = waiting.pop()
        answer = browser.get(path)
        if "html" not in answer.headers["content-type"]:
            continue
        assert answer.status_code == 200, path
        leading = Leading(answer.text)
        assert not leading.astray("2019w"), f"{path} of {account}"
        # Every page has the choice, and says which one it is about.
        assert any("cohort=" not in choice for choice in leading.choices), path
        assert 'aria-current="true">2019届冬季</a>' in answer.text, path
        new = {shape(link): link for link in sorted(leading.links) if "lang=" not in link}
        waiting += [
            link for kind, link in new.items() if kind not in pages and not link.startswith(NOWHERE) and "." not in kind
        ]
        pages |= new.keys()
    expected = {
        "admin": {"/accounts/N?cohort", "/announcements/new?cohort", "/audit?cohort", "/runs/N?", "/unmatched?cohort"},
        "dean": {"/overview.xlsx?cohort", "/report?cohort", "/students/N?cohort", "/sources?cohort"},
        "librarian": {"/desk/appeals/N?cohort,step", "/desk/import?cohort,step", "/desk/paper?cohort,step"},
        "reviewer": {"/desk/classes?cohort,step", "/desk/certificates?cohort,step", "/desk/review-again?cohort,step"},
    }
    assert expected[account] <= pages, expected[account] - pages


def test_a_run_of_any_cohort_is_seen_and_decided(university: World, signed_in: SignedIn) -> None:
    sync = december(university)
    sync.run("roster", by="test")
    university.later(minutes=1)
    outcome = sync.run("fees", by="test")
    assert outcome.state is RunState.SUSPENDED
    assert f"`clearance --cohort 2019w runs approve {outcome.run}`" in outcome.message
    browser, path = signed_in("admin"), f"/runs/{outcome.run}"
    page = browser.get(path).text
    assert 'href="/runs?cohort=2019w"' in page
    assert f'href="{path}"' in browser.get("/runs?cohort=2019w").text
    assert f'href="{path}"' not in browser.get("/runs").text
    # A run without a list of what it would do is looked at by a command, which names its cohort.
    pending = tables.pending
    with university.engine.begin() as connection:
        kept = connection.execute(select(pending.c.look).where(pending.c.run == outcome.run)).scalar_one()
        connection.execute(update(pending).where(pending.c.run == outcome.run).values(look=None))
    assert f"<code>clearance --cohort 2019w runs show {outcome.run}</code>" in browser.get(path).text
    with university.engine.begin() as connection:
        connection.execute(update(pending).where(pending.c.run == outcome.run).values(look=kept))
    assert say(browser, outcome.run or 0, "approve")[0] in (200, 303)
    desk, ledger = university.desk, Ledger(university.settings.status_db.ledger_key_file, "2019w")
    of_cohort = university.settings.of_cohort("2019w")
    approvals = Approvals(of_cohort, sync, ApprovalVotes(university.engine, "2019w", ledger))
    Serving(
        of_cohort, "2019w", sync, university.reader,
        approvals, Requests(desk), Uploads(desk), university.clock,
    ).serve()  # fmt: skip
    ended = university.reader.run("2019w", outcome.run or 0)
    assert ended is not None
    assert ended.state is RunState.APPLIED
