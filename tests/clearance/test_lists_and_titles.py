"""What an administrator reads in lists: titles of steps, sentences for empty lists, and figures that agree."""

import re
from collections.abc import Sequence

import pytest

from tests.services.small import CLEAR, OWES, Small

LISTS: Sequence[tuple[tuple[str, ...], str]] = (
    (("unmatched",), "There are no unmatched rows."),
    (("notify", "list"), "There are no notifications"),
    (("expect", "list"), "There are no expected changes."),
    (("tokens", "list"), "There are no tokens."),
    (("override", "list"), "There are no decisions."),
    (("certificates", "list"), "There are no certificates."),
    (("import", "list"), "There are no batches."),
    (("retention", "--history"), "Nothing has been removed by retention yet."),
    (("runs", "list", "--source", "absent"), "absent has no runs yet."),
)


@pytest.mark.parametrize(("command", "sentence"), LISTS, ids=[" ".join(command) for command, _ in LISTS])
def test_an_empty_list_is_one_sentence_and_no_headings(
    university_of_three: Small, command: tuple[str, ...], sentence: str
) -> None:
    shown = university_of_three.ended(*command)
    assert shown.code == 0
    assert shown.out.startswith(sentence)
    assert len(shown.out.splitlines()) == 1


def test_status_names_a_step_by_its_title_and_adds_the_key_for_commands(university_of_three: Small) -> None:
    shown = university_of_three.run("status", OWES)
    assert "图书馆 (library)" in shown
    assert re.search(r"  计财处: \S+ → ", shown)


def test_the_title_is_in_the_language_of_the_reader(university_of_three: Small) -> None:
    university_of_three.change('title = "图书馆"', 'title = "图书馆"\ntitle_en = "Library"')
    university_of_three.run("sync")
    assert "Library (library)" in university_of_three.run("status", OWES)
    assert re.search(r"loans +Library ", university_of_three.run("sources"))


def test_a_plan_and_a_run_name_steps_by_their_titles(university_of_three: Small) -> None:
    university_of_three.loans([])
    university_of_three.fines([])
    assert re.search(
        rf"{OWES} +图书馆 +held",
        university_of_three.run("plan", "loans", "fines", code=3) + _synced_fines(university_of_three),
    )


def _synced_fines(university: Small) -> str:
    """Sync the fines, then return the plan of the loans, which now decide the step."""
    university.run("sync", "fines")
    return university.run("plan", "loans", code=3)


def test_a_sync_of_a_source_without_rows_shows_that_there_were_none(university_of_three: Small) -> None:
    university_of_three.fines([])
    (line,) = [line for line in university_of_three.run("sync", "fines").splitlines() if " fines " in line]
    assert "0 rows" in line


class TestAnEmptySource:
    def test_a_check_warns_what_a_sync_takes_it_to_mean_and_ends_well(self, university_of_three: Small) -> None:
        university_of_three.fines([])
        shown = " ".join(university_of_three.run("check", "fines").split())
        assert "warning: The source has 0 rows. A sync takes this as: no student has an open item here." in shown
        assert "that the account can read its rows" in shown

    def test_a_source_with_a_row_has_no_such_warning(self, university_of_three: Small) -> None:
        university_of_three.fines([(CLEAR, "1", "逾期滞纳金")])
        assert "0 rows" not in university_of_three.run("check", "fines")

    def test_the_meaning_is_that_of_the_settings(self, university_of_three: Small) -> None:
        university_of_three.change('obligation = "fine"', 'absent = "unknown"\nobligation = "fine"')
        university_of_three.fines([])
        assert "the data of every student are pending" in " ".join(university_of_three.run("check", "fines").split())

    def test_an_empty_answer_of_an_api_and_an_empty_list_warn_too(self, university_of_three: Small) -> None:
        university_of_three.loans([])
        university_of_three.fees([("学号", "欠费", "项目")])
        assert university_of_three.run("check", "loans", "fees").count("The source has 0 rows.") == 2


def test_an_approved_run_has_the_row_figures_with_which_it_was_suspended(university_of_three: Small) -> None:
    university_of_three.change(
        'first = "apply"\nevery = "1 h"\ncolumns = { student = "学号"',
        'guard = { hold_count = 0, hold_percent = 0 }\nfirst = "suspend"\nevery = "1 h"\ncolumns = { student = "学号"',
    )
    university_of_three.change('path = "fees.csv"', 'path = "other.csv"')
    (university_of_three.folder / "other.csv").write_text(
        f"学号,欠费,项目\n{CLEAR},10,学费\n9999999,10,学费\n8888888,10,学费\n", encoding="utf-8"
    )
    university_of_three.run("sync", code=4)
    (run,) = [
        run for run in university_of_three.json("runs", "list", "--source", "fees") if run["state"] == "suspended"
    ]
    waiting = run["counts"]
    assert waiting["rows"] == 3
    university_of_three.run("runs", "approve", str(run["run"]), "--as", "tester")
    applied = university_of_three.json("runs", "show", str(run["run"]))["run"]
    assert applied["state"] == "applied"
    assert {name: applied["counts"][name] for name in ("rows", "strangers", "staying")} == {
        name: waiting[name] for name in ("rows", "strangers", "staying")
    }


def test_votes_have_their_name_in_json_and_for_one_release_the_former_one(university_of_three: Small) -> None:
    (run, *_) = university_of_three.json("runs", "list")
    shown = university_of_three.json("runs", "show", str(run["run"]))
    assert shown["votes"] == shown["opinions"] == []


def test_sources_count_steps_not_yet_done_apart_from_open_items(university_of_three: Small) -> None:
    university_of_three.change(
        'means = "balance"\nobligation = "fee"',
        'means = "status"\nwords = { done = ["清"], not_done = ["未"] }\nabsent = "held"\nobligation = "fee"',
    )
    university_of_three.change(
        'columns = { student = "学号", amount = "欠费", title = "项目" }',
        'columns = { student = "学号", status = "欠费" }',
    )
    university_of_three.fees([("学号", "欠费"), (OWES, "未")])
    university_of_three.run("sync", code=4)
    for run in university_of_three.json("runs", "list"):
        if run["state"] == "suspended":
            university_of_three.run("runs", "approve", str(run["run"]), "--as", "tester")
    university_of_three.ended("sync")
    for run in university_of_three.json("runs", "list"):
        if run["state"] == "suspended":
            university_of_three.run("runs", "approve", str(run["run"]), "--as", "tester")
    (fees,) = [one["source"] for one in university_of_three.json("sources") if one["source"]["source"] == "fees"]
    # One student has a row, two have none.
    assert (fees["held"], fees["not_done"]) == (0, 3)
    assert re.search(r"held +not yet done +unknown", university_of_three.run("sources"))


def test_a_missing_variable_has_one_fix_and_then_the_command(university_of_three: Small) -> None:
    university_of_three.change("env:FINES_URL:-sqlite:///fines.db", "env:FINES_URL")
    shown = university_of_three.ended("check", "fines", CLEARANCE_LANG="zh")
    lines = " ".join((shown.out + shown.err).split())
    assert "FINES_URL" in lines
    english = " ".join(university_of_three.run("check", "fines", code=5).split())
    assert "use file:PATH. Afterwards: run clearance check fines." in english
