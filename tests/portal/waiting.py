"""A library whose newest answer waits for people, whoever may speak of it, and the scheduler that serves them."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from status_db.accounts.accounts import Act, Grant
from status_db.model import ROSTER, RunState
from tests.cast import LIN, SUN
from tests.portal.conftest import _HASHED, enter, token_in
from tests.portal.whole import whole_app
from tests.world import COHORT, World, serving_of

#: Besides the staff of the other pages' tests.
MORE_STAFF: dict[str, tuple[Grant, ...]] = {
    "second": (Grant(Act.MANAGE),),
    "branch": (Grant(Act.DECIDE, "library", {"college": ("资源学院",)}),),
    "cashier": (Grant(Act.DECIDE, "finance"),),
}


def held_back(world: World) -> int:
    """Have thirty students hold books, and the library say that all but one are back; return the run that waits."""
    for account, grants in MORE_STAFF.items():
        world.accounts.add(account, account, _HASHED, grants=grants, now=world.now)
    people = [{**SUN.listed(), "学号": f"2015{i:04}", "姓名": f"学生{i}", "一卡通": ""} for i in range(30)]
    for i, person in enumerate(people):
        person["学院"] = ("资源学院", "地学院")[i % 2]
    world.says[ROSTER] += people
    world.says["loans"] = [
        {"CARD": p["学号"], "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i, p in enumerate(people)
    ]
    world.run(ROSTER)
    world.run_all()
    world.says["loans"] = world.says["loans"][:1]
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED, outcome
    assert outcome.run is not None
    return outcome.run


def another_change(world: World, run: int) -> None:
    """Have the run come to another change than it was suspended with, which nobody has looked at."""
    before = world.reader.run(COHORT, run)
    world.says["loans"] = [
        {"CARD": f"2015{i:04}", "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i in range(30)
    ]
    world.says["loans"].append({"CARD": LIN.number, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B77"})
    world.later(minutes=1)
    world.sync.recheck("loans", LIN.number, by="test")
    world.sync.approve(run, "loans", by="shell")
    after = world.reader.run(COHORT, run)
    assert before is not None
    assert after is not None
    assert after.state is RunState.SUSPENDED
    assert after.digest != before.digest


def serve(world: World) -> int:
    """Have the scheduler serve what was asked for."""
    return serving_of(world).serve()


@contextmanager
def browser(world: World, account: str) -> Iterator[TestClient]:
    """A browser of somebody who has signed in."""
    with TestClient(whole_app(world), base_url="http://testserver", follow_redirects=True) as made:
        assert enter(made, account).status_code in (200, 403)
        yield made


def say(made: TestClient, run: int, says: str, digest: str = "", **more: str) -> tuple[int, str]:
    """Say something of a run through its page; return the status and the text of the answer."""
    page = made.get(f"/runs/{run}")
    form = {
        "form_token": token_in(made.get("/sign-in") if page.status_code == 403 else page),
        "vote": says,
        "digest": digest or digest_in(page.text),
        "checked": "1",
        **more,
    }
    answer = made.post(f"/runs/{run}/vote", data=form)
    return answer.status_code, answer.text


def digest_in(page: str) -> str:
    """Return the digest of the change that a page shows."""
    _, found, rest = page.partition('name="digest" value="')
    return rest.partition('"')[0] if found else ""
