"""An office's own program requests a recheck: the call clears nobody, the source's answer does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from clearance.web import application
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.api_tokens import hash_of
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.requests import Requests
from status_db.model import Verdict
from sync.run import process_id
from sync.service.inbox import OTHERS, RECHECKS
from tests.cast import EVERYBODY, LEAVING, LIN, QIAN, SUN
from tests.portal.api.conftest import bearing, give_token
from tests.world import COHORT, World, serving_of

Call = Callable[..., httpx.Response]

#: In no cast.
NOBODY = "20990009"


@pytest.fixture
def call(university: World, client: TestClient) -> Call:
    """Return what calls with the token of the library's desk, which can request rechecks of its loans and fines."""
    secret, _ = give_token(university, "librarian", recheck=["loans", "fines"])

    def post(token: str = secret, **body: Any) -> httpx.Response:
        answer: httpx.Response = client.post("/api/v1/recheck", json=body, headers=bearing(token))
        return answer

    return post


def asked(world: World) -> list[tuple[str | None, str | None]]:
    """Return the student and the source of each waiting request."""
    return [(each.student, each.source) for each in Requests(world.desk).waiting(COHORT)]


def owed_by_lin(world: World) -> set[str]:
    """Return what Lin owes to the library."""
    library = next(step for step in world.student(LIN.number).steps if step.step == "library")
    return {owed.kind for owed in library.finding.evidence}


class TestACall:
    def test_clears_nobody_by_itself_but_by_the_answer_of_the_source(self, university: World, call: Call) -> None:
        university.says["fines"] = []
        answer = call(student=LIN.number, source="fines")
        assert answer.status_code == 202
        assert answer.json() == {
            "request": 1,
            "new": True,
            "cohort": COHORT,
            "student": LIN.number,
            "source": "fines",
        }
        assert university.verdict(LIN.number, "library") is Verdict.HELD
        assert serving_of(university).serve(RECHECKS) == 1
        assert owed_by_lin(university) == {"loan"}

    def test_about_somebody_who_still_owes_changes_nothing(self, university: World, call: Call) -> None:
        before = university.verdicts()
        call(student=LIN.number, source="loans")
        serving_of(university).serve(RECHECKS)
        assert university.verdicts() == before

    def test_asks_the_named_source_alone(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="loans")
        university.says["fines"], university.says["loans"] = [], []
        serving_of(university).serve(RECHECKS)
        assert owed_by_lin(university) == {"fine"}

    def test_appears_in_the_audit_log_with_token_and_source(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="loans")
        (line,) = Audit(university.desk).newest(event=AuditEvent.ASKED_RECHECK)
        assert (line.account, line.student, line.cohort) == ("librarian", LIN.number, COHORT)
        assert line.detail["source"] == "loans"
        assert len(line.detail["token"]) == 12

    def test_accepts_a_number_in_any_spelling(self, university: World, call: Call) -> None:
        wide = "".join(chr(ord(digit) + 0xFEE0) for digit in LIN.number)
        assert call(student=f" {wide} ", source="loans").json()["student"] == LIN.number
        assert asked(university) == [(LIN.number, "loans")]


class TestTheSameCall:
    def test_is_one_request_while_it_waits(self, university: World, call: Call) -> None:
        first, second = call(student=LIN.number, source="loans"), call(student=LIN.number, source="loans")
        assert second.status_code == 202
        assert (first.json()["new"], second.json()["new"]) == (True, False)
        assert first.json()["request"] == second.json()["request"]
        assert asked(university) == [(LIN.number, "loans")]
        assert len(Audit(university.desk).newest(event=AuditEvent.ASKED_RECHECK)) == 1

    def test_of_another_source_or_student_is_another_request(self, university: World, call: Call) -> None:
        for student, source in ((LIN.number, "loans"), (LIN.number, "fines"), (SUN.number, "loans")):
            assert call(student=student, source=source).json()["new"]
        assert len(asked(university)) == 3

    def test_is_another_request_once_the_source_is_being_asked(self, university: World, call: Call) -> None:
        """The office may have been asked before the book was returned."""
        first = call(student=LIN.number, source="loans").json()["request"]
        Requests(university.desk).begin(first, university.now)
        university.later(seconds=11)
        assert call(student=LIN.number, source="loans").json()["new"]
        assert len(asked(university)) == 2

    def test_is_refused_for_a_moment_and_states_for_how_long(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="loans")
        serving_of(university).serve(RECHECKS)
        university.later(seconds=4)
        refused = call(student=LIN.number, source="loans")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
        assert refused.json()["detail"].endswith("Retry in 6 s.")
        university.later(seconds=6)
        assert call(student=LIN.number, source="loans").status_code == 202

    def test_leaves_the_students_own_button_alone(self, university: World, call: Call) -> None:
        requests = Requests(university.desk)
        call(student=LIN.number, source="loans")
        assert requests.last_recheck(COHORT, LIN.number) is None
        requests.ask_recheck(
            COHORT, LIN.number, account=LIN.number, now=university.now, pause=timedelta(minutes=10), day_limit=1
        )
        assert (LIN.number, None) in asked(university)
        assert call(student=LIN.number, source="loans").json()["new"] is False


class TestWhoMay:
    def test_a_token_without_the_permission_is_shown_how_to_get_one(self, university: World, call: Call) -> None:
        secret, _ = give_token(university, "librarian")
        refused = call(token=secret, student=LIN.number, source="loans")
        assert refused.status_code == 403
        assert "--recheck" in refused.json()["detail"]
        assert asked(university) == []

    def test_a_token_of_one_source_asks_no_other_one(self, university: World, call: Call) -> None:
        secret, _ = give_token(university, "dean", recheck=["fees"])
        assert call(token=secret, student=QIAN.number, source="fees").status_code == 202
        for other in ("loans", "nothing-such"):
            refused = call(token=secret, student=QIAN.number, source=other)
            assert (refused.status_code, refused.json()["known"]) == (403, ["fees"])
        assert asked(university) == [(QIAN.number, "fees")]

    def test_a_token_of_every_source_asks_each(self, university: World, call: Call) -> None:
        secret, _ = give_token(university, "dean", recheck=["*"])
        for source in university.settings.source:
            assert call(token=secret, student=LIN.number, source=source).status_code == 202, source

    def test_the_permission_opens_no_step_that_the_account_cannot_read(self, university: World, call: Call) -> None:
        secret, _ = give_token(university, "librarian", recheck=["*"])
        unknown = call(token=secret, student=NOBODY, source="fees")
        outside = call(token=secret, student=QIAN.number, source="fees")
        assert (unknown.status_code, unknown.content) == (404, outside.content)
        assert asked(university) == []

    def test_a_student_outside_of_the_accounts_scope_is_as_unknown_as_nobody(
        self, university: World, call: Call
    ) -> None:
        secret, _ = give_token(university, "counsellor", recheck=["*"])
        outside = next(p for p in LEAVING if p.college != "资源学院")
        refused = [call(token=secret, student=number, source="loans") for number in (outside.number, NOBODY)]
        assert [each.status_code for each in refused] == [404, 404]
        assert refused[0].content == refused[1].content

    def test_the_permission_ends_with_the_token_and_is_sealed_with_it(self, university: World, call: Call) -> None:
        secret, made = give_token(university, "librarian")
        table = tables.token
        with university.desk_engine.begin() as connection:
            connection.execute(table.update().where(table.c.token_hash == hash_of(secret)).values(recheck=["*"]))
        assert made.recheck == ()
        assert call(token=secret, student=LIN.number, source="loans").status_code == 401

    def test_who_needs_no_step_of_the_source_is_not_asked_about(self, university: World, call: Call) -> None:
        university.accounts.add("warden", "宿管", None, grants=(Grant(Act.READ),), now=university.now)
        leaving = {person.number for person in LEAVING}
        stays = next(person.number for person in EVERYBODY if person.number not in leaving)
        secret, _ = give_token(university, "warden", recheck=["*"])
        refused = call(token=secret, student=stays, source="loans")
        assert refused.status_code == 409
        assert asked(university) == []


class TestTheLimit:
    def test_of_a_minute_counts_each_token_alone(self, university: World) -> None:
        few = university.settings.api.model_copy(update={"recheck_rate": 2})
        app = application(university.settings.model_copy(update={"api": few}), clock=university.clock)
        secrets = [give_token(university, "librarian", recheck=["*"])[0] for _ in range(2)]
        with TestClient(app, base_url="https://testserver") as client:

            def post(secret: str, source: str) -> httpx.Response:
                body = {"student": LIN.number, "source": source}
                answer: httpx.Response = client.post("/api/v1/recheck", json=body, headers=bearing(secret))
                return answer

            assert [post(secrets[0], "loans").status_code for _ in range(3)] == [202, 202, 429]
            refused = post(secrets[0], "fines")
            assert refused.headers["retry-after"] == "30"
            assert post(secrets[1], "fines").status_code == 202
            university.later(seconds=30)
            assert post(secrets[0], "fines").status_code == 202


class TestABadBody:
    @pytest.mark.parametrize(
        ("body", "kind", "status", "word"),
        [
            (b"", "application/json", 400, "not a JSON object"),
            (b"[]", "application/json", 400, "not a JSON object"),
            (b'{"student": "1"', "application/json", 400, "not a JSON object"),
            (b'{"student": "1"}', "application/json", 400, "source"),
            (b'{"student": 20151001, "source": "loans"}', "application/json", 400, "student"),
            (b'{"student": "1", "source": "loans", "cleared": true}', "application/json", 400, "unknown"),
            (b'{"student": "\xff", "source": "loans"}', "application/json", 400, "not a JSON object"),
            (b'{"student": "a\\u0000b", "source": "loans"}', "application/json", 400, "student"),
            (b'{"student": "1", "source": "loans", "cohort": "1888"}', "application/json", 400, "cohort"),
            (b"student=1&source=loans", "application/x-www-form-urlencoded", 415, "application/json"),
            (b'{"student": "' + b"1" * 9000 + b'"}', "application/json", 413, "8,192"),
            (b"[" * 8000, "application/json", 400, "not a JSON object"),
        ],
    )
    def test_is_refused_with_the_fix(
        self, university: World, client: TestClient, body: bytes, kind: str, status: int, word: str
    ) -> None:
        secret, _ = give_token(university, "librarian", recheck=["*"])
        answer = client.post("/api/v1/recheck", content=body, headers=bearing(secret) | {"Content-Type": kind})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert word in answer.json()["detail"]
        assert answer.json()["detail"].endswith(".")
        assert asked(university) == []

    def test_no_other_method_and_no_token_is_refused(self, client: TestClient) -> None:
        refused = client.get("/api/v1/recheck")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert client.post("/api/v1/recheck", json={}).status_code == 401


class TestTheScheduler:
    def test_leaves_rechecks_to_their_own_poll(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="loans")
        assert serving_of(university).serve(OTHERS) == 0
        assert asked(university) == [(LIN.number, "loans")]

    def test_asks_beside_a_pull_of_the_same_source(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="fines")
        university.says["fines"] = []
        university.sync._marks.begin(
            "fines",
            "library",
            now=university.now,
            by="other",
            owner=process_id.next_turn(),
            lease_for=timedelta(minutes=5),
            gone=lambda _owner: False,
        )
        assert serving_of(university).serve(RECHECKS) == 1
        assert owed_by_lin(university) == {"loan"}

    def test_refuses_a_source_that_the_settings_no_longer_have(self, university: World, call: Call) -> None:
        call(student=LIN.number, source="fines")
        del university.settings.source["fines"]
        assert serving_of(university).serve(RECHECKS) == 1
        assert asked(university) == []
