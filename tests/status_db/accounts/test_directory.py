"""The directory of accounts, what the roster has to choose from, and lists to page through, on both databases."""

import pytest

from status_db.accounts.accounts import Act, Grant, LastManager
from status_db.accounts.directory import AccountDirectory
from status_db.model import ROSTER, RunState
from status_db.queries.roster import RosterReader
from status_db.queries.runs import RunReader
from tests.cast import GEOLOGY_LOAN, LIN, QIAN, ZHAO
from tests.world import COHORT, World


@pytest.fixture
def directory(world: World) -> AccountDirectory:
    """Three of the staff and three students."""
    for person in (LIN, ZHAO, QIAN):
        world.accounts.add(person.number, person.name, None, student=person.number, now=world.now)
    world.accounts.add("admin", "管理员", "hash", grants=[Grant(Act.MANAGE)], now=world.now)
    grants = [Grant(Act.REVIEW, "final_review", {"college": ("资源学院",)}, "2019"), Grant(Act.READ)]
    world.accounts.add("wang_li", "王丽", None, grants=grants, now=world.now)
    world.accounts.add("wangxli", "100%王", None, now=world.now)
    return AccountDirectory(world.desk_engine)


def names(found: tuple[object, ...]) -> list[str]:
    return [one.account for one in found]  # type: ignore[attr-defined]  # accounts as listed


def test_staff_are_listed_by_name_a_page_at_a_time(directory: AccountDirectory) -> None:
    first = directory.staff(limit=2)
    assert names(first) == ["admin", "wang_li"]
    assert names(directory.staff(after=first[-1].account)) == ["wangxli"]
    assert directory.counted() == (3, 3)


def test_each_comes_with_its_grants(directory: AccountDirectory) -> None:
    found = directory.one(" WANG_LI ")
    assert found is not None
    assert [grant.act for grant in found.grants] == [Act.REVIEW, Act.READ]
    assert all(grant.id for grant in found.grants)
    assert not found.has_password
    assert directory.one("unknown") is None


@pytest.mark.parametrize(
    ("text", "accounts"),
    [
        ("2015100", [LIN.number, ZHAO.number]),
        ("２０１５２００３", [QIAN.number]),
        (LIN.name[:2], [LIN.number]),
        ("WANG_", ["wang_li"]),
        ("%", ["wangxli"]),
        ("王", ["wang_li", "wangxli"]),
        ("_", []),
        ("  ", []),
    ],
)
def test_a_search_takes_every_sign_as_itself(directory: AccountDirectory, text: str, accounts: list[str]) -> None:
    assert names(directory.found(text)) == accounts


def test_holders_of_a_grant_are_read_from_active_accounts_alone(directory: AccountDirectory, world: World) -> None:
    ((account, grant),) = directory.holders(Act.REVIEW)
    assert (account, grant.scope) == ("wang_li", {"college": ("资源学院",)})
    world.accounts.deactivate("wang_li")
    assert directory.holders(Act.REVIEW) == ()


class TestTheLastWhoManages:
    def test_they_keep_the_grant_and_stay_open(self, directory: AccountDirectory, world: World) -> None:
        (held,) = world.accounts.grants("admin")
        assert held.id is not None
        with pytest.raises(LastManager):
            world.accounts.take_grant(held.id)
        with pytest.raises(LastManager):
            world.accounts.deactivate("admin")
        found = world.accounts.find("admin")
        assert found is not None
        assert found.active
        assert found.grants == (Grant(Act.MANAGE),)

    def test_somebody_whose_account_is_shut_or_whose_grant_ends_does_not_stand_in(
        self, directory: AccountDirectory, world: World
    ) -> None:
        world.accounts.grant("wang_li", [Grant(Act.MANAGE)])
        world.accounts.deactivate("wang_li")
        world.accounts.grant("wangxli", [Grant(Act.MANAGE, cohort="2019")])
        with pytest.raises(LastManager):
            world.accounts.deactivate("admin")
        world.accounts.activate("wang_li")
        world.accounts.deactivate("admin")


class TestTheRoster:
    def test_its_values_are_reported_column_by_column(self, world: World) -> None:
        world.run(ROSTER)
        values = RosterReader(world.reading).values(COHORT)
        assert values["college"] == ("地球科学学院", "资源学院")
        assert values["level"] == ("postgraduate", "undergraduate")
        assert "" not in values["building"]

    def test_so_are_the_colleges_of_each_flow(self, world: World) -> None:
        world.run(ROSTER)
        assert RosterReader(world.reading).colleges(COHORT) == {
            "postgraduate": ("资源学院",),
            "undergraduate": ("地球科学学院", "资源学院"),
        }


class TestRunsAndStrangers:
    def test_runs_are_narrowed_and_paged(self, world: World) -> None:
        world.run_all()
        world.run_all()
        runs = RunReader(world.reading)
        assert [view.source for view in runs.listed(COHORT, sources=["fees"])] == ["fees", "fees"]
        assert {view.state for view in runs.listed(COHORT, state=RunState.UNCHANGED)} == {RunState.UNCHANGED}
        first = runs.listed(COHORT, limit=4)
        rest = runs.listed(COHORT, before=first[-1].run)
        assert [view.run for view in (*first, *rest)] == list(range(10, 0, -1))
        assert runs.listed(COHORT, sources=[]) == ()
        assert runs.listed("2020") == ()

    def test_unmatched_rows_with_a_match_hint_come_first(self, world: World) -> None:
        world.says["loans"] = [
            GEOLOGY_LOAN,
            *({**GEOLOGY_LOAN, "CARD": f"9{i:07}", "BARCODE": f"S{i}"} for i in range(3)),
        ]
        world.says["loans"].append({**GEOLOGY_LOAN, "CARD": "20152O03", "BARCODE": "N1"})
        world.run_all()
        runs = RunReader(world.reading)
        keys = [one.key for one in runs.unmatched_keys(COHORT)]
        assert keys == ["20152O03", "90000000", "90000001", "90000002"]
        assert [one.key for one in runs.unmatched_keys(COHORT, "loans", offset=1, limit=2)] == keys[1:3]
        assert runs.unmatched_keys(COHORT, "fees") == ()
        assert runs.unmatched_keys_counted(COHORT) == {"loans": {"one_character": 1, "": 3}}
