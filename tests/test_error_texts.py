"""The page of all error texts: what is collected, and that the page is current."""

import ast

import pytest

from supply import error_texts
from supply.error_texts import texts_in

ERRORS = {"SourceRefused", "StoreError"}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('fail(f"there is no run {run}. See: clearance runs list")', "there is no run {run}. See: clearance runs list"),
        ('raise StoreError(Code.GONE, f"{program.settings.url} is gone: " + fix)', "{url} is gone: {fix}"),
        ('fail(f"run {run} is {found.state.value}")', "run {run} is {state}"),
        ('raise SourceRefused(f"{name} refused", "Ask the office.")', "{name} refused. Ask the office."),
        ('fail(tr("there is no run {run}. See it.", run=run))', "there is no run {run}. See it."),
        ('fail(tr_n("one is gone. Look.", "{number} are gone. Look.", n))', "{number} are gone. Look."),
        ("""raise ValueError(f"write one of {', '.join(sorted(known))}")""", "write one of {known}"),
        ("""fail(f"the file is {'empty' if size else 'missing'}")""", "the file is {empty|missing}"),
    ],
)
def test_a_text_is_collected_with_names_for_its_values(code: str, text: str) -> None:
    assert list(texts_in(ast.parse(code), ERRORS)) == [text]


@pytest.mark.parametrize(
    "code", ['log("a run ended")', 'raise KeyError("no such key")', "fail(message)", 'StoreError("x")']
)
def test_other_texts_and_errors_without_a_text_are_left_out(code: str) -> None:
    assert list(texts_in(ast.parse(code), ERRORS)) == []


@pytest.mark.parametrize(
    "code",
    [
        'def f():\n what = N_("{name} is gone.")\n if new:\n  what = N_("{name} is new.")\n fail(tr(what, name=name))',
        'fail(tr("{name} is gone.", name=name) if gone else tr("{name} is new.", name=name))',
    ],
)
def test_each_text_that_an_error_is_chosen_from_is_collected(code: str) -> None:
    assert list(texts_in(ast.parse(code), ERRORS)) == ["{name} is gone.", "{name} is new."]


def test_the_texts_of_a_function_that_words_an_error_are_collected() -> None:
    code = """
def check(row):
    raise StoreError(Code.GONE, _gone_text(row))

def _gone_text(row):
    return tr("{row} is gone. Look.", row=row) if row else tr("all are gone. Look.")

def _of_a_page(row):
    return tr("nothing here yet")
"""
    assert list(texts_in(ast.parse(code), ERRORS)) == ["{row} is gone. Look.", "all are gone. Look."]


def test_mistakes_of_settings_are_collected_from_the_settings_alone() -> None:
    tree = ast.parse('found.append(f"[{where}] every: give it longer")')
    assert list(texts_in(tree, ERRORS, settings=True)) == ["[{where}] every: give it longer"]
    assert list(texts_in(tree, ERRORS)) == []


def test_every_folder_of_the_product_has_error_texts() -> None:
    found = {module.partition("/")[0] for module in error_texts.error_texts()}
    assert found == set(error_texts.FOLDERS) - {"foundation"}


@pytest.mark.skipif(not error_texts.PAGE.exists(), reason="written by make error-texts")
def test_the_page_is_current() -> None:
    assert error_texts.PAGE.read_text(encoding="utf-8") == error_texts.page(), "run: make error-texts"
