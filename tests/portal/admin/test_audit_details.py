"""The details of the audit log: every kind has a word, and people, steps and sources have their names."""

import ast
from collections.abc import Callable
from pathlib import Path

from starlette.testclient import TestClient

from portal.admin.audit_details import DETAILS
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from tests.portal.conftest import _HASHED
from tests.portal.html_page import Page
from tests.world import World

SignedIn = Callable[[str], TestClient]

ROOT = Path(__file__).parents[3]
#: What the log stores in columns of their own.
COLUMNS = {"account", "now", "student", "run", "cohort", "address"}


def details() -> dict[str, str]:
    """Return the name of every detail that the code records, with its place."""
    found: dict[str, str] = {}
    for folder in ("portal", "clearance", "status_db", "sync"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and any(_names_event(argument) for argument in node.args):
                    found |= {key.arg: f"{file.name}:{node.lineno}" for key in node.keywords if key.arg}
    return found


def _names_event(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "AuditEvent" for part in ast.walk(node))


def test_every_detail_that_is_recorded_has_a_word() -> None:
    recorded = details()
    assert {"reason", "step", "grants"} <= recorded.keys(), "the calls are found"
    assert {name: place for name, place in recorded.items() if name not in DETAILS.keys() | COLUMNS} == {}


def test_people_steps_and_sources_have_their_names(university: World, signed_in: SignedIn) -> None:
    university.accounts.add("k-9", "康主任", _HASHED, grants=[Grant(Act.MANAGE)], now=university.now)
    audit = Audit(university.desk)
    audit.note(AuditEvent.GRANTED, account="k-9", now=university.now, to="k-9", act="decide", step="library",
               scope=["college=资源学院"])  # fmt: skip
    audit.note(
        AuditEvent.HANDED_OVER, account="k-9", now=university.now, grants=["review final_review college=资源学院"]
    )
    audit.note(AuditEvent.SIGNED_IN, account="k-9", now=university.now, method="ldap")
    shown = Page(signed_in("auditor").get("/audit"))
    lines = {cells[2]: cells for cells in shown.table("时间")[1:] if "康主任" in cells[1]}
    assert "对象账号：康主任" in lines["授予权限"][5]
    assert "环节：图书馆" in lines["授予权限"][5]
    assert "学院：资源学院" in lines["授予权限"][5]
    assert "终审 · " in lines["移交权限"][5]
    assert "final_review" not in lines["移交权限"][5]
    assert "登录方式：学校统一认证密码" in lines["登录"][5]
    assert lines["登录"][1] == "康主任 k-9", "the account by which the log is filtered stays beside the name"


def test_the_page_says_before_how_much_the_file_has(signed_in: SignedIn) -> None:
    assert "最多导出最新的 100000 条" in Page(signed_in("auditor").get("/audit")).text
