"""The part of the site of each document: reads navigation.toml."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("navigation.toml")


def _navigation(language: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))[language]
    return table


def start(language: str) -> str:
    """Return the document that the site starts with."""
    return str(_navigation(language)["start"])


def parts(language: str) -> Iterator[tuple[str, list[str]]]:
    """Give each part's title and documents in their order; a name without a document is given as it is."""
    for part in _navigation(language)["part"]:
        named = [[name] if "*" not in name else sorted(_matches(name)) for name in part["documents"]]
        yield part["title"], [document for documents in named for document in documents]


def _matches(pattern: str) -> Iterator[str]:
    return (path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def documents(language: str) -> list[str]:
    """Return every document of a language's site."""
    return [document for _, part in parts(language) for document in part]
