"""Pages after the settings' steps have changed under way: nobody is called clear, and no page breaks."""

import pytest
from starlette.testclient import TestClient

from status_db.batches import Batches, BatchKind, Told
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import enter, lin_objects
from tests.portal.test_slip import a_token_of
from tests.portal.test_student import headline, pass_everything
from tests.portal.whole import whole_app
from tests.status_db.test_changed_flows import CHANGES
from tests.world import COHORT, SETTINGS, World

#: What anybody may look at, whoever they are.
ADDRESSES = (
    "/", "/overview", "/overview/days", "/lists", "/lists?wanted=all", "/lists.xlsx?wanted=all", "/report",
    "/report.xlsx", "/students", f"/students/{SUN.number}", f"/students/{LIN.number}",
    "/lists/reminder?college=资源学院&class=021152", "/desk", "/desk/paper", "/desk/paper.pdf",
    f"/desk/paper/slip.pdf?student={SUN.number}", "/desk/paper/entry", f"/desk/students/{SUN.number}",
    f"/desk/students/{LIN.number}", "/desk/classes", "/desk/classes/morning?college=资源学院&class=021152",
    "/desk/certificates", "/desk/certificates.xlsx", "/desk/certificates/issue", "/desk/look-again",
    "/desk/objections", "/desk/objections/1", "/desk/objections/1/record", f"/desk/send-back?student={SUN.number}",
    "/desk/sent-back", "/desk/import", "/desk/import/batches", "/desk/import/batches/1",
    "/desk/import/batches/1/result.xlsx", "/sources", "/runs", "/runs/2", "/strangers", "/accounts",
    "/accounts/librarian", "/announcements", "/audit", "/objection?step=library", "/objection/1/record",
)  # fmt: skip


def settle_and_pass(world: World) -> str:
    """Have Sun pass everything and make a slip; have Lin object at the library, which decides about her by a batch."""
    lin_objects(world)
    pass_everything(world)
    batches = Batches(world.engine, world.settings, COHORT, world.ledger)
    rows = [Told(1, QIAN.number, None, Verdict.CLEARED, "现场归还")]
    looked = batches.preview("library", rows, world.now)
    batches.enter_all(BatchKind.IMPORT, "library", rows, looked.digest, "librarian", world.now, title="x")
    with TestClient(whole_app(world), base_url="http://testserver") as browser:
        enter(browser, SUN.number)
        assert "可领证" in headline(browser.get("/").text)
        return a_token_of(browser.get("/slip").text)


def changed(world: World, settings: str) -> World:
    """Open the same marks with other settings, a little later."""
    other = World(world.url, world.file.parent, settings)
    other.now = world.now
    other.later(minutes=5)
    return other


RENAMED_FLOW = SETTINGS.replace('key = "undergraduate"', 'key = "bachelor"')
RENAMED_REVIEW = SETTINGS.replace('"final_review"', '"last_check"')


SETTINGS_OF = {name: change.settings for name, change in CHANGES.items()} | {
    "a renamed flow": RENAMED_FLOW,
    "a renamed review": RENAMED_REVIEW,
}


@pytest.mark.parametrize("change", SETTINGS_OF)
def test_no_page_says_that_a_student_is_clear_and_none_breaks(university: World, change: str) -> None:
    slip = settle_and_pass(university)
    bad = []
    with (
        changed(university, SETTINGS_OF[change]) as world,
        TestClient(whole_app(world), base_url="http://testserver", follow_redirects=True) as browser,
    ):
        secret, _ = give_token(world, "dean")
        answer = browser.get(f"/api/v1/students/{SUN.number}", headers=bearing(secret)).json()
        assert "可领证" not in str(answer)
        assert not answer["steps"] or not all(step["clear"] for step in answer["steps"])
        assert "已失效" in browser.get(f"/verify/{slip}").text
        for account in (SUN.number, LIN.number, "dean", "counsellor", "librarian", "reviewer", "admin", "auditor"):
            browser.cookies.clear()
            enter(browser, account)
            for address in ADDRESSES:
                try:
                    page = browser.get(address)
                except BaseException as e:
                    import traceback

                    bad.append((account, address, traceback.format_exception(e)[-4:]))
                    continue
                if page.status_code not in (200, 403, 404, 409, 422):
                    bad.append((account, address, page.status_code))
            if account == SUN.number:
                assert "可领证" not in headline(browser.get("/").text)
                for form in ("/slip", "/slip.pdf"):
                    assert browser.get(form, follow_redirects=False).headers["location"] == "/"
    for b in bad:
        print(*b)
    assert not bad
