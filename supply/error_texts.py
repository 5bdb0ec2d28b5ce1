"""All error texts of the program: `python -m supply.error_texts` writes docs/error-texts.md.

The texts are read from the source code, grouped by module. A value in a text is shown as {name}.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import product

from supply.locks import ROOT

PAGE = ROOT / "docs" / "error-texts.md"

FOLDERS = ("clearance", "config", "connectors", "foundation", "portal", "status_db", "sync")

#: The root of all errors that a person reads.
_ROOT_CLASS = "Refused"

#: How the command line raises an error, and the checks of a settings table.
_RAISED = ("fail", "BadParameter", "ValueError")

_HEAD = """# Error texts

All error texts of the program, by module. Search this page for the text that you see. A value in a text is shown as
{name}. `make error-texts` writes this page.
"""


def page() -> str:
    """Return the page of all error texts."""
    sections = (f"\n## `{module}`\n\n```text\n{_joined(texts)}\n```\n" for module, texts in error_texts().items())
    return _HEAD + "".join(sections)


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(text.strip().replace("\n", "\n  ") for text in texts)


def error_texts() -> Mapping[str, tuple[str, ...]]:
    """Return module → its error texts in the order of the source code, without modules that have none."""
    files = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    trees = {file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}
    errors = error_classes(trees.values())
    found = {
        module: tuple(dict.fromkeys(texts_in(tree, errors, settings=module.startswith("config/"))))
        for module, tree in trees.items()
    }
    return {module: texts for module, texts in found.items() if texts}


def error_classes(trees: Iterable[ast.Module]) -> AbstractSet[str]:
    """Return the names of all subclasses of the root class."""
    bases = {
        node.name: {_name_of(base) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    errors = {_ROOT_CLASS}
    while more := {name for name, of in bases.items() if of & errors} - errors:
        errors |= more
    return errors


def texts_in(tree: ast.Module, errors: AbstractSet[str], *, settings: bool = False) -> Iterator[str]:
    """Yield the texts given to these errors and to the command line's own; with `settings`, mistakes in settings too.

    A mistake in settings is a text that begins with the place of the key, such as "[portal] port: ".
    """
    calls = {*errors, *_RAISED}
    found: list[tuple[int, str]] = []
    chosen = _chosen_texts(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of(node.func) in calls:
            for parts in product(*(_alternatives(part, chosen.get(id(part), ())) for part in node.args)):
                texts = [part for part in parts if part]
                if any(" " in text for text in texts):
                    found.append((node.lineno, ". ".join(texts)))
        elif settings and (isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _is_translated(node))):
            text = _text_of(node)
            if text.startswith(("[", "{")) and ": " in text and " " in text.partition(": ")[2]:
                found.append((node.lineno, text))
    found += _texts_of_helpers(tree, calls)
    for _, text in sorted(found, key=lambda each: each[0]):
        yield text


def _chosen_texts(tree: ast.Module) -> Mapping[int, tuple[str, ...]]:
    """Return, for the `id` of each `tr(name)` in a function, the texts that the function marks by N_ for that name."""
    chosen: dict[int, tuple[str, ...]] = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        marked: dict[str, list[str]] = {}
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    calls = [each for each in ast.walk(value) if isinstance(each, ast.Call)]
                    marked.setdefault(name, []).extend(_text_of(c.args[0]) for c in calls if _name_of(c.func) == "N_")
        for node in ast.walk(function):
            match node:
                case ast.Call(args=[ast.Name(id=name)]) if _name_of(node.func) == "tr":
                    chosen[id(node)] = tuple(marked.get(name, ()))
    return chosen


def _alternatives(node: ast.AST, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts that an argument can be: one, or several of which the code chooses."""
    if isinstance(node, ast.IfExp):
        both = tuple(text for text in (_text_of(node.body), _text_of(node.orelse)) if text)
        return both or ("",)
    return chosen or (_text_of(node),)


def _texts_of_helpers(tree: ast.Module, calls: AbstractSet[str]) -> Iterator[tuple[int, str]]:
    """Yield the texts of errors that a function of the same module words: `raise StoreError(_text_of(error))`."""
    helpers = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name_of(node.func) not in calls:
            continue
        for argument in node.args:
            if isinstance(argument, ast.Call) and _name_of(argument.func) in helpers:
                inside = ast.walk(helpers[_name_of(argument.func)])
                texts = (_text_of(each) for each in inside if isinstance(each, ast.Call) and _is_translated(each))
                yield from ((node.lineno, text) for text in texts if " " in text)


def _text_of(node: ast.AST) -> str:
    """Return a text with {name} for each value; empty when the node is not a text."""
    match node:
        case ast.Constant(value=str() as text):
            return text if " " in text else ""
        case ast.JoinedStr(values=parts):
            return "".join(str(p.value) if isinstance(p, ast.Constant) else f"{{{_placeholder(p)}}}" for p in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return f"{_text_of(left) or f'{{{_placeholder(left)}}}'}{_text_of(right) or f'{{{_placeholder(right)}}}'}"
        case ast.Call(args=[*_, ast.Constant(value=str() as text)]) if _name_of(node.func) == "tr":
            return text
        case ast.Call(args=[_, ast.Constant(value=str() as text), *_]) if _name_of(node.func) == "tr_n":
            return text
        case _:
            return ""


def _is_translated(call: ast.Call) -> bool:
    return _name_of(call.func) in ("tr", "tr_n")


def _placeholder(node: ast.AST) -> str:
    """Return the name of a value: the last name of an attribute, or the first name in an expression."""
    match node:
        case ast.FormattedValue(value=value) | ast.Subscript(value=value) | ast.Attribute(value=value, attr="value"):
            return _placeholder(value)
        case ast.Name() | ast.Attribute():
            return _name_of(node).strip("_").lower()
        case ast.IfExp(body=ast.Constant(value=str() as one), orelse=ast.Constant(value=str() as other)):
            return f"{one}|{other}"
        case ast.Call(args=[first, *_]):
            return _placeholder(first)
        case _:
            names = (each.id for each in ast.walk(node) if isinstance(each, ast.Name))
            return next(names, "value").strip("_").lower()


def _name_of(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _name_of(value)
        case _:
            return ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
