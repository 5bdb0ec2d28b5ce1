"""Analysis of a query without a database: its bound parameters, and whether it limits its own rows.

The tokeniser recognises strings, quoted names and comments. It parses no dialect, and so works for all of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from sqlalchemy import text

from foundation.translation import tr

#: Text, quoted names and comments, including SQL Server's brackets and PostgreSQL's dollars.
_QUOTED_OR_REMARK = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL)

_OPENS, _CLOSES = "()"

_TOKEN = re.compile(r":\w+|\d+(?:\.\d+)?|[\w$#]+|<=|>=|<>|!=|\S")


def one_select(query: str) -> str:
    """Return a query without the semicolon at its end. `query_guard` checks the rest."""
    query = query.strip().rstrip(";").rstrip()
    if not query:
        raise ValueError(tr("this is not a query: write one that begins with SELECT or WITH"))
    return query


#: One SELECT, as a setting.
Query = Annotated[str, AfterValidator(one_select)]


def binds(query: str, name: str) -> bool:
    """Return whether the query has a bound parameter of this name."""
    return name in text(query).compile().params


def _without_quoted(query: str) -> str:
    """Return the query without its texts, quoted names and comments."""
    # A quoted name is still a name: `"q".limit` and `SELECT "limit"` limit nothing.
    return _QUOTED_OR_REMARK.sub(lambda found: " " if found[0][:2] in ("--", "/*") else " _ ", query)


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """A limit that a query sets for its own rows."""

    #: As in the query, for messages: `LIMIT 1000`.
    words: str
    #: The most rows; None if unknown.
    most: int | None
    #: It limits the whole answer rather than a part of the query.
    whole: bool

    def reached(self, rows: int) -> bool:
        """Return whether an answer with this number of rows can be cut off."""
        return not self.whole or self.most is None or rows >= self.most


def own_limits(query: str, parameters: Mapping[str, object] | None = None) -> tuple[OwnLimit, ...]:
    """Return the limits that the query sets for its own rows: LIMIT, TOP, FETCH FIRST, ROWNUM, OFFSET, a sample.

    A part of the query that selects one row (`LIMIT 1` in brackets) only chooses a value, and is omitted. So is a limit
    without effect, such as `TOP 100 PERCENT`. `parameters` are the values that a limit can name.
    """
    tokens = _TOKEN.findall(_without_quoted(query))
    upper = [token.upper() for token in tokens]
    found: list[OwnLimit] = []
    # A query in outer brackets limits its whole answer.
    least = _outer_brackets(upper)
    for at, depth, opened_after in _depths(upper):
        find = _LIMITS.get(upper[at])
        limit = find(_TokenAt(tokens, upper, at, parameters or {})) if find else None
        if limit is None:
            continue
        words, most = limit
        whole = depth <= least and not _APPLIES_BEFORE.get(upper[at], frozenset()) & set(upper)
        if depth <= least or most != 1 or opened_after in ("FROM", "JOIN"):
            found.append(OwnLimit(words, most, whole))
    return tuple(found)


#: Words that merge rows after a limit is applied, so that fewer rows can arrive than the limit.
_MERGES = frozenset({"UNION", "INTERSECT", "EXCEPT", "MINUS"})
_APPLIES_BEFORE = {
    "TOP": _MERGES,
    "FIRST": _MERGES,
    "ROWNUM": _MERGES | {"GROUP", "DISTINCT", "UNIQUE"},
}


def _outer_brackets(upper: list[str]) -> int:
    """Return the number of brackets around the whole query."""
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
    """Yield each token's index, its depth in brackets, and the word before the innermost bracket."""
    before: list[str] = []
    for at, token in enumerate(upper):
        if token == _CLOSES and before:
            before.pop()
        yield at, len(before), before[-1] if before else ""
        if token == _OPENS:
            before.append(upper[at - 1] if at else "")


#: The words of a limit, and the most rows that it allows; None if there is no limit.
_LimitFound: TypeAlias = tuple[str, int | None] | None


@dataclass(frozen=True, slots=True)
class _TokenAt:
    """A position in a query's tokens."""

    tokens: list[str]
    upper: list[str]
    at: int
    parameters: Mapping[str, object]

    def word(self, ahead: int) -> str:
        """Return a token in upper case; empty beyond the ends."""
        at = self.at + ahead
        return self.upper[at] if 0 <= at < len(self.upper) else ""

    def number(self, ahead: int) -> int | None:
        """Return the number in a token, or the value of its parameter."""
        at = self.at + ahead
        token = self.tokens[at] if at < len(self.tokens) else ""
        value = self.parameters.get(token[1:]) if token.startswith(":") else token
        return int(str(value)) if str(value).isdecimal() else None

    def words(self, length: int) -> str:
        """Return the next `length` tokens as written."""
        return " ".join(self.tokens[self.at : self.at + length])

    @property
    def counted(self) -> bool:
        """Whether a number, a parameter or a bracket follows."""
        return bool(re.match(r"[:\d(?@]", self.word(1)))


def _limit(here: _TokenAt) -> _LimitFound:
    if not here.counted or here.word(-1) == ".":
        return None
    if here.word(2) == ",":
        # The first of the two skips rows, which can be about students of the roster.
        return here.words(4), here.number(3) if here.number(1) == 0 else None
    return here.words(2), here.number(2 if here.word(1) == "(" else 1)


def _offset(here: _TokenAt) -> _LimitFound:
    return (here.words(2), None) if here.counted and here.number(1) != 0 else None


def _top(here: _TokenAt) -> _LimitFound:
    if not here.counted or here.word(-1) not in ("SELECT", "DISTINCT", "ALL"):
        return None
    bracket = here.word(1) == "("
    most, percent = here.number(2 if bracket else 1), here.word(4 if bracket else 2) == "PERCENT"
    if percent and most == 100:
        return None
    return here.words(4 if bracket else 2), None if percent else most


def _first(here: _TokenAt) -> _LimitFound:
    return (here.words(2), here.number(1)) if here.counted and here.word(-1) == "SELECT" else None


def _fetch(here: _TokenAt) -> _LimitFound:
    if here.word(1) not in ("FIRST", "NEXT"):
        return None
    if here.word(2) in ("ROW", "ROWS"):
        return here.words(3), 1
    return here.words(4), None if here.word(3) == "PERCENT" else here.number(2)


def _rownum(here: _TokenAt) -> _LimitFound:
    """Return the limit of a comparison with ROWNUM; None if ROWNUM is a column of the answer."""
    follows = here.word(1)
    if follows in ("<=", "=", "<"):
        most = here.number(2)
        return here.words(3), most - 1 if most is not None and follows == "<" else most
    if follows in ("BETWEEN", "IN", ">", ">=", "<>", "!="):
        return here.words(3), None
    return (here.words(1), None) if here.word(-1) in ("<", "<=", ">", ">=", "=", "<>", "!=") else None


def _sample(here: _TokenAt) -> _LimitFound:
    return (here.words(2), None) if here.word(0) == "TABLESAMPLE" or here.word(1) in ("(", "BLOCK") else None


_LIMITS: Mapping[str, Callable[[_TokenAt], _LimitFound]] = {
    "LIMIT": _limit,
    "OFFSET": _offset,
    "TOP": _top,
    "FIRST": _first,
    "FETCH": _fetch,
    "ROWNUM": _rownum,
    "TABLESAMPLE": _sample,
    "SAMPLE": _sample,
}
