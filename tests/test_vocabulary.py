"""The glossary's English words are the code's: each occurs under its name, and replaced names do not come back."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from supply.error_texts import FOLDERS
from tests.services.university import ROOT

#: Words of the old vocabulary. Each was replaced by the field's own: an unmatched row, an expected change, a vote.
REPLACED = frozenset(
    {
        "stranger", "strangers", "wave", "waves", "opinion", "plausible", "morning", "doors", "scene", "standing",
        "sight", "tally", "slowdown", "journeys", "arrivals", "outgrown", "deed", "deeds", "footing", "told", "mend",
        "board",
    }
)  # fmt: skip

#: Identifiers with such a word that stay, each with the reason.
KEPT = {
    # A column of the database, which keeps its name: docs/decisions/0026.
    "told",
    # An address in a template of the desk.
    "morning",
}


def modules() -> Iterator[Path]:
    """Yield the modules of the product. A migration keeps the names of its time."""
    for folder in FOLDERS:
        yield from (file for file in (ROOT / folder).rglob("*.py") if "migrations" not in file.parts)


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Yield every name that a module defines or uses."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str() as name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def words(name: str) -> list[str]:
    """Return the words of a name, in snake case or camel case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


@cache
def names() -> frozenset[str]:
    """Return every identifier of the product, as words with blanks."""
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in modules())
    return frozenset(" ".join(words(name)) for tree in trees for name in identifiers(tree))


@cache
def texts() -> str:
    """Return all that the product has in English: texts of the code, and the English of the pages."""
    catalogues = (ROOT / "portal" / "locale" / "en").rglob("*.po")
    files = [*modules(), *catalogues]
    joined = " ".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r'"\s*\n\s*f?"|\s+', " ", joined).lower()


def test_no_identifier_has_a_word_that_was_replaced() -> None:
    found = {
        (name, file.relative_to(ROOT).as_posix())
        for file in modules()
        for name in identifiers(ast.parse(file.read_text(encoding="utf-8")))
        if name not in KEPT and REPLACED.intersection(words(name))
    }
    assert found == set()


def test_every_name_that_is_kept_is_still_there() -> None:
    assert {name for name in KEPT if name not in names()} == set()


#: Terms that no name or text has: an example, and words for what a document describes.
ONLY_IN_DOCUMENTS = {"run 318", "login failed", "notification", "purge"}


def terms() -> list[str]:
    """Return the glossary's English terms of the command line and of administrators, without notes in brackets."""
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| [^|]* \| [^|]*\bC \| [^|]* \|$", page, re.MULTILINE)
    assert len(rows) >= 30
    return [term.strip() for row in rows for term in re.split(r"[;/,]", re.sub(r"\([^)]*\)", "", row)) if term.strip()]


@pytest.mark.parametrize("term", sorted(set(terms()) - ONLY_IN_DOCUMENTS))
def test_a_term_of_the_glossary_occurs_in_the_code_under_its_name(term: str) -> None:
    plain = term.rstrip(":").lower()
    in_a_name = any(f" {plain} " in f" {name} " for name in names())
    # A short message: the whole text of the product is long.
    assert in_a_name or bool(re.search(rf"\b{re.escape(plain)}\b", texts())), term


def test_every_code_that_the_glossary_names_is_a_value_of_the_code() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    codes = re.findall(r"\(code: `(\w+)`\)", page)
    assert len(codes) >= 4
    assert [code for code in codes if f'= "{code}"' not in texts()] == []
