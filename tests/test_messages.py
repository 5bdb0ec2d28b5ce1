"""Every message of the settings, the connectors, the commands and the ways to sign in ends with what to do about it."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.services.fixes import ends_with_the_fix

_ROOT = Path(__file__).parent.parent

#: How a message is raised, or returned to be raised; its last argument ends with the fix.
_RAISED = (
    "ValueError",
    "SourceError",
    "SourceGarbled",
    "SourceRefused",
    "SourceUnavailable",
    "_refused",
    "sign_in_refused",
    "_unavailable",
)

#: What ends a command with a message: the last text that it is called with.
_ENDS_A_COMMAND = re.compile(r"fail|[A-Z]\w+Refused|StoreError|BackupError")

#: Of the settings: functions that return a list of mistakes.
_LISTED = ("mistakes", "contradict", "identities", "no_use", "take_own")

#: What is raised as one, and worded where it is caught.
_WORDED_ELSEWHERE = {"connectors/files/workbooks/excel.py"}


def _text(node: ast.AST) -> str | None:
    """Return what is written of a message, with X for each part that is not; None where it is not written there."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or "X" for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return f"{_text(left) or 'X'}{_text(right) or 'X'}"
        case ast.Call(func=ast.Name(id="tr"), args=[ast.Constant(value=str() as text)]):
            return _VALUE.sub("X", text)
        case ast.Call(func=ast.Name(id="tr_n"), args=[_, ast.Constant(value=str() as text), _]):
            return _VALUE.sub("X", text)
        case _:
            return None


#: A value in a text that is translated.
_VALUE = re.compile(r"\{[^{}]*\}")


#: The end of a message that is a sentence of its own and written elsewhere, such as a fix for several.
_OPEN = re.compile(r"(?:^|^\"X\" |[.:;!?] )(?:X[ .;]*)+$")


def _messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give each message that is written in a module: its line, and its words."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[*_, last]) if name in _RAISED:
                if (text := _text(last)) is not None and " " in text:
                    yield last.lineno, text
            case ast.FunctionDef(name=name) if any(word in name for word in _LISTED):
                yield from _listed(node)


def _refusals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give each message likewise that ends a command."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=args) if _ENDS_A_COMMAND.fullmatch(name):
                yield from [(arg.lineno, text) for arg in args if " " in (text := _text(arg) or "")][-1:]


def _listed(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.JoinedStr | ast.Call)
            and (text := _text(node))
            and text.startswith(("[", "X"))
            and ": " in text
        ):
            yield node.lineno, text


def _modules(*rooms: str) -> list[str]:
    """Return the modules of these rooms."""
    return sorted(path.relative_to(_ROOT).as_posix() for room in rooms for path in (_ROOT / room).rglob("*.py"))


_MODULES = _modules("config", "connectors", "portal/auth")
_COMMANDS = _modules("clearance", "status_db")


def _without_a_fix(found: Iterable[tuple[int, str]]) -> str:
    """Return the messages that do not end with one, each on a line."""
    return "\n".join(f"{line}: {text}" for line, text in found if not (_OPEN.search(text) or ends_with_the_fix(text)))


@pytest.mark.parametrize("module", [module for module in _MODULES if module not in _WORDED_ELSEWHERE])
def test_each_message_ends_with_the_fix(module: str) -> None:
    assert _without_a_fix(_messages(ast.parse((_ROOT / module).read_text(encoding="utf-8")))) == ""


@pytest.mark.parametrize("module", _COMMANDS)
def test_each_message_that_ends_a_command_ends_with_the_fix(module: str) -> None:
    assert _without_a_fix(_refusals(ast.parse((_ROOT / module).read_text(encoding="utf-8")))) == ""


def test_the_messages_that_end_a_command_are_found() -> None:
    found = {m: len(list(_refusals(ast.parse((_ROOT / m).read_text(encoding="utf-8"))))) for m in _COMMANDS}
    assert found["clearance/granted.py"] == 4
    assert found["status_db/decisions/reviews.py"] > 5


def test_the_messages_are_found() -> None:
    found = {m: len(list(_messages(ast.parse((_ROOT / m).read_text(encoding="utf-8"))))) for m in _MODULES}
    assert found["config/checks.py"] > 15
    assert found["connectors/databases/sql_settings.py"] + found["connectors/sql.py"] > 5
    assert found["portal/auth/providers/oidc.py"] > 10


@pytest.mark.parametrize(
    "message",
    [
        "unknown key: known here: url, query",
        "the password holds a |, which SIP2 cannot send",
        "It failed. Nothing was written.",
        "the user info is for another client",
        "",
    ],
)
def test_a_message_without_a_fix_is_seen(message: str) -> None:
    assert not ends_with_the_fix(message)


@pytest.mark.parametrize(
    "message",
    [
        'it is no span: write one such as "15 min"',
        "Nobody answered. Try again later, or ask the office.",
        "Nothing is stored yet. Sync the roster first: clearance sync roster",
        "There is no such connector: see docs/connectors.md",
    ],
)
def test_a_message_with_a_fix_is_seen(message: str) -> None:
    assert ends_with_the_fix(message)
