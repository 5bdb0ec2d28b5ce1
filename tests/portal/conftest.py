"""The pages over the cast's university: a real application on real databases, and somebody to sign in as."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from starlette.testclient import TestClient

from portal.auth.passwords import hash_password
from status_db.accounts.accounts import Act, Grant
from status_db.inbox.appeal_rows import Appeal, AppealEvidence
from status_db.inbox.appeals import Appeals
from tests.cast import GEOLOGY_LOAN, LIN, QIAN, SUN, ZHAO, ZHOU
from tests.portal.html_page import Page
from tests.portal.on_the_loop import refused_on_the_loop
from tests.portal.whole import whole_app
from tests.world import COHORT, World

PASSWORD = "a-long-enough-word"
_HASHED = hash_password(PASSWORD)

STAFF: dict[str, tuple[Grant, ...]] = {
    "dean": (Grant(Act.READ),),
    "counsellor": (Grant(Act.READ, None, {"college": ("资源学院",)}),),
    "librarian": (Grant(Act.READ, "library"), Grant(Act.DECIDE, "library")),
    "reviewer": (
        Grant(Act.REVIEW, "final_review", {"college": ("资源学院",)}),
        Grant(Act.ISSUE, "final_review", {"college": ("资源学院",)}),
    ),
    "admin": (Grant(Act.MANAGE),),
    "auditor": (Grant(Act.AUDIT),),
    "nobody": (),
}


def settle(world: World, then: Callable[[World], None] | None = None) -> World:
    """Sync the world once, with a loan, a fine, a fee and a checkout, and make everybody's account.

    What every test of a file does `then` is a part of the state, and copied with it.
    """
    world.says["loans"] = [GEOLOGY_LOAN]
    world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
    world.says["fees"] = [{"XH": QIAN.number, "QFJE": "5850.00", "XM": "2018-2019学年学费"}]
    world.says["checkouts"] = [
        {"学号": LIN.number, "清退状态": "未清退", "房间": "东区12栋412"},
        {"学号": SUN.number, "清退状态": "已清退", "房间": "西区3栋305"},
    ]

    def how() -> None:
        _first_syncs(world)
        if then is not None:
            then(world)

    world.reach("settled" if then is None else f"settled, then {then.__module__}.{then.__qualname__}", how)
    return world


def _first_syncs(world: World) -> None:
    world.run_all()
    for person in (LIN, ZHAO, QIAN, SUN, ZHOU):
        world.accounts.add(person.number, person.name, _HASHED, student=person.number, now=world.now)
    world.accounts.add("20990001", "不在名单", _HASHED, student="20990001", now=world.now)
    for account, grants in STAFF.items():
        world.accounts.add(account, account, _HASHED, grants=grants, now=world.now)


def lin_objects(world: World) -> Appeal:
    """Have Lin say that she has returned her book."""
    status = next(step for step in world.student(LIN.number).steps if step.step == "library")
    return Appeals(world.desk).raise_(
        COHORT,
        LIN.number,
        "library",
        "loan:B0001",
        "书上周就还了。",
        account=LIN.number,
        seen=AppealEvidence.of(status, world.now),
        due=world.now + timedelta(days=2),
        now=world.now,
        limit=5,
    )


@pytest.fixture(scope="package", autouse=True)
def nothing_unbounded_on_the_loop() -> Iterator[None]:
    """See that no page does on the event loop what would hold up everybody."""
    with refused_on_the_loop():
        yield


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, synced, everybody with an account."""
    return settle(sqlite_world)


@pytest.fixture
def client(university: World) -> Iterator[TestClient]:
    """A browser that has not signed in."""
    app = whole_app(university)
    with TestClient(app, base_url="http://testserver", follow_redirects=True) as browser:
        yield browser


def token_in(page: httpx.Response) -> str:
    """Return the token of a page's form."""
    return Page(page).fields["form_token"][0]


def enter(browser: TestClient, account: str, password: str = PASSWORD, **extra: str) -> httpx.Response:
    """Sign in through the form."""
    form = {"account": account, "password": password, "form_token": token_in(browser.get("/sign-in")), **extra}
    page: httpx.Response = browser.post("/sign-in", data=form)
    return page


@pytest.fixture
def signed_in(client: TestClient) -> Callable[[str], TestClient]:
    """Return the browser of somebody who has signed in."""

    def sign_in(account: str) -> TestClient:
        form = {"account": account, "password": PASSWORD, "form_token": token_in(client.get("/sign-in"))}
        # The first page is not looked at here; each test opens its own.
        let_in = client.post("/sign-in", data=form, follow_redirects=False)
        assert let_in.status_code == 303, let_in.text
        return client

    return sign_in
