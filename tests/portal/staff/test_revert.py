"""Taking a wrongly approved run back on its page: first what it would change, then that very change, with a reason."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portal.student import recheck
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.requests import RequestKind, Requests
from status_db.model import RunState, Verdict
from tests.portal.conftest import settle, token_in
from tests.portal.waiting import browser, digest_in, held_back, serve
from tests.world import COHORT, SETTINGS, World

SignedIn = Callable[[str], TestClient]

#: More than five students at once are never held without a person.
CAREFUL = SETTINGS.replace("[source.fines]", "[source.loans.guard]\nhold_count = 5\n\n[source.fines]")

#: Of those that the answer of `waiting.held_back` releases; in the college of resources.
STUDENT = "20150002"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test serves what is asked for itself."""
    monkeypatch.setattr(recheck, "PATIENCE", 0)


def mistaken(world: World) -> int:
    """Approve a run that releases twenty-nine of thirty students, by mistake; return it."""
    run = held_back(world)
    assert world.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
    assert world.verdict(STUDENT, "library") is Verdict.CLEARED
    world.later(minutes=1)
    return run


@pytest.fixture
def careful(tmp_path: Path) -> Iterator[World]:
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, CAREFUL) as made:
        yield settle(made)


def send(made: TestClient, path: str, **fields: str) -> tuple[int, str]:
    """Send a form, as its page would; return the status and the text of what follows."""
    page = made.get(path.rpartition("/")[0])
    token = token_in(page if page.status_code == 200 else made.get("/sign-in"))
    answer = made.post(path, data={"form_token": token, **fields})
    return answer.status_code, answer.text


def planned(world: World, made: TestClient, run: int) -> str:
    """Have the revert planned, and return its preview."""
    status, page = send(made, f"/runs/{run}/revert-preview")
    assert status == 200, page
    assert "已提交" in page
    serve(world)
    return str(made.get(f"/runs/{run}/revert-preview").text)


def test_first_what_it_would_change_then_the_change_with_its_reason_on_record(
    university: World, signed_in: SignedIn
) -> None:
    run = mistaken(university)
    # A review and a certificate that rest on the mistake.
    for step in ("finance", "dorm", "college_items"):
        university.decisions.enter(
            DecisionRequest(STUDENT, step, Verdict.CLEARED, "数据有误", words="x"), "dean", university.now
        )
    university.reviews.review(
        DecisionRequest(STUDENT, "final_review", Verdict.CLEARED, "齐备"), "reviewer", university.now
    )
    university.register.issue(Issue(STUDENT, "证-1", "毕业证书", "self"), "reviewer", university.now)
    admin = signed_in("admin")
    assert f'action="/runs/{run}/revert-preview"' in admin.get(f"/runs/{run}").text
    page = planned(university, admin, run)
    for said in ("共 29 名学生", "通过 → 不通过", "学生状态未变", "此后通过终审的学生：1 名", "证-1", STUDENT):
        assert said in page, said
    assert "该变动将暂停，待批准" not in page
    assert university.verdict(STUDENT, "library") is Verdict.CLEARED, "a plan writes nothing"
    # Without a reason nothing is asked for; what was read stays on the page.
    status, page = send(admin, f"/runs/{run}/revert", digest=digest_in(page), reason=" ")
    assert (status, "撤回须写明原因" in page) == (409, True)
    status, page = send(admin, f"/runs/{run}/revert", digest=digest_in(page), reason="x" * 501)
    assert (status, "原因不超过 500 字" in page) == (409, True)
    assert Requests(university.desk).about_run(COHORT, run, RequestKind.REVERT) == ()
    status, page = send(admin, f"/runs/{run}/revert", digest=digest_in(page), reason="视图漏了一半")
    assert (status, "已提交" in page) == (200, True)
    # Sent twice, it is done once.
    assert send(admin, f"/runs/{run}/revert", digest="00", reason="视图漏了一半")[0] == 409
    serve(university)
    assert university.verdict(STUDENT, "library") is Verdict.HELD
    after = admin.get(f"/runs/{run}/revert-preview").text
    back = university.reader.runs(COHORT, "loans", 1)[0]
    assert back.state is RunState.APPLIED
    assert (back.by, back.counts.reverts, back.counts.because) == ("admin", run, "视图漏了一半")
    assert f'href="/runs/{back.run}"' in after
    own = admin.get(f"/runs/{run}").text
    assert f"本次同步由第 {back.run} 次同步撤回" in own
    assert "视图漏了一半" in admin.get(f"/runs/{back.run}").text
    (line,) = Audit(university.desk).newest(event=AuditEvent.REVERTED_RUN)
    assert (line.account, line.cohort, line.run) == ("admin", COHORT, run)
    assert (line.detail["source"], line.detail["reason"]) == ("loans", "视图漏了一半")
    # Once it is taken back there is nothing to take back.
    assert "没有可撤回的内容" in planned(university, admin, run)


def test_only_what_was_looked_at_is_done(university: World, signed_in: SignedIn) -> None:
    run = mistaken(university)
    admin = signed_in("admin")
    seen = digest_in(planned(university, admin, run))
    # A later answer speaks of one of them: the way back would be another one.
    university.says["loans"] += [{"CARD": STUDENT, "TITLE": "宋词选", "DUE": "2019-06-01", "BARCODE": "N1"}]
    university.run("loans")
    university.later(minutes=1)
    send(admin, f"/runs/{run}/revert", digest=seen, reason="x")
    serve(university)
    page = admin.get(f"/runs/{run}/revert-preview").text
    assert "预览后学生状态有变动，撤回的结果会不同" in page
    assert university.verdict("20150004", "library") is Verdict.CLEARED
    assert university.reader.runs(COHORT, "loans", 1)[0].state is RunState.SKIPPED
    # Looked at again, it is done, and the student of the later answer stays held.
    page = planned(university, admin, run)
    assert "1 名学生的记录此后另有变动" in page
    assert send(admin, f"/runs/{run}/revert", digest=seen, reason="x")[0] == 409
    send(admin, f"/runs/{run}/revert", digest=digest_in(page), reason="x")
    serve(university)
    assert university.verdict("20150004", "library") is Verdict.HELD
    stands = next(s for s in university.student(STUDENT).steps if s.step == "library")
    assert [o.reference for o in stands.finding.evidence] == ["N1"]


def test_the_guard_suspends_a_revert_like_any_change(careful: World) -> None:
    run = mistaken(careful)
    with browser(careful, "admin") as admin:
        page = planned(careful, admin, run)
        assert "该变动将暂停，待批准" in page
        assert "29 名将变为" in page
        send(admin, f"/runs/{run}/revert", digest=digest_in(page), reason="视图漏了一半")
        serve(careful)
        assert careful.verdict(STUDENT, "library") is Verdict.CLEARED
        waits = careful.reader.runs(COHORT, "loans", 1)[0]
        assert waits.state is RunState.SUSPENDED
        page = admin.get(f"/runs/{run}/revert-preview").text
        assert f'href="/runs/{waits.run}"' in page
        assert "未执行" not in page
        assert careful.sync.approve(waits.run, "loans", by="second").state is RunState.APPLIED
        approved = careful.reader.run(COHORT, waits.run)
        assert approved is not None
        assert approved.counts.because == "视图漏了一半"


@pytest.mark.parametrize("account", ["dean", "auditor", "librarian"])
def test_who_may_not_approve_may_not_revert(account: str, university: World, signed_in: SignedIn) -> None:
    run = mistaken(university)
    made = signed_in(account)
    assert "way-back" not in made.get(f"/runs/{run}").text
    assert made.get(f"/runs/{run}/revert-preview").status_code == 403
    for path in ("way-back", "revert"):
        assert send(made, f"/runs/{run}/{path}", digest="00", reason="x")[0] == 403
    assert Requests(university.desk).waiting(COHORT) == ()


def test_what_cannot_be_taken_back_does_not_offer_it(university: World, signed_in: SignedIn) -> None:
    run = held_back(university)
    admin = signed_in("admin")
    for other in (run, run - 1, 1):
        assert "way-back" not in admin.get(f"/runs/{other}").text
        assert admin.get(f"/runs/{other}/revert-preview").url.path == f"/runs/{other}"
    assert admin.get("/runs/999/revert-preview").status_code == 404


def test_in_english_nothing_of_ours_is_chinese(university: World, signed_in: SignedIn) -> None:
    run = mistaken(university)
    admin = signed_in("admin")
    planned(university, admin, run)
    page = admin.get(f"/runs/{run}/revert-preview?lang=en").text
    for said in ("Revert this run", "29 students in all", "Cleared → Not cleared", "No status has changed yet"):
        assert said in page, said
    assert "You can revert a run that was approved by mistake" in admin.get(f"/runs/{run}").text
