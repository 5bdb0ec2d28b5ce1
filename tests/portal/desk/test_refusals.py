"""Every code that can reach a page of the desk has its sentence, and no sentence is for a code that nothing gives."""

import re
from collections.abc import Mapping
from enum import StrEnum
from zoneinfo import ZoneInfo

import pytest

from portal.admin import account_changes
from portal.auth.refusals import SignInCode
from portal.desk.context.refusals import SENTENCES, SHEET, Surface, unfilled
from portal.desk.context.services import SheetCode
from portal.i18n import languages
from portal.present import appeals
from portal.signin import providers
from status_db.decisions.batch_rows import RowFault
from status_db.decisions.refusals import DecisionCode
from status_db.inbox.appeals import AppealCode
from status_db.inbox.pending_changes import ChangeCode
from tests.services.university import ROOT

#: No page lets anybody ask for it, or the page has looked before: the general sentence would do.
NO_PAGE_ASKS = {
    DecisionCode.NO_SUCH_FLOW: "a flow that the settings name no more",
    DecisionCode.IS_A_REVIEW: "a review has its own page",
    DecisionCode.NO_SUCH_REVIEW: "a step has its own page",
    DecisionCode.NO_SUCH_VERDICT: "the form offers what can be given",
    DecisionCode.NONE_CHOSEN: "the form says so before",
    DecisionCode.NONE_PASSED: "each who is left out has a sentence",
    DecisionCode.NO_SUCH_BATCH: "HTTP 404",
}


@pytest.mark.parametrize("family", SENTENCES)
def test_every_code_has_a_sentence_and_no_other_has_one(family: type[StrEnum]) -> None:
    assert SENTENCES[family].keys() == set(family)
    assert {code for code, said in SENTENCES[family].items() if not said} == {
        c for c in NO_PAGE_ASKS if isinstance(c, family)
    }


@pytest.mark.parametrize(
    ("table", "family"),
    [(appeals.REFUSALS, AppealCode), (account_changes._WHY, ChangeCode), (providers._STATUS, SignInCode)],
    ids=["appeals", "changes to accounts", "ways to sign in"],
)
def test_every_code_of_a_family_with_one_table_is_in_it(table: Mapping[str, object], family: type[StrEnum]) -> None:
    assert table.keys() == set(family)


def test_no_sentence_is_for_a_code_that_nothing_gives() -> None:
    tables = {"portal/desk/context/refusals.py", "status_db/decisions/refusals.py"}
    source = "".join(
        file.read_text(encoding="utf-8")
        for room in ("clearance", "portal", "status_db")
        for file in (ROOT / room).rglob("*.py")
        if file.relative_to(ROOT).as_posix() not in tables
    )
    given = set(re.findall(r"\b(?:DecisionCode|RowFault|SheetCode|FormCode)\.[A-Z_]+", source))
    assert given == {f"{family.__name__}.{code.name}" for family in SENTENCES for code in family}


@pytest.mark.parametrize("surface", Surface)
def test_every_sentence_is_in_the_english_catalogue(surface: Surface) -> None:
    english = languages.load(("en",), ZoneInfo("Asia/Shanghai"))["en"]
    for family in SENTENCES:
        for code in family:
            if family is DecisionCode or surface is SHEET:
                assert english.gettext(unfilled(code, surface)) != unfilled(code, surface), code


def test_a_cell_that_is_empty_reads_as_one_that_is_not_where_that_is_all_the_same() -> None:
    assert unfilled(RowFault.NAME, Surface.EMPTY_CELL) != unfilled(RowFault.NAME, SHEET)
    assert unfilled(RowFault.NO_SUCH_STUDENT, Surface.EMPTY_CELL) == unfilled(RowFault.NO_SUCH_STUDENT, SHEET)


def test_codes_of_two_families_that_are_spelled_alike_have_their_own_sentences() -> None:
    assert "twice" in set(RowFault) & set(SheetCode)
    assert unfilled(RowFault.TWICE, SHEET) != unfilled(SheetCode.TWICE, SHEET)
