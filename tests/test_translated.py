"""Every text that a person reads on a terminal is marked for translation, and every code that it shows has a word."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

import pytest

from clearance.output.code_words import CHECKED, word
from config.tables.notify import NotifyEvent
from connectors.port import ProofKind
from foundation import translation
from portal.auth.passwords import Weakness
from status_db.accounts.accounts import SCOPE_COLUMNS, Act
from status_db.decisions.batches import BatchKind
from status_db.desk.seals import SEALED
from status_db.model import Cause, Reason, RunState, Verdict
from status_db.stored_counts import RunCounts
from supply import error_texts
from tests.services.university import ROOT
from tests.services.written import text_of

#: The folders whose texts are all marked.
FOLDERS = ("clearance", "foundation")

MODULES = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

CHINESE = re.compile(r"[\u4e00-\u9fff]")

#: What is called with a text for a person, besides the errors of the program.
_SHOWN = ("fail", "BadParameter", "ValueError")

#: Texts that are the same in every language.
_SAME: Mapping[str, tuple[str, ...]] = {
    "clearance/main.py": ("clearance X",),
    # What monitoring reads.
    "clearance/monitoring/observed.py": ("institutions=X unusable_settings=X\n",),
}


def _errors() -> frozenset[str]:
    """Return the names of the errors that a person reads."""
    files = (file for folder in error_texts.FOLDERS for file in (ROOT / folder).rglob("*.py"))
    return frozenset(error_texts.error_classes(ast.parse(file.read_text(encoding="utf-8")) for file in files))


#: A word of a language, rather than a code, a value or a symbol.
_WORD = re.compile(r"[a-z]{2,}")


def _is_words(text: str) -> bool:
    return bool(_WORD.search(text.replace("X", "")))


def _is_sentence(text: str) -> bool:
    return len(_WORD.findall(text)) > 2 and " " in text


def unmarked(tree: ast.AST, errors: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield each text that a person reads and that no translator sees: its line, and what is written of it."""
    calls = {*errors, *_SHOWN}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in calls:
                yield from _of(args, _is_sentence)
            case ast.Call(func=ast.Attribute(value=output, attr="print"), args=args) if ast.unparse(output)[-3:] in (
                "OUT",
                "ERR",
            ):
                yield from _of(args, _is_words)
            case ast.Call(func=ast.Attribute(attr="table"), args=[ast.Tuple(elts=names), *_], keywords=keywords):
                yield from _of([*names, *(each.value for each in keywords if each.arg == "title")], _is_words)
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                parts = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
                yield from _of(parts, _is_sentence)


def _of(nodes: Iterable[ast.expr], is_text: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    yield from ((node.lineno, text) for node in nodes if is_text(text := text_of(node)))


ERRORS = _errors()


@pytest.mark.parametrize("module", MODULES)
def test_every_text_of_a_module_is_marked_for_translation(module: str) -> None:
    found = unmarked(ast.parse((ROOT / module).read_text(encoding="utf-8")), ERRORS)
    assert [f"{line}: {text}" for line, text in found if text not in _SAME.get(module, ())] == []


@pytest.mark.parametrize(
    "code",
    [
        'fail(f"there is no run {run}. See: clearance runs list")',
        'raise SourceRefused(SourceCode.DENIED, "the account is not known. Check it.")',
        'OUT.print(f"removed {gone}")',
        'tables.ERR.print("warning")',
        'tables.table((tr("run"), "source"), rows)',
        'tables.table((tr("run"),), rows, title="some of its changes")',
        'def check():\n    return ["only one account has the grant"]',
        'def check():\n    yield f"no student has {column}"',
        'fail("the names " + names + " are not known. Check them.")',
        'fail("there is none here." if none else tr("there is one here."))',
    ],
)
def test_a_text_that_is_not_marked_is_found(code: str) -> None:
    assert len(list(unmarked(ast.parse(code), ERRORS))) == 1


@pytest.mark.parametrize(
    "code",
    [
        'fail(tr("there is no run {run}. See: clearance runs list", run=run))',
        'OUT.print(f"  {line}")',
        'OUT.print(f"{number}: {name}", style="yellow")',
        'tables.table((tr("run"), tr("source")), rows)',
        'raise GrantUnreadable(GrantCode.ACT, tr("there is no act here."))',
        'def name():\n    return "clearance.portal"',
    ],
)
def test_a_text_that_is_marked_is_not_found(code: str) -> None:
    assert list(unmarked(ast.parse(code), ERRORS)) == []


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process speak Chinese for one test, except for Typer's own texts."""
    monkeypatch.setattr(translation, "_chosen", ["zh"])


CODES = (
    *Verdict, *Reason, *RunState, *Cause, *Act, *SCOPE_COLUMNS, *Weakness, *ProofKind, *SEALED,
    *(kind for kind in BatchKind if kind is not BatchKind.CLASS),
    *(field.name for field in fields(RunCounts) if field.name not in ("unmatched_keys", "reasons", "warnings")),
    *("strangers", "objections"),
    *CHECKED,
    *NotifyEvent,
)  # fmt: skip


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("code", sorted({str(code) for code in CODES}))
def test_a_code_that_a_table_shows_has_a_chinese_word(code: str) -> None:
    assert CHINESE.search(word(code))
