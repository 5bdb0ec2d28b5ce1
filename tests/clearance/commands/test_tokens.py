"""Tokens by the real command on a copy of the demo."""

import re
from pathlib import Path

from status_db.accounts.api_tokens import PREFIX, Tokens, hash_of
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.store.engine import open_writing
from tests.services.university import University


def made(university: University, *words: str) -> tuple[str, str]:
    """Make a token; return its name and the token itself."""
    university.run("accounts", "add", "portal", "--name", "校园门户", "--grant", "read")
    said = university.run("tokens", "create", "校园门户", "--as", "portal", *words)
    name, secret = (
        re.search(r"token (\w{12}) has", said),
        re.search(rf"shown only once: ({PREFIX}[0-9a-f]{{64}})\n", said),
    )
    assert name, said
    assert secret, said
    return name[1], secret[1]


def test_one_that_is_made_is_shown_once_listed_by_name_and_withdrawn(university: University) -> None:
    name, secret = made(university)
    (listed,) = university.json("tokens", "list")
    assert (listed["id"], listed["title"], listed["account"]) == (name, "校园门户", "portal")
    assert secret not in university.run("tokens", "list")
    assert listed["id"] == hash_of(secret).hex()[:12]
    assert "is revoked" in university.run("tokens", "revoke", name)
    assert "revoked" in university.run("tokens", "list")


def test_it_ends_after_four_hundred_days_or_at_a_chosen_time(university: University) -> None:
    name, _ = made(university, "--until", "2099-07-31")
    (listed,) = university.json("tokens", "list")
    assert (listed["id"], listed["until"]) == (name, "2099-07-30T16:00:00Z")
    university.run("tokens", "create", "mini", "--as", "portal")
    mini = next(each for each in university.json("tokens", "list") if each["title"] == "mini")
    assert int(mini["until"][:4]) - int(mini["made_at"][:4]) in (1, 2)


def test_what_makes_no_sense_is_refused_with_the_fix(university: University) -> None:
    assert "clearance accounts list" in university.run("tokens", "create", "x", "--as", "nobody-here", code=1)
    name, _ = made(university)
    assert "later --until" in university.run("tokens", "create", "x", "--as", "portal", "--until", "2019-01-01", code=1)
    assert "clearance tokens list" in university.run("tokens", "revoke", "0" * 12 if name[0] != "0" else "f", code=1)


def test_making_and_withdrawing_one_is_in_the_audit_log(university: University) -> None:
    name, secret = made(university)
    university.run("tokens", "revoke", name)
    (desk,) = Path(university.config.parent.parent).rglob("clearance-desk.db")
    engine = open_writing(f"sqlite:///{desk}")
    lines = Audit(engine).newest(2)
    assert [line.event for line in lines] == [AuditEvent.TOKEN_WITHDRAWN, AuditEvent.TOKEN_MADE]
    assert all(line.detail["token"] == name and line.detail["whose"] == "portal" for line in lines)
    assert secret not in repr(lines)
    assert Tokens(engine).find(hash_of(secret), lines[0].at) is None
    engine.dispose()
