"""What can be seen of a query without asking a database: what it binds, and whether it limits its own rows.

A tokeniser that knows strings, quoted names and comments; it parses no dialect, and so serves all of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from sqlalchemy import text

#: Text, quoted names and comments: SQL Server's brackets and PostgreSQL's dollars, too.
_QUOTED_OR_REMARK = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL)

_OPENS, _CLOSES = "()"

_TOKEN = re.compile(r":\w+|\d+(?:\.\d+)?|[\w$#]+|<=|>=|<>|!=|\S")


def one_select(query: str) -> str:
    """Return a query without the semicolon at its end. What it may hold is looked at where its database is known."""
    query = query.strip().rstrip(";").rstrip()
    if not query:
        raise ValueError("this is not a query: write one that begins with SELECT or WITH")
    return query


#: One SELECT, as a setting.
Query = Annotated[str, AfterValidator(one_select)]


def binds(query: str, name: str) -> bool:
    """Return whether the query has a bound parameter of this name."""
    return name in text(query).compile().params


def _bare(query: str) -> str:
    """Return the query without its texts, quoted names and comments."""
    # A quoted name stays a name: `"q".limit` and `SELECT "limit"` limit nothing.
    return _QUOTED_OR_REMARK.sub(lambda found: " " if found[0][:2] in ("--", "/*") else " _ ", query)


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """A place where a query limits its own rows."""

    #: As the query writes it, for messages: `LIMIT 1000`.
    words: str
    #: At most so many rows come; None where that cannot be seen.
    most: int | None
    #: It limits the whole answer, and not a part of the query.
    whole: bool

    def reached(self, rows: int) -> bool:
        """Return whether an answer of so many rows may have been cut off."""
        return not self.whole or self.most is None or rows >= self.most


def own_limits(query: str, parameters: Mapping[str, object] | None = None) -> tuple[OwnLimit, ...]:
    """Return where the query limits its own rows: LIMIT, TOP, FETCH FIRST, ROWNUM, OFFSET, a sample.

    A part of the query that picks one row (`LIMIT 1` in brackets) is a way to choose a value, and is left out; so is
    what limits nothing, such as `TOP 100 PERCENT`. `parameters` are the values that a limit may name.
    """
    tokens = _TOKEN.findall(_bare(query))
    upper = [token.upper() for token in tokens]
    found: list[OwnLimit] = []
    # A query that is bracketed as a whole limits its whole answer.
    least = _outer_brackets(upper)
    for at, depth, opened_after in _depths(upper):
        find = _LIMITS.get(upper[at])
        limit = find(_At(tokens, upper, at, parameters or {})) if find else None
        if limit is None:
            continue
        words, most = limit
        whole = depth <= least and not _APPLIES_BEFORE.get(upper[at], frozenset()) & set(upper)
        if depth <= least or most != 1 or opened_after in ("FROM", "JOIN"):
            found.append(OwnLimit(words, most, whole))
    return tuple(found)


#: What merges rows after a limit was applied, so that fewer rows may come than it let through.
_MERGES = frozenset({"UNION", "INTERSECT", "EXCEPT", "MINUS"})
_APPLIES_BEFORE = {
    "TOP": _MERGES,
    "FIRST": _MERGES,
    "ROWNUM": _MERGES | {"GROUP", "DISTINCT", "UNIQUE"},
}


def _outer_brackets(upper: list[str]) -> int:
    """Return in how many brackets the query stands as a whole."""
    count = 0
    while len(upper) > 2 * count + 1 and upper[count] == "(" and upper[-1 - count] == ")":
        depth = 0
        for at in range(count, len(upper) - count):
            depth += {"(": 1, ")": -1}.get(upper[at], 0)
            if depth == 0 and at < len(upper) - 1 - count:
                return count
        count += 1
    return count


def _depths(upper: list[str]) -> Iterator[tuple[int, int, str]]:
    """Give each token's place, in how many brackets it stands, and the word before the innermost of them."""
    before: list[str] = []
    for at, token in enumerate(upper):
        if token == _CLOSES and before:
            before.pop()
        yield at, len(before), before[-1] if before else ""
        if token == _OPENS:
            before.append(upper[at - 1] if at else "")


#: What a limit is found to be: its words, and the most rows it lets through.
_Found: TypeAlias = tuple[str, int | None] | None


@dataclass(frozen=True, slots=True)
class _At:
    """A query's tokens, seen from one of them."""

    tokens: list[str]
    upper: list[str]
    at: int
    parameters: Mapping[str, object]

    def word(self, ahead: int) -> str:
        """Return a token in upper case; empty beyond the ends."""
        at = self.at + ahead
        return self.upper[at] if 0 <= at < len(self.upper) else ""

    def number(self, ahead: int) -> int | None:
        """Return the number that a token is, or that its parameter stands for."""
        at = self.at + ahead
        token = self.tokens[at] if at < len(self.tokens) else ""
        value = self.parameters.get(token[1:]) if token.startswith(":") else token
        return int(str(value)) if str(value).isdecimal() else None

    def said(self, length: int) -> str:
        """Return so many tokens as they are written."""
        return " ".join(self.tokens[self.at : self.at + length])

    @property
    def counted(self) -> bool:
        """Whether a number, a parameter or a bracket follows."""
        return bool(re.match(r"[:\d(?@]", self.word(1)))


def _limit(here: _At) -> _Found:
    if not here.counted or here.word(-1) == ".":
        return None
    if here.word(2) == ",":
        # The first of the two skips rows: nothing shows that those are none of ours.
        return here.said(4), here.number(3) if here.number(1) == 0 else None
    return here.said(2), here.number(2 if here.word(1) == "(" else 1)


def _offset(here: _At) -> _Found:
    return (here.said(2), None) if here.counted and here.number(1) != 0 else None


def _top(here: _At) -> _Found:
    if not here.counted or here.word(-1) not in ("SELECT", "DISTINCT", "ALL"):
        return None
    bracket = here.word(1) == "("
    most, percent = here.number(2 if bracket else 1), here.word(4 if bracket else 2) == "PERCENT"
    if percent and most == 100:
        return None
    return here.said(4 if bracket else 2), None if percent else most


def _first(here: _At) -> _Found:
    return (here.said(2), here.number(1)) if here.counted and here.word(-1) == "SELECT" else None


def _fetch(here: _At) -> _Found:
    if here.word(1) not in ("FIRST", "NEXT"):
        return None
    if here.word(2) in ("ROW", "ROWS"):
        return here.said(3), 1
    return here.said(4), None if here.word(3) == "PERCENT" else here.number(2)


def _rownum(here: _At) -> _Found:
    """Return the limit that a comparison with ROWNUM is; None where it is a column of the answer."""
    follows = here.word(1)
    if follows in ("<=", "=", "<"):
        most = here.number(2)
        return here.said(3), most - 1 if most is not None and follows == "<" else most
    if follows in ("BETWEEN", "IN", ">", ">=", "<>", "!="):
        return here.said(3), None
    return (here.said(1), None) if here.word(-1) in ("<", "<=", ">", ">=", "=", "<>", "!=") else None


def _sample(here: _At) -> _Found:
    return (here.said(2), None) if here.word(0) == "TABLESAMPLE" or here.word(1) in ("(", "BLOCK") else None


_LIMITS: Mapping[str, Callable[[_At], _Found]] = {
    "LIMIT": _limit,
    "OFFSET": _offset,
    "TOP": _top,
    "FIRST": _first,
    "FETCH": _fetch,
    "ROWNUM": _rownum,
    "TABLESAMPLE": _sample,
    "SAMPLE": _sample,
}
