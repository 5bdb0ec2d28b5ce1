"""Commands and settings keys that were renamed: the old names work for one release, and nothing suggests them."""

import pytest

from clearance.main import RENAMED
from tests.services.in_process import command
from tests.services.small import Small
from tests.services.university import ROOT

#: What follows a name, so that the command runs and changes nothing.
WORDS = {
    "waves": ("list", "--json"),
    "strangers": ("--json",),
    "runs plausible": ("999", "--as", "librarian"),
    "tokens make": ("x", "--as", "no-account"),
    "tokens withdraw": ("0" * 12,),
    "accounts take": ("no-account", "1"),
}


def test_every_old_name_is_tried_here() -> None:
    assert WORDS.keys() == RENAMED.keys()


@pytest.mark.parametrize("old", WORDS)
def test_an_old_name_does_what_the_new_one_does_and_names_it_on_stderr(university_of_three: Small, old: str) -> None:
    new, called = RENAMED[old], university_of_three.ended
    before, after = called(*old.split(), *WORDS[old]), called(*new.split(), *WORDS[old])
    assert (before.code, before.out) == (after.code, after.out)
    notice = f"'{old}' is now '{new}'. The old name works until the next release.\n"
    assert before.err == notice + after.err


@pytest.mark.parametrize("old", WORDS)
def test_help_and_completion_list_the_new_name_alone(old: str) -> None:
    *group, name = old.split()
    listed = command([*group, "--help"], {"COLUMNS": "200"}).out.split()
    completing = {"_CLEARANCE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["clearance", *group, ""])}
    completed = command([], {**completing, "COMP_CWORD": str(len(group) + 1)}).out.split()
    for found in (listed, completed):
        assert RENAMED[old].split()[-1] in found
        assert name not in found


def test_check_names_a_former_key_and_so_does_the_log(university_of_three: Small) -> None:
    environ = {"CLEARANCE__DESK__OBJECTION_DUE": "8 h"}
    notice = "[desk] objection_due is now appeal_due. The old key works until the next release. Rename it."
    checked = university_of_three.ended("check", **environ)
    assert notice in " ".join(checked.err.split())
    assert notice not in university_of_three.ended("check").err
    logged = university_of_three.ended("--verbose", "sources", **environ)
    assert "settings key renamed" in logged.err


def test_the_changelog_names_every_old_and_new_name() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [old for old, new in RENAMED.items() if f"`clearance {new}` instead of `{old}`" not in text] == []
