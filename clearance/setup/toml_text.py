"""Writes TOML with comments. Texts of others are quoted, so that no name and no cell can end its line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from config.tables.plain_text import on_one_line

#: The width after which a comment goes on in the next line.
_WIDTH = 118


def value(given: object) -> str:
    """Return a value as TOML writes it."""
    match given:
        case bool():
            return "true" if given else "false"
        case int():
            return str(given)
        case date():
            return given.isoformat()
        case Mapping():
            inner = ", ".join(f"{key(str(name))} = {value(each)}" for name, each in given.items())
            return f"{{ {inner} }}" if inner else "{}"
        case str():
            # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
            return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Sequence():
            return f"[{', '.join(value(each) for each in given)}]"
        case _:
            raise TypeError(type(given).__name__)


def key(name: str) -> str:
    """Return a key: bare where TOML allows it."""
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)


def comment(text: str) -> list[str]:
    """Return a text as lines of a comment."""
    lines, line = [], "#"
    for word in on_one_line(text).split():
        if len(line) + len(word) + 1 > _WIDTH and line != "#":
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def table(head: str, keys: Mapping[str, object], comments: Iterable[str] = ()) -> list[str]:
    """Return the lines of a table: its comments, its head, its keys."""
    lines = [line for text in comments for line in comment(text)]
    return [*lines, head, *(f"{key(name)} = {value(each)}" for name, each in keys.items())]
