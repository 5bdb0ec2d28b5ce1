"""Measures of the code's structure: sizes of files and folders, names, and duplicate lines.

Run it as `python -m benchmarks.structure`. It does not import or run the project.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("foundation", "config", "status_db", "connectors", "sync", "portal", "demo", "clearance")

#: This many equal lines count as duplicate; blanks, comments and imports are left out.
SAME_LINES = 10

#: More modules than these in a folder, lines in a file, lines in a function.
FOLDER, FILE, FUNCTION = 15, 400, 60

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> dict[str, ast.Module]:
    """Return every module of the product by its dotted name, without migrations."""
    found: dict[str, ast.Module] = {}
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in file.parts:
                name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def file_of(module: str) -> Path:
    """Return the file of a module or package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports(module: ast.Module, known: Mapping[str, ast.Module]) -> Iterator[str]:
    """Return the modules of the product that a module imports, including imports inside functions."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known or node.module in known:
                    yield inner if inner in known else node.module


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return each set of names that reach one another."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for target in edges.get(todo.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        reached[start] = seen
    groups = {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in edges if a in reached[a]}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def of_siblings(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the circles between neighbours in one folder; each sub-folder counts as one."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for source, targets in edges.items():
        for target in targets:
            left, right = source.split("."), target.split(".")
            same = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
            if same is not None:
                parent = ".".join(left[:same])
                found[parent][".".join(left[: same + 1])].add(".".join(right[: same + 1]))
    return [circle for inner in found.values() for circle in circles(inner)]


def written_twice(names: Mapping[str, ast.Module]) -> list[tuple[str, str]]:
    """Return the pairs of modules with the same lines, once for each run of lines."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for name, tree in names.items():
        lines = [line.strip() for line in file_of(name).read_text(encoding="utf-8").splitlines()]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or 0) - node.lineno + 1)
        body = [line for line in lines if line and not line.startswith("#")]
        for at in range(len(body) - SAME_LINES + 1):
            places[tuple(body[at : at + SAME_LINES])].append((name, at))
    last: dict[tuple[str, str], int] = {}
    found: list[tuple[str, str]] = []
    for same in places.values():
        for (one, at), (other, _) in pairwise(same):
            if last.get((one, other), -SAME_LINES) + 1 < at:
                found.append((one, other))
            last[one, other] = at
    return found


def _main() -> None:
    names = modules()
    edges = {name: {t for t in imports(tree, names) if t != name} for name, tree in names.items()}
    classes, functions = defaultdict[str, list[str]](list), defaultdict[str, set[str]](set)
    roots, longest = list[str](), list[tuple[int, str]]()
    known_classes = {node.name for tree in names.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, tree in names.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(name)
                bases = [ast.unparse(base) for base in node.bases]
                raised = any(base.endswith(("Exception", "Error")) for base in bases)
                if raised and not node.name.startswith("_") and not any(b in known_classes for b in bases):
                    roots.append(f"{name}.{node.name}")
            elif isinstance(node, _FUNCTIONS):
                functions[node.name].add(name)
        longest += [
            ((node.end_lineno or 0) - node.lineno + 1, f"{name}:{node.name}")
            for node in ast.walk(tree)
            if isinstance(node, _FUNCTIONS)
        ]
    files = sorted((len(file_of(name).read_text(encoding="utf-8").splitlines()), name) for name in names)
    folders = Counter(file_of(name).parent for name in names if file_of(name).name != "__init__.py")
    twice = written_twice(names)
    out = sys.stdout.write
    for title, lines in {
        f"folders with more than {FOLDER} modules": [
            f"{folder.relative_to(ROOT)} ({count})" for folder, count in folders.items() if count > FOLDER
        ],
        "circles between files": ["; ".join(circle) for circle in circles(edges)],
        "circles between folders": ["; ".join(circle) for circle in of_siblings(edges)],
        "class names defined twice": [f"{n}: {', '.join(at)}" for n, at in sorted(classes.items()) if len(at) > 1],
        "function names in more than three modules": [f"{n} ({len(a)})" for n, a in functions.items() if len(a) > 3],
        f"files over {FILE} lines": [f"{name} ({count})" for count, name in reversed(files) if count > FILE],
        f"functions over {FUNCTION} lines": [f"{n} ({c})" for c, n in sorted(longest, reverse=True) if c > FUNCTION],
        "roots of exceptions": roots,
        f"runs of {SAME_LINES} and more lines written twice": [f"{one} = {other}" for one, other in twice],
    }.items():
        out(f"{title}: {len(lines)}\n")
        for line in lines if "-v" in sys.argv else []:
            out(f"    {line}\n")
    out(f"longest file: {files[-1][0]} lines ({files[-1][1]})\n")
    out(f"longest function: {max(longest)[0]} lines ({max(longest)[1]})\n")


if __name__ == "__main__":
    _main()
