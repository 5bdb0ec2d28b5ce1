"""Pages after the settings' steps have changed under way: nobody is called clear, and no page breaks."""

import pytest
from starlette.testclient import TestClient

from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import PASSWORD, lin_objects, settle, token_in
from tests.portal.student.test_card import headline, pass_everything
from tests.portal.student.test_slip import a_token_of
from tests.portal.whole import whole_app
from tests.status_db.effective.test_changed_flows import CHANGES
from tests.world import SETTINGS, World

OF_CLASS = "college=资源学院&class=021152"
#: Account → what it looks at.
ADDRESSES = {
    LIN.number: ("/", "/appeal?step=library", "/appeal/1/record"),
    "dean": (
        "/overview", "/overview.xlsx", "/lists?wanted=all", "/lists.xlsx?wanted=all", f"/lists/reminder?{OF_CLASS}",
        "/report", "/report.xlsx", f"/students/{SUN.number}", f"/students/{LIN.number}",
    ),
    "librarian": (
        "/desk", "/desk/paper", "/desk/paper.pdf", f"/desk/students/{LIN.number}", "/desk/appeals",
        "/desk/appeals/1", "/desk/appeals/1/record", "/desk/import", "/desk/import/batches",
        "/desk/import/batches/1", "/desk/import/batches/1/result.xlsx", "/desk/paper/entry",
    ),
    "reviewer": (
        "/desk", f"/desk/students/{SUN.number}", "/desk/classes", f"/desk/classes/review?{OF_CLASS}",
        "/desk/certificates", "/desk/certificates.xlsx", "/desk/certificates/issue", "/desk/review-again",
        f"/desk/send-back?student={SUN.number}", "/desk/sent-back",
    ),
    "admin": ("/sources", "/runs", "/runs/2", "/unmatched", "/accounts", "/accounts/librarian", "/audit"),
}  # fmt: skip


def settle_and_pass(world: World) -> str:
    """Have Sun pass everything and make a slip; have Lin object at the library, which decides about her by a batch."""
    world.reach("settled, objected and passed", lambda: _object_and_pass(world))
    # The key that seals slips is each world's own.
    with TestClient(whole_app(world), base_url="http://testserver") as browser:
        let_in(browser, SUN.number)
        assert "可领证" in headline(browser.get("/").text)
        return a_token_of(browser.get("/slip").text)


def _object_and_pass(world: World) -> None:
    settle(world)
    lin_objects(world)
    pass_everything(world)
    batches = Batches(world.writer)
    rows = [ImportRow(1, QIAN.number, None, Verdict.CLEARED, "现场归还")]
    looked = batches.preview("library", rows, world.now)
    batches.enter_all(BatchKind.IMPORT, "library", rows, looked.digest, "librarian", world.now, title="x")


def let_in(browser: TestClient, account: str) -> None:
    """Sign in, without a look at the first page."""
    form = {"account": account, "password": PASSWORD, "form_token": token_in(browser.get("/sign-in"))}
    assert browser.post("/sign-in", data=form, follow_redirects=False).status_code == 303


def changed(world: World, settings: str) -> World:
    """Open the same marks with other settings, a little later."""
    other = World(world.url, world.file.parent, settings)
    other.now = world.now
    other.later(minutes=5)
    return other


RENAMED_FLOW = SETTINGS.replace('key = "undergraduate"', 'key = "bachelor"')
RENAMED_REVIEW = SETTINGS.replace('"final_review"', '"last_check"')


SETTINGS_OF = {
    "a renamed step": CHANGES["a renamed step"].settings,
    "a new manual step": CHANGES["a new manual step"].settings,
    "a renamed flow": RENAMED_FLOW,
    "a renamed review": RENAMED_REVIEW,
}


@pytest.mark.parametrize("change", SETTINGS_OF)
def test_no_page_states_that_a_student_is_clear_and_none_breaks(sqlite_world: World, change: str) -> None:
    slip = settle_and_pass(sqlite_world)
    with (
        changed(sqlite_world, SETTINGS_OF[change]) as world,
        TestClient(whole_app(world), base_url="http://testserver", follow_redirects=True) as browser,
    ):
        secret, _ = give_token(world, "dean")
        answer = browser.get(f"/api/v1/students/{SUN.number}", headers=bearing(secret)).json()
        assert "可领证" not in str(answer)
        assert not answer["steps"] or not all(step["clear"] for step in answer["steps"])
        assert "该离校单已失效" in browser.get(f"/verify/{slip}").text
        let_in(browser, SUN.number)
        assert "可领证" not in headline(browser.get("/").text)
        for form in ("/slip", "/slip.pdf"):
            assert browser.get(form, follow_redirects=False).headers["location"] == "/"
        for account, addresses in ADDRESSES.items():
            browser.cookies.clear()
            let_in(browser, account)
            # Where the step or the review is none any more there is nothing to see; no page fails.
            assert {browser.get(address).status_code for address in addresses} <= {200, 403, 404}
