"""Splits a query into words, texts, quoted names and comments, by the rules of the database that it is sent to.

If a server's own settings decide what a backslash means, the query is split by each of the possible rules. If the
results differ, it is unknown what the server would run, and the query is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from foundation.refusals import Refused
from foundation.translation import tr


class QueryCode(StrEnum):
    """Why a query is not sent."""

    #: Servers can read it in more than one way.
    UNCLEAR = "unclear"
    #: It does more than one SELECT that only reads.
    NOT_READING = "not_reading"


class QueryRefused(Refused[QueryCode], ValueError):  # noqa: N818 - named by the reaction
    """A query that is not sent; the text has the reason and the fix."""


class TokenKind(StrEnum):
    """The kinds of tokens."""

    WORD = "word"
    #: A name in quotes.
    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    SYMBOL = "symbol"
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class QueryToken:
    """One token of a query; for a quoted name, the text between the quotes."""

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """A word in upper case; empty for any other token, because a quoted word has no meaning."""
        return self.text.upper() if self.kind is TokenKind.WORD else ""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one database reads quotes and comments."""

    #: `#` begins a comment.
    hash_remarks: bool = False
    #: `#` can be part of a word.
    hash_words: bool = False
    #: `--` begins a comment only if a blank follows.
    dash_needs_blank: bool = False
    #: A comment can contain comments.
    nested: bool = False
    #: `/*!` does not begin a comment: its content is run.
    executable: bool = False
    #: A quote after a backslash does not end a text.
    backslash: bool = False
    #: E'…' is a text in which that is always so.
    e_texts: bool = False
    #: U&"…" is a name whose characters can be written as codes.
    coded_names: bool = False
    #: $tag$…$tag$ is a text.
    dollars: bool = False
    #: q'[…]' is a text.
    q_texts: bool = False
    backticks: bool = False
    brackets: bool = False
    #: `]]` in brackets is one `]` of the name.
    brackets_double: bool = False


_MYSQL = Rules(hash_remarks=True, dash_needs_blank=True, executable=True, backslash=True, backticks=True)
_POSTGRESQL = Rules(nested=True, e_texts=True, coded_names=True, dollars=True)
_ORACLE = Rules(hash_words=True, q_texts=True)

#: Database → the rules by which its servers can be set to read a query.
RULES: Mapping[str, tuple[Rules, ...]] = {
    "mysql": (_MYSQL, replace(_MYSQL, backslash=False)),
    "postgresql": (_POSTGRESQL, replace(_POSTGRESQL, backslash=True)),
    "sqlite": (Rules(backticks=True, brackets=True),),
    "mssql": (Rules(nested=True, hash_words=True, brackets=True, brackets_double=True),),
    "oracle": (_ORACLE,),
    "dm": (_ORACLE, replace(_ORACLE, q_texts=False)),
}
_SAME_RULES = {"mariadb": "mysql", "opengauss": "postgresql", "gaussdb": "postgresql", "kingbase": "postgresql"}


def rules_of(database: str) -> tuple[Rules, ...]:
    """Return the rules of a database, by its name in the URL; for an unknown one, the rules of all."""
    known = RULES.get(_SAME_RULES.get(database, database))
    return known if known is not None else tuple(rules for each in RULES.values() for rules in each)


def tokens(query: str, database: str) -> list[QueryToken]:
    """Return a query's tokens without comments. Raises QueryRefused."""
    if "\0" in query or re.search(r"\r(?!\n)", query):
        raise QueryRefused(
            QueryCode.UNCLEAR,
            tr("the query contains a character that databases read differently: write it again, in plain text"),
        )
    first, *others = (_Tokeniser(query, rules).all() for rules in rules_of(database))
    if any(other != first for other in others):
        raise QueryRefused(
            QueryCode.UNCLEAR,
            tr(
                "a backslash, a quote or a comment in this query has two meanings, by the settings of such a "
                "server: write a quote in a text as '', and remove backslashes and unusual quotes"
            ),
        )
    return [token for token in first if token.kind is not TokenKind.REMARK]


_WORD = re.compile(r"[^\W\d][\w$]*")
_WORD_WITH_HASH = re.compile(r"[^\W\d][\w$#]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TAG = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_Q_TEXT = re.compile(r"[nN]?[qQ]'(\S)")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}

#: Returns the token of its kind that begins at an index; None if there is none.
_Reader: TypeAlias = Callable[[int], QueryToken | None]


class _Tokeniser:
    """A tokeniser of one query with one set of rules."""

    def __init__(self, query: str, rules: Rules) -> None:
        self._query = query
        self._rules = rules

    def all(self) -> list[QueryToken]:
        """Return every token. Raises QueryRefused."""
        found: list[QueryToken] = []
        at, query = 0, self._query
        readers: tuple[_Reader, ...] = (self._remark_token, self._quoted_token, self._dollar_token, self._plain_token)
        while at < len(query):
            if query[at].isspace():
                at += 1
                continue
            token = next(token for reader in readers if (token := reader(at)) is not None)
            found.append(token)
            at = token.end
        return found

    def _remark_token(self, at: int) -> QueryToken | None:
        query, rules = self._query, self._rules
        behind = query[at + 2 : at + 3]
        dashes = query.startswith("--", at) and (
            not rules.dash_needs_blank or not behind or ord(behind) <= ord(" ") or behind == "\x7f"
        )
        if dashes or (rules.hash_remarks and query[at] == "#"):
            end = query.find("\n", at)
            return self._token(TokenKind.REMARK, at, len(query) if end < 0 else end + 1)
        if not query.startswith("/*", at):
            return None
        if rules.executable and re.match(r"/\*M?!", query[at : at + 4]):
            raise QueryRefused(
                QueryCode.UNCLEAR,
                tr("MySQL and MariaDB run the content of /*! … */, which is not a comment for them: remove it"),
            )
        end = self._end_of_remark(at)
        if end < 0:
            raise QueryRefused(QueryCode.UNCLEAR, tr("a comment that begins with /* has no end: close it with */"))
        return self._token(TokenKind.REMARK, at, end)

    def _end_of_remark(self, at: int) -> int:
        """Return the end of a comment that begins here; -1 if it has none."""
        if not self._rules.nested:
            # The star of a /* inside the comment can be part of the */ that ends it.
            last = self._query.find("*/", at + 2)
            return last + 2 if last >= 0 else -1
        depth = 0
        for mark in re.finditer(r"/\*|\*/", self._query[at:]):
            depth += 1 if mark[0] == "/*" else -1
            if depth == 0:
                return at + mark.end()
        return -1

    def _quoted_token(self, at: int) -> QueryToken | None:
        query, rules = self._query, self._rules
        if rules.q_texts and (match := _Q_TEXT.match(query, at)):
            self._refuse_behind_a_number(at)
            end = query.find(_CLOSING.get(match[1], match[1]) + "'", match.end())
            if end < 0:
                raise _unclosed_quote("q'")
            return self._token(TokenKind.TEXT, at, end + 2)
        if rules.e_texts and query[at : at + 2].lower() == "e'" and not self._in_word(at):
            return self._until("'", TokenKind.TEXT, at, at + 2, backslash=True)
        if rules.coded_names and query[at : at + 3].lower() == 'u&"':
            raise QueryRefused(
                QueryCode.UNCLEAR, tr('a name that begins with U&" can contain codes: write its characters, without U&')
            )
        quote = query[at]
        if quote == "'":
            return self._until("'", TokenKind.TEXT, at, at + 1, backslash=rules.backslash)
        if quote == '"':
            # MySQL reads it as a text, or as a name if set so; either both end at the same index, or the query is
            # unclear.
            return self._until('"', TokenKind.NAME, at, at + 1, backslash=rules.backslash and rules.backticks)
        if quote == "`" and rules.backticks:
            return self._until("`", TokenKind.NAME, at, at + 1, backslash=False)
        if quote == "[" and rules.brackets:
            return self._until("]", TokenKind.NAME, at, at + 1, backslash=False, doubled=rules.brackets_double)
        return None

    def _until(
        self, quote: str, kind: TokenKind, start: int, at: int, *, backslash: bool, doubled: bool = True
    ) -> QueryToken:
        query, began = self._query, at
        while at < len(query):
            if backslash and query[at] == "\\":
                at += 2
            elif query[at] != quote:
                at += 1
            elif doubled and query[at + 1 : at + 2] == quote:
                at += 2
            else:
                text = query[began:at].replace(quote * 2, quote) if kind is TokenKind.NAME else query[start : at + 1]
                return QueryToken(kind, text, start, at + 1)
        raise _unclosed_quote(quote)

    def _dollar_token(self, at: int) -> QueryToken | None:
        match = _TAG.match(self._query, at) if self._rules.dollars else None
        if match is None:
            return None
        self._refuse_behind_a_number(at)
        end = self._query.find(match[0], match.end())
        if end < 0:
            raise _unclosed_quote(match[0])
        return self._token(TokenKind.TEXT, at, end + len(match[0]))

    def _plain_token(self, at: int) -> QueryToken:
        words = _WORD_WITH_HASH if self._rules.hash_words else _WORD
        if match := words.match(self._query, at):
            return self._token(TokenKind.WORD, at, match.end())
        if match := _NUMBER.match(self._query, at):
            return self._token(TokenKind.NUMBER, at, match.end())
        return self._token(TokenKind.SYMBOL, at, at + 1)

    def _refuse_behind_a_number(self, at: int) -> None:
        """Raise QueryRefused for a text that begins right after a number: old and new servers read it differently."""
        if self._in_word(at):
            raise QueryRefused(
                QueryCode.UNCLEAR, tr("a text begins right after a number or a name: put a blank between them")
            )

    def _in_word(self, at: int) -> bool:
        """Whether the character before is part of a word that continues here."""
        before = self._query[at - 1 : at]
        return bool(before) and (before.isalnum() or before in "_$")

    def _token(self, kind: TokenKind, start: int, end: int) -> QueryToken:
        return QueryToken(kind, self._query[start:end], start, end)


def _unclosed_quote(quote: str) -> QueryRefused:
    return QueryRefused(
        QueryCode.UNCLEAR, tr("a text or name that begins with {quote} has no end: close it", quote=quote)
    )
