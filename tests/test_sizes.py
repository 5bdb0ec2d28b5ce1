"""Each property test takes its number of examples from `tests/sizes.py`, so that a soak tries more of each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_FILES = sorted(file for file in _HERE.rglob("*.py") if "hypothesis" in file.read_text(encoding="utf-8"))


def _fixed(tree: ast.AST) -> Iterator[ast.expr]:
    """Give each number of examples, and each choice of the same ones, that no size can change."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="max_examples" | "derandomize", value=ast.Constant() as value):
                yield value


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.relative_to(_HERE).as_posix())
def test_no_number_of_examples_is_fixed(file: Path) -> None:
    fixed = [f"line {node.lineno}: {ast.unparse(node)}" for node in _fixed(ast.parse(file.read_text(encoding="utf-8")))]
    assert not fixed, "take it from tests/sizes.py, so that make soak and make property can change it"


def test_every_file_that_plays_properties_is_looked_at() -> None:
    assert {"test_hostile.py", "test_machine.py", "test_fuzz.py", "conftest.py"} <= {file.name for file in _FILES}
