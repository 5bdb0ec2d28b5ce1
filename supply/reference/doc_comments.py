"""Doc comments of classes: the lines that begin with `#:` above a field of a settings table or a member of an enum."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType


def doc_comments(of: type) -> Mapping[str, str]:
    """Return name → comment for the fields or members of a class and of its bases that the program defines."""
    found: dict[str, str] = {}
    for each in reversed(of.__mro__):
        file = inspect.getsourcefile(each) if each.__module__.partition(".")[0] not in ("builtins", "enum") else None
        if file is not None:
            found |= _in_file(Path(file)).get(each.__name__, {})
    return found


def module_comments(module: ModuleType) -> Mapping[str, str]:
    """Return name → comment for the values of a module."""
    return _in_file(Path(str(module.__file__)))[""]


@cache
def _in_file(file: Path) -> Mapping[str, Mapping[str, str]]:
    """Return class → name → comment; the module itself is the class without a name."""
    source = file.read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.splitlines()
    places: list[tuple[str, ast.ClassDef | ast.Module]] = [("", tree)]
    places += [(node.name, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {place: {name: text for name, text in _comments(node, lines) if text} for place, node in places}


def _comments(node: ast.ClassDef | ast.Module, lines: list[str]) -> Iterator[tuple[str, str]]:
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name, _above(lines[: each.lineno - 1])


def _above(lines: list[str]) -> str:
    """Return the comment that ends with the last of these lines."""
    comment: list[str] = []
    for line in reversed(lines):
        if not line.strip().startswith("#:"):
            break
        comment.insert(0, line.strip().removeprefix("#:").strip())
    return " ".join(comment)
