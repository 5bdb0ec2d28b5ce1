"""A check of a database asks all that a run and a recheck will ask, so that neither is the first to fail."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors.port import SourceError, SourceGarbled
from tests.connectors.database_office import QUERY, DatabaseOffice, ask, but_clocks
from tests.contract import ROWS


@pytest.fixture
def library(tmp_path: Path) -> DatabaseOffice:
    url = f"sqlite:///{tmp_path / 'library.db'}"
    made = DatabaseOffice(url, url)
    made.fill(ROWS)
    return made


def warned(office: DatabaseOffice, **own: Any) -> list[str]:
    """Return what a check warns of."""
    return but_clocks(ask(office.url, **own).check().warnings)


def test_a_question_about_one_student_that_fits_is_no_matter(library: DatabaseOffice) -> None:
    assert warned(library, one=f"{QUERY} WHERE number = :student") == []
    library.fill([])
    assert warned(library, one=f"{QUERY} WHERE number = :student") == []


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (f"{QUERY} WHERE nummer = :student", r"The query one fails .*nummer.*no recheck of a student counts"),
        (f"{QUERY} WHERE number = :student AND barcode = 'none'", r"omits \d of the \d rows"),
        (f"{QUERY} WHERE number = :student OR 1 = 1", r"returns \d rows about other students.*on :student"),
        ("SELECT number AS NUMBER FROM loans WHERE number = :student", "has no column"),
    ],
    ids=["broken", "too few", "too many", "a column less"],
)
def test_one_that_does_not_bring_what_the_query_has_is_warned_of(library: DatabaseOffice, one: str, said: str) -> None:
    (warning,) = warned(library, one=one)
    assert re.search(said, warning)
    assert "[source.loans]" in warning


@pytest.mark.parametrize(
    "own",
    [
        {"population": "SELECT nummer FROM loans"},
        {"limit": 1},
        {"fingerprint": "SELECT nummer FROM loans"},
        {"query": f"{QUERY} LIMIT 1"},
    ],
    ids=["population", "limit", "fingerprint", "own limit"],
)
def test_what_a_run_would_refuse_a_check_refuses_in_the_same_words(library: DatabaseOffice, own: Any) -> None:
    def refusal(what: str) -> str:
        with pytest.raises(SourceError) as caught:
            getattr(ask(library.url, **own), what)()
        return f"{type(caught.value).__name__} {caught.value}"

    assert refusal("check") == refusal("pull")


def test_a_charset_that_lacks_letters_is_refused_by_a_check_already(mariadb_url: str) -> None:
    with create_engine(mariadb_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE f (xh VARCHAR(30)) CHARACTER SET utf8mb4"))
    url = make_url(mariadb_url).update_query_dict({"charset": "latin1"})
    with pytest.raises(SourceGarbled, match="charset=latin1"):
        ask(url, "SELECT xh FROM f", {"student": "xh"}).check()
