"""Every connector has a suite of its own that inherits the contract, and no stand-in answers for it."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from connectors.databases import dameng, oracle, sqlserver
from connectors.databases.base import Backend
from tests.services.university import ROOT

_CONTRACTS = {"ConnectorContract", "PagedContract", "PatronContract"}

#: Databases of which no server runs beside the tests. What can be tried without one is tried in
#: tests/connectors/databases/test_sqlserver.py and test_sql_kin.py.
NEVER_MET = {dameng.Dameng.__name__, sqlserver.SqlServer.__name__}


def suites(folder: Path) -> Iterator[dict[str, object]]:
    """Give what each suite of a folder that inherits a contract declares of itself: its connector, its database."""
    for file in sorted(folder.rglob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or not node.name.startswith("Test"):
                continue
            if _CONTRACTS & {base.id for base in node.bases if isinstance(base, ast.Name)}:
                own = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
                yield {"suite": node.name, **{str(name): value for name, value in own.items()}}


def connectors() -> list[str]:
    """Return the names that a settings file may call a connector by."""
    names = sorted(file.stem for file in (ROOT / "connectors").glob("*.py"))
    return [name for name in names if schema_of(name) is not None]


def without_suite(names: Iterable[str], folder: Path) -> list[str]:
    """Return the connectors that no suite of a folder is about."""
    tried = {suite.get("of") for suite in suites(folder)}
    return [name for name in names if name not in tried]


HERE = Path(__file__).parent


def test_every_connector_has_a_suite_that_inherits_the_contract() -> None:
    assert len(connectors()) >= 12
    assert without_suite(connectors(), HERE) == []


def test_every_suite_is_about_a_connector_that_is_there() -> None:
    about = [str(suite.get("of", f"{suite['suite']} names none")) for suite in suites(HERE)]
    assert set(about) <= set(connectors())


def test_every_database_that_can_be_had_has_a_suite_of_its_own() -> None:
    kinds = {kind.__name__ for kind in Backend.__subclasses__() if kind.__module__.startswith("connectors.")}
    assert {dameng.Dameng, oracle.Oracle, sqlserver.SqlServer} < set(Backend.__subclasses__())
    assert kinds - {suite.get("backend") for suite in suites(HERE)} == NEVER_MET


@pytest.mark.parametrize(
    "written",
    ["", "class TestNew: ...", 'class New(ConnectorContract, of="new"): ...', "class TestNew(ConnectorContract): ..."],
    ids=["no suite", "no contract", "never collected", "no name"],
)
def test_a_new_connector_without_its_suite_is_found(tmp_path: Path, written: str) -> None:
    (tmp_path / "test_new.py").write_text(written, encoding="utf-8")
    assert without_suite(["new"], tmp_path) == ["new"]
    (tmp_path / "test_new.py").write_text('class TestNew(PagedContract, of="new"): ...', encoding="utf-8")
    assert without_suite(["new"], tmp_path) == []
