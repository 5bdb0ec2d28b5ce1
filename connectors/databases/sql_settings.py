"""Where a database is and which SELECTs it is asked: the keys of `sql`, checked together."""

import codecs
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import make_url

from config.tables.base import Span
from config.tables.secrets import FilePath, Text
from connectors.databases.statements.queries import Query, binds
from connectors.databases.statements.query_guard import refuse, refuse_everywhere
from connectors.http.tls import DatabaseTls

#: Bound by us, where a query names them.
_OURS = frozenset({"student", "numbers", "these", "opens", "closes", "cohort"})


def _charset(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        raise ValueError(f'"{name}" is no charset: write one such as "gbk"') from None


class Settings(DatabaseTls):
    """Where the database is, and what is asked."""

    #: A source of these keys may name a query as `as_of`.
    asks_database: ClassVar[bool] = True
    #: What may be called changes no answer.
    how: ClassVar[frozenset[str]] = frozenset({"allows"})

    query: Query
    #: Values for the `:names` in the queries; they are bound, never pasted in.
    parameters: dict[str, Text | int | float] = {}  # noqa: RUF012 - pydantic copies a field's default
    #: A query whose first column lists everybody the office knows.
    population: Query | None = None
    #: The same question about one student, `:student`; without it everybody is asked for and one is kept.
    one: Query | None = None
    #: Whether the answer is still the last one is told by the database itself: true for a count and digest that are
    #: ready-made, or a query of its own whose every row is part of it.
    fingerprint: bool | Query = False
    #: A statement that takes longer is given up.
    timeout: Span = timedelta(minutes=2)
    connect_timeout: Span = timedelta(seconds=10)
    #: The charset of text that comes as bytes: from columns of bytes, and from a database that believes itself ASCII.
    bytes_as: Annotated[str, AfterValidator(_charset)] = ""
    #: The folder of Oracle's client; named, its thick mode is used, by the whole program.
    oracle_client: FilePath | None = None
    #: Functions that a query may call although they are refused by name: the office's own that only read.
    allows: frozenset[str] = frozenset()
    #: More rows than this are no answer: the query is likely to have lost its condition.
    limit: Annotated[int, Field(ge=1)] = 5_000_000

    @model_validator(mode="after")
    def _only_reads(self) -> Self:
        for query in self.queries():
            if self.url.in_the_file:
                refuse(query, make_url(self.url.reveal()).get_backend_name(), self.allows)
            else:
                refuse_everywhere(query, self.allows)
        return self

    def queries(self) -> tuple[str, ...]:
        """Return every query that may be sent."""
        asked = (self.query, self.population, self.one, self.fingerprint)
        return tuple(query for query in asked if isinstance(query, str) and query)

    @model_validator(mode="after")
    def _binds_safely(self) -> Self:
        if taken := sorted(_OURS & self.parameters.keys()):
            raise ValueError(f":{taken[0]} is bound by the program itself: give the parameter another name")
        if binds(self.query, "numbers") and self.population is None:
            raise ValueError(
                "a query that binds :numbers misses whoever the office spells otherwise: name a population, which may "
                "bind them too, so that who is not found is unknown and not clear"
            )
        return self
