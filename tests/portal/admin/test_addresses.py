"""Where notifications go, on the pages: owners enter it, or administrators, and the audit log has each change."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from config.tables.notify import Notify, Webhook
from config.tables.secrets import Secret
from status_db.accounts.addresses import Addresses, NotifyAddresses
from status_db.accounts.audit_log import Audit, AuditEvent
from tests.cast import LIN
from tests.portal.conftest import token_in
from tests.world import World

SignedIn = Callable[[str], TestClient]
FORM = {"mail": "wang@example.edu.cn", "wecom": "WangWu", "dingtalk": "0123"}


@pytest.fixture
def university(university: World) -> World:
    """A university that notifies a group."""
    notify = Notify(wecom=Webhook(url=Secret.given("https://robot.example/send")), mail_domains=["example.edu.cn"])
    university.settings = university.settings.model_copy(update={"notify": notify})
    return university


def post(made: TestClient, path: str, **fields: str) -> tuple[int, str]:
    answer = made.post(path, data={"form_token": token_in(made.get("/own")), **fields})
    return answer.status_code, answer.text


def changes(world: World) -> list[tuple[str, dict[str, object]]]:
    return [(one.account, dict(one.detail)) for one in Audit(world.desk).newest(event=AuditEvent.ADDRESSES_CHANGED)]


def test_an_owner_enters_changes_and_removes_addresses(university: World, signed_in: SignedIn) -> None:
    made, stored = signed_in("librarian"), Addresses(university.desk)
    status, page = post(made, "/own/addresses", **FORM)
    assert status == 200
    assert 'value="wang@example.edu.cn"' in page
    assert stored.of("librarian") == NotifyAddresses(**FORM)
    post(made, "/own/addresses", **FORM | {"mail": "", "wecom": "Wang2"})
    assert stored.of("librarian") == NotifyAddresses("", "Wang2", "0123")
    assert changes(university) == [
        ("librarian", {"of": "librarian", "fields": ["mail", "wecom"]}),
        ("librarian", {"of": "librarian", "fields": ["mail", "wecom", "dingtalk"]}),
    ]


def test_an_administrator_enters_them_and_the_owner_sees_who_did(university: World, signed_in: SignedIn) -> None:
    post(signed_in("admin"), "/accounts/librarian/addresses", **FORM)
    assert Addresses(university.desk).of("librarian") == NotifyAddresses(**FORM)
    assert changes(university) == [("admin", {"of": "librarian", "fields": ["mail", "wecom", "dingtalk"]})]
    assert "更改通知地址" in signed_in("librarian").get("/own").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"mail": "wang"},
        {"mail": "a@b.cn, c@d.cn"},
        {"mail": "a@b.cn\r\nBcc: x@y.cn"},
        {"mail": "王 <wang@example.edu.cn>"},
        {"wecom": "两个 词"},
        {"dingtalk": "x" * 65},
    ],
)
def test_what_is_no_address_is_refused_with_the_fix_and_nothing_is_stored(
    university: World, signed_in: SignedIn, wrong: dict[str, str]
) -> None:
    status, page = post(signed_in("librarian"), "/own/addresses", **FORM | wrong)
    assert status == 422
    assert "请改正后再保存" in page
    assert Addresses(university.desk).all() == {}
    assert changes(university) == []


def test_an_address_outside_of_the_domains_is_refused_with_its_own_words(
    university: World, signed_in: SignedIn
) -> None:
    for account, path in (("librarian", "/own/addresses"), ("admin", "/accounts/librarian/addresses")):
        status, page = post(signed_in(account), path, **FORM | {"mail": "wang@private.example"})
        assert status == 422
        assert "通知只发到本校的邮箱" in page
    assert Addresses(university.desk).all() == {}
    assert changes(university) == []


def test_a_student_has_no_such_form(university: World, signed_in: SignedIn) -> None:
    made = signed_in(LIN.number)
    assert "接收通知的地址" not in made.get("/own").text
    assert post(made, "/own/addresses", **FORM)[0] == 404
    assert post(signed_in("admin"), f"/accounts/{LIN.number}/addresses", **FORM)[0] == 422
