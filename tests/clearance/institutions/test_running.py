"""One schedule and one portal for several institutions, as real processes: one is added, broken and removed."""

import json

import pytest
from sqlalchemy import text

from tests.compiling import create_engine
from tests.patience import until
from tests.services.institutions import Installation

pytestmark = pytest.mark.slow

PKU, THU, USTC = (f"{key}.example.edu.cn" for key in ("pku", "thu", "ustc"))


def connections(two: Installation) -> int:
    engine = create_engine(two.url)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        ).scalar_one()
    engine.dispose()
    return int(found)


def test_an_institution_is_added_to_a_running_installation_broken_mended_and_removed(two: Installation) -> None:
    with two.running("schedule") as schedule, two.running("serve") as portal:
        for key in ("pku", "thu"):
            schedule.wait_for("institution started", key)
        until(lambda: two.status(PKU) == 200)
        assert two.status(USTC) == 421

        two.add("ustc")
        schedule.hang_up()
        portal.hang_up()
        schedule.wait_for("institution started", "ustc")
        until(lambda: two.status(USTC) == 200)
        assert "ustc 大学" in two.ask(USTC, "/sign-in")[1]
        finished = [line for line in schedule.events("run finished") if line["institution"] == "ustc"]
        assert {line["source"] for line in finished} == {"roster", "loans"}
        assert 'clearance_source_rows{cohort="2019",institution="ustc",source="loans"} 1.0' in two.metrics()

        two.change("thu", "[institution]", "[institution")
        schedule.hang_up()
        portal.hang_up()
        schedule.wait_for("settings not used", "thu")
        portal.wait_for("settings not used", "thu")
        until(lambda: json.loads(two.ask("10.0.0.1", "/readyz")[1])["unusable_settings"] == 1)
        assert {two.status(host) for host in (PKU, THU, USTC)} == {200}, "the broken one goes on as it was"
        assert 'clearance_institution_settings_usable{institution="thu"} 0.0' in two.metrics()
        assert two.metrics("/readyz") == "ok\ninstitutions=3 unusable_settings=1\n"

        two.change("thu", "[institution", "[institution]")
        two.change("pku", "pku 大学", "北大")
        two.file("ustc").unlink()
        schedule.hang_up()
        portal.hang_up()
        schedule.wait_for("institution removed", "ustc")
        assert schedule.wait_for("settings reloaded", "pku")["changed"] == ["institution"]
        until(lambda: two.status(USTC) == 421)
        assert "北大" in two.ask(PKU, "/sign-in")[1]
        metrics = two.metrics()
        assert 'clearance_institution_settings_usable{institution="thu"} 1.0' in metrics
        assert "ustc" not in metrics
        counted = two.metrics(above=1)
        assert 'clearance_requests_total{institution="pku",method="GET",route="/sign-in",status="200"}' in counted
        # 2 institutions × 4 engines × 5 connections in each of 2 processes.
        assert connections(two) <= 80
        schedule.process.terminate()
        assert schedule.process.wait() == 0


def test_an_institution_whose_database_does_not_answer_stops_no_other(two: Installation) -> None:
    (two.folder / "thu" / "status-url").write_text("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with two.running("schedule") as schedule:
        schedule.wait_for("institution started", "pku")
        assert "clearance" not in schedule.wait_for("institution not started", "thu").get("traceback", "")
        until(lambda: two.metrics("/readyz").startswith("ok"))
    listed = json.loads(two.ended("institutions", "list", "--json").out)
    assert [one["tables"]["marks"] for one in listed][1] == "unreachable"


def test_add_is_repeatable_and_keeps_the_keys(two: Installation) -> None:
    before = {file: file.read_bytes() for file in (two.folder / "pku").glob("*.key")}
    assert len(before) == 2
    shown = two.run("", "institutions", "add", "pku")
    assert "kept" in shown
    assert {file: file.read_bytes() for file in before} == before


def test_add_does_not_make_the_key_of_a_ledger_that_has_lost_it(two: Installation) -> None:
    """Another key would hide that the ledger cannot be checked."""
    (two.folder / "pku" / "ledger.key").unlink()
    two.run("", "institutions", "add", "pku")
    assert not (two.folder / "pku" / "ledger.key").exists()


def test_check_without_an_institution_checks_all_whatever_the_others_are_like(two: Installation) -> None:
    two.write("aaa", host=THU)
    two.file("bbb").write_text("[")
    ended = two.ended("check")
    assert ended.code == 1
    assert ended.out.index("institution aaa") < ended.out.index("institution pku") < ended.out.index("pku/library.db")
    assert "also belongs to" in ended.err
    assert "invalid TOML" in ended.err
